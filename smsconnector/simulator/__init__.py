"""An SMSC to try and test against: ``twistd -n smsc-simulator``, or in memory with a ``Clock``.

``behaviour``  what the SMSC does, good and bad, as one record; the dice that choose, the same for the same seed
``protocol``   one connection of an ESME: its PDUs, its bind, its window of deliver_sm
``submits``    what an ESME submits, read
``smsc``       the engine: takes or refuses submits, and does everything else when it is due
``accounts``   what each system_id is owed, and the binds that may get it
``rendering``  the octets of receipts and of texts from handsets
``ledger``     what was taken, in memory or in a file; what happened, counted
``service``    the options of twistd, and the service it runs
"""
