"""The SMPP channel.

``channel``     its binds, and the routes that choose among them
``bind``        one SMPP session that is kept
``connection``  one connection to an SMSC: the transport around the session
``deliver``     a deliver_sm as a receipt or a text
``tally``       what of it an operator should know: counted warnings
"""
