"""The ways of a message between the store and the wires; each module's docstring tells its walk in numbered steps.

``submitter``  a text on its way out: accepted -> written -> channel -> outcome recorded. Its parts: ``backlog`` (what
               is on disk), ``ready`` (what waits in memory), ``lanes`` and ``strict_order`` (the order to one number),
               ``claims`` (the policy `hold`), ``throttled`` and ``pauses``, ``obsolete`` (what need not be sent)
``receiver``   what networks and providers tell us: receipt or incoming text -> recorded -> acknowledged
``sweeper``    what nobody asks for: ends what is overdue, drops what is old
``publisher``  an event: outbox -> sink -> confirmed or parked
``outlet``     one channel with its submitters; ``requeue`` gives them what waits since another configuration
``admission``  whether the HTTP door may accept texts now
"""
