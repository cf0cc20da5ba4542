"""Events to a STOMP broker.

``sink``        the sink: queues events, decides when and where to connect
``connection``  one STOMP session
``frames``      events as STOMP frames
``suspicion``   which event the broker refuses
``failover``    ActiveMQ's failover URIs, and the order and pace of connection attempts
``settings``    the section ``events`` of the configuration
"""
