"""The SMS connector: texts in over HTTP, out over SMPP, reports on a queue over STOMP.

The rooms stand on floors; an import goes down only, and a test walks the imports to see that it does.

====  =========  ==========================================================================================
F0    words      ``errors`` ``messages`` ``lifecycle`` — standard library only
F1    cores      ``sms`` (text <-> segments), ``smpp`` (bytes <-> PDUs, the ESME session) — no Twisted, no
                 clock, no I/O: bytes, calls and ``now`` in; bytes and events out
F2    durable    ``store`` — all SQL, one writer thread
F3    wires      ``link`` ``network`` ``channels`` ``sinks`` — connections to the outside; never the store
F4    walks      ``submitter`` (with ``lanes``) ``receiver`` ``publisher`` — a message's way between the store
                 and the wires; ``admission`` — whether anything more is taken in
F5    doors      ``http`` ``config`` ``cli`` ``doctor`` ``demo`` — where users come in; ``service`` — the wiring
====  =========  ==========================================================================================

``simulator`` is an SMSC to try and test against; it stands beside the floors and uses F0 and F1 only.
"""

__version__ = "0.1.0"
