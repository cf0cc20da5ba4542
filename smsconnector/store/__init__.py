"""What is on disk: all SQL of the connector is in this room.

``schema/NNNN.sql``  the schema as numbered steps
``database``         opening a file, and bringing it to the newest step
``operations``       what can be asked of the store, as plain records
``store``            a batch of operations in one transaction; its rooms by what they are about:
                     ``incoming`` ``outbox`` ``retention``, all made of the statements of ``rows``
``matching``         which segment a receipt belongs to
``writer``           the one thread that owns the connection: group commit
``retrying``         a writer that tries again until the disk can be written
``offline``          tools that work on a file from outside the daemon: backup, rescue, reconcile
"""
