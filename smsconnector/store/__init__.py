"""What is on disk: all SQL of the connector is in this room.

``schema/NNNN.sql``  the schema as numbered steps
``database``         opening a file, and bringing it to the newest step
``operations``       what can be asked of the store, as plain records
``store``            a batch of operations in one transaction; its rooms by what they are about:
                     ``incoming`` ``outbox`` ``retention``, all made of the statements of ``rows``
``matching``         which segment a receipt belongs to
``backup``           a copy while a connector runs
``rescue``           what can be saved of a damaged file, as a new one; by its tables, then by its ``leaves``
``newfile``          where both write to
``reconcile``        does it add up
``writer``           the one thread that owns the connection: group commit
"""
