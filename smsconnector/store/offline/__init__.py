"""Tools for a database file, run outside the daemon.

``backup``        copies the database while a connector runs
``reconcile``     counts what was accepted against what became of it, and lists contradictions
``parked``        lists the events that a sink did not take, and lets them be tried again
``rescue``        saves what can be read of a damaged file
``btree_leaves``  reads the rows of leaf pages without the b-trees above them, for ``rescue``
``new_file``      writes a file under a temporary name, and gives it its name when it is complete
"""
