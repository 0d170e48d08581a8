"""The index behind a URL and behind a tool of an agent: HTTP (Starlette, uvicorn) and MCP."""
