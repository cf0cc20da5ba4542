"""The HTTP door.

``site``      the server: bodies are bounded before they are in memory
``requests``  the JSON that applications post, checked
``forms``     the forms that providers post, checked
``replies``   answers and errors as JSON
``auth``      API keys
``api``       the routes: the contract's three, and the message resource
"""
