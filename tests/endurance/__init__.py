"""Endurance: what is promised of hours and of a million messages, on real processes, counted from outside.

``python -m tests.endurance.kills``    kill -9 after kill -9 under load, SMSC and broker coming and going: nothing lost
``python -m tests.endurance.outage``   the broker away for minutes: memory, latency, and every report afterwards
``python -m tests.endurance.priorities``  an agent's texts among a campaign of 100,000: the time to the submit_sm
``python -m tests.endurance.schedules``   100,000 texts that are due at one second: memory, latency, draining
``python -m tests.endurance.backlog``  a million messages on disk: start, memory, what another message costs, draining

Each prints its figures and ends with 1 if a promise is broken; what it leaves behind then is named. None is a test
that trial finds: they take their time.

``stage``     the parts of a run: ports, broker, SMSC, connector processes; and their end, whatever happens
``load``      texts over HTTP, paced or as fast as they are answered, with the latency of each
``queues``    a STOMP consumer, and the tally of what came by event-id
``figures``   what /proc says of a process, percentiles, and the list of promises kept and broken
"""
