"""SMPP 3.4 as a core without I/O. Octets, calls and the time go in; octets and events come out.

``constants``    the numbers of the specification and their names
``pdu``          PDUs and TLVs as field tables; the framer
``session``      the ESME's side of one SMPP session: bind, window, time-outs, unbind
``pace``         how fast a bind may submit: configured, and learned from throttling
``policy``       what a command_status means for a submit
``submit``       renders a segment as submit_sm
``deliver``      reads a deliver_sm: a receipt, a text from a handset, a part of one, or nothing
``receipt``      whether a deliver_sm is a receipt, and what the receipt says
``message_ids``  the ways in which SMSCs write one message id
"""
