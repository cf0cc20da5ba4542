"""``smsconnector doctor``: how an SMSC behaves, told in a table, and what to configure for it.

1. ``plan``       the command line, and the bind of the configuration, as what is to be tried
2. ``session``    the visit: connect, bind, enquire_link, submits, the wait for receipts, unbind
3. ``evidence``   what was seen on the way; whose a deliver_sm is
4. ``findings``   what follows from it
5. ``advice``     a refusal or a failure as a sentence that says what to do
6. ``rendering``  the table, and the lines for the configuration

It visits an SMSC that a connector may be bound to at the same time, under the same system_id. So it sends nothing but
to numbers that were named, and what the SMSC hands to this session although it belongs to the other one, receipts and
texts, goes back with ESME_RX_T_APPN: only what is known to be of our own submits is acknowledged.
"""
