"""What works on a database file from outside the daemon.

``backup``     a copy while a connector runs
``reconcile``  does it add up
``parked``     events that a sink did not take: listed, and tried again
``rescue``     what can be saved of a damaged file, as a new one; by its tables, then by its ``btree_leaves``
``new_file``   a file that appears whole, or not at all
"""
