"""The Python client, with httpx's own transport for tests: no sockets, no waiting, a clock that the pauses move."""
