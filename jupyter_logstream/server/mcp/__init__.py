"""Model Context Protocol (MCP): messages, tools and their bounded replies for assistants. Server; no HTTP."""
