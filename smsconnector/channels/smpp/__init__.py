"""The SMPP channel.

``settings``    its sections of the configuration
``making``      makes the channel from its section
``channel``     its binds, and the routes that choose among them
``bind``        one bind, which is kept: its connection is made again when it ends
``refusals``    when a bind is passed over because its SMSC refuses everything
``connection``  one connection to an SMSC: the transport around the session
"""
