"""The whole daemon in one process, on a clock that only we advance, against a world that misbehaves by a seeded plan.

``plan``         what happens in a run: texts, faults, crashes; made from a seed, or written down
``clock``        time: one heap of calls, and the reactor of one life of the daemon
``network``      connections in memory: octets are late, come in pieces, or never
``disk``         the database file, the writer and their faults; what a crash leaves of them
``smsc``         the networks: SMSCs that take, refuse, throttle, forget and repeat
``broker``       the queue: confirms, keeps silent, hangs up
``application``  who posts texts and believes what it is told
``provider``     who posts what it knows until it gets a 200; ``post`` is one request
``world``        all of them, and the daemon's lives: start, crash, stop
``gateway``      HTTP providers that texts are sent through, and their callbacks
``served``       the server's end of a connection that the daemon's HTTP client has made
``invariants``   what has to be true afterwards; ``webhook_laws``, ``gateway_laws``, ``fall_laws``, ``key_laws``,
                 ``callback_laws``
``shrink``       the shortest plan that breaks the same invariant
``run``          ``python -m tests.simulation``: many seeds

What it does not cover: the writer's real thread (``disk.SimulatedWriter`` stands for it: batches, commits and
callbacks at moments of their own, but never in the middle of the reactor's turn), TLS, real sockets, and the disk
below the file: a torn write is one of the write-ahead log's last transaction.
"""
