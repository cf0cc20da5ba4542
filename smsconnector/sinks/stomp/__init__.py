"""Events to a STOMP broker.

``sink``        publishes them: the queue, when and where to connect
``connection``  one STOMP session
``frames``      events as frames
``suspicion``   which event the broker refuses
``failover``    ActiveMQ's URIs, and the pace of the attempts
"""
