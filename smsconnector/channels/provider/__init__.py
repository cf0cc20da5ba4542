"""The base of channels that send each text by a request to an HTTP provider.

What is special to a provider is a ``Provider``: it makes the request for a text, and says what the reply means. All the
rest is ``ProviderChannel``.

``results``      what a reply means for a text, and what a provider has to know
``channel``      the channel: requests under way, and results for its listener
``suspects``     texts that bring a trouble of the account, while others are taken
``availability`` whether the provider may be asked now: pauses, window, rate
"""
