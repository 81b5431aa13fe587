"""Streaming reverse proxy: named upstreams, header rules, HTTP client, WebSocket tunnel. Server; no handlers."""
