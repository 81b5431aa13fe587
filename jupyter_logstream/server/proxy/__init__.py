"""The streaming proxy: named upstreams, what goes to them and what comes back. Server side; no handlers here."""
