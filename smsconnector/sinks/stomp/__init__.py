"""Events to a STOMP broker.

``sink``        publishes them: the queue, when and where to connect, who is at fault
``connection``  one STOMP session
``frames``      events as frames
``failover``    ActiveMQ's URIs, and the pace of the attempts
"""
