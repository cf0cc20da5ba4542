"""The SMS connector: texts come in over HTTP, go out over SMPP, and reports go to a queue over STOMP.

The packages stand on floors, the lowest first here. An import goes to a lower floor only; a test checks that.

====  ========  ============================================================================================
F0    words     ``errors`` ``messages`` ``lifecycle``: the standard library only
F1    cores     ``sms`` (texts and segments), ``smpp`` (octets and PDUs, the session): no Twisted, no clock,
                no I/O. Octets, calls and the time go in; octets and events come out
F2    ground    ``store`` (all SQL), ``net`` (connections), ``systemd``, ``deadline``, ``terminal``; ``client``,
                for applications in Python, which stands alone
F3    sections  ``sections``: what sections of the configuration are made of
F4    wires     ``channels`` ``sinks``: connections to the outside, without the store; ``simulator``: an SMSC
                to try and test against, which uses F0 and F1 only
F5    walks     ``walks``: the ways of messages and events between the store and the wires; ``config``
F6    doors     ``http`` ``health`` ``doctor`` ``demo``
F7    roof      ``service`` (makes and connects all parts of the daemon), ``cli``
====  ========  ============================================================================================
"""

__version__ = "0.1.0"
