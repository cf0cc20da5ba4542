"""The ways of a message between the store and the wires; each module's docstring tells its walk in numbered steps.

``submitter``  a text on its way out: queued segment -> channel -> outcome recorded; ``lanes`` keep order to one number
``receiver``   what networks and providers tell us: receipt or incoming text -> recorded -> acknowledged
``publisher``  an event: outbox -> sink -> confirmed
``outlet``     one channel with its submitters; ``requeue`` gives them what waits since another configuration
``admission``  whether the HTTP door may accept texts now
"""
