"""Jupyter's configuration for the proxy's benchmark: lets jupyter-server-proxy take a response of more than 104 MB."""

from tornado.httpclient import AsyncHTTPClient

AsyncHTTPClient.configure(None, max_body_size=4 << 30, max_buffer_size=4 << 30)
