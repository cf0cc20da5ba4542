"""SMPP 3.4 as a core without I/O: bytes, calls and ``now`` in; bytes and events out.

``constants``  the numbers of the specification and their names
``pdu``        PDUs and TLVs as field tables; the framer
``session``    the ESME's side of one SMPP session: bind, window, time-outs, unbind
``pace``       how fast a bind may submit: configured, and learned from throttling
``policy``     what a command_status means for a submit
``submit``     a segment rendered as submit_sm
``receipt``    deliver_sm read as receipt or as incoming text; the forms of a message id
"""
