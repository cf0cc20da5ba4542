"""The HTTP door.

``door``      the ports that it listens on
``site``      the server: bodies are bounded before they are in memory
``requests``  what clients post, checked: plain functions of octets, no HTTP machinery
``replies``   answers and errors as JSON
``auth``      API keys
``api``       the routes: the contract's three, and the message resource
"""
