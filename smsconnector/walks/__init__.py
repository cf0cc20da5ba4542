"""The ways of messages and events between the store and the connections. Each module describes its way in steps.

``submitter``  a text on its way out: accepted -> written -> channel -> outcome recorded. Its parts: ``backlog`` (what
               is on disk), ``ready`` (what waits in memory), ``lanes`` and ``strict_order`` (the order to one number),
               ``claims`` (the policy `hold`), ``throttled`` and ``pauses``, ``obsolete`` (what need not be sent)
``once``       a text that may be asked for again under one key
``receiver``   a receipt or an incoming text: received -> written -> acknowledged
``sweeper``    work by the clock: ends what is overdue, drops what is old
``publisher``  an event: outbox -> sink -> confirmed or parked
``outlet``     one channel with its submitters; ``requeue`` gives them what an earlier configuration has left in queues
``admission``  whether the HTTP API may accept texts now
"""
