"""The channel type ``twilio``: texts go out by Twilio's API of 2010, or that of a provider that speaks as Twilio does.

``settings``  the section of the configuration
``provider``  the request for a text, and what the reply means
``making``    the channel from its section
``codes``     Twilio's error codes, and what each one means for us
"""
