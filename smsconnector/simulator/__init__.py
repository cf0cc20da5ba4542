"""An SMSC to try and test against: ``twistd -n smsc-simulator``, or in memory with a ``Clock``.

``behaviour``  what the SMSC does, good and bad, as one record; the dice that choose, the same for the same seed
``rendering``  the octets of receipts and of texts from handsets
``smsc``       the SMSC: its accounts, what it owes them and when; the protocol of one bind
``ledger``     what was taken, in memory or in a file
``service``    the options of twistd, and the service it runs
"""
