"""``smsconnector doctor``: how an SMSC behaves, in a table, and what to configure for it.

1. ``plan``       reads the command line and the bind of the configuration, and says what is to be tried
2. ``session``    visits the SMSC: connect, bind, enquire_link, submits, the wait for receipts, unbind
3. ``evidence``   keeps what was seen on the way, and decides whose a deliver_sm is; ``tls`` adds what TLS shows
4. ``findings``   says what follows from the evidence
5. ``advice``     says what to do about a bind that was refused or did not come up
6. ``rendering``  writes the table, and the lines for the configuration

A connector may be bound to the same SMSC at the same time, under the same system_id. It must not lose anything by this
visit. So the doctor sends texts only to numbers that were named. It acknowledges only what is known to be of its own
submits. Other receipts and texts go back with ESME_RX_T_APPN, and the SMSC delivers them again to the connector.

``provider`` is for channels to HTTP providers: ``doctor --channel NAME`` shows the request, and with a number also
the answer.
"""
