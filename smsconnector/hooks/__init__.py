"""What HTTP providers post to us: who it is from (``signatures`` and its neighbours), and what it says
(``reading``). ``requests`` is a request as these see it.

No Twisted, no clock, no I/O: the time is an argument, and the door of ``http`` brings the requests.
"""
