"""The database: all SQL of the connector is in this package.

``schema/NNNN.sql``  the schema as numbered steps
``database``         opens a file, and brings its schema to the newest step
``operations``       what can be asked of the store, as plain records: operations write, queries read
``store``            applies a batch of operations in one transaction. Its parts, by subject: ``outgoing``,
                     ``idempotency``, ``receipts``, ``ends``, ``incoming``, ``outbox``, ``retention``; all of them are
                     built on ``rows``
``queries``          answers queries
``matching``         which segment a receipt belongs to
``writer``           the one thread that writes: group commit
``reader``           the one thread that reads, on a connection of its own
``retrying``         a writer that tries again until the disk can be written
``offline``          tools for a database file, run outside the daemon
"""
