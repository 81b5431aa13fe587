"""The server side: engine, subscriptions, HTTP, proxy, request log. Jupyter server."""
