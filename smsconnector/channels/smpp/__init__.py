"""The SMPP channel.

``settings``    its sections of the configuration, and their meaning to a bind
``making``      the channel from its section
``channel``     its binds, and the routes that choose among them
``bind``        one SMPP session that is kept
``refusals``    when a bind is passed over because its SMSC refuses everything
``connection``  one connection to an SMSC: the transport around the session
``deliver``     a deliver_sm as a receipt or a text
``tally``       what of it an operator should know: counted warnings
"""
