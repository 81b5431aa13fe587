"""The client side: `run()`, handles, widgets, publishing. Kernel and scripts; talks to the server over HTTP only."""
