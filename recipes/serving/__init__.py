"""A local server: vocoders in streams over WebSocket, and whole files over HTTP."""
