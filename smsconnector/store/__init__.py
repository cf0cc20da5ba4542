"""What is on disk: all SQL of the connector is in this room.

``schema/NNNN.sql``  the schema as numbered steps
``database``         opening a file, and bringing it to the newest step
``operations``       what can be asked of the store, as plain records
``store``            a batch of operations in one transaction
``matching``         which segment a receipt belongs to
``writer``           the one thread that owns the connection: group commit
"""
