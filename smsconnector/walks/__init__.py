"""The ways of a message between the store and the wires; each module's docstring tells its walk in numbered steps.

``submitter``  a text on its way out: queued segment -> channel -> outcome recorded; ``lanes`` keep order to one number
``receiver``   what networks and providers tell us: receipt or incoming text -> recorded -> acknowledged
``sweeper``    what nobody asks for: ends what is overdue, drops what is old
``publisher``  an event: outbox -> sink -> confirmed or parked
``outlet``     one channel, as the door sees it
``admission``  whether the HTTP door may accept texts now
"""
