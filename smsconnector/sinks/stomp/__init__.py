"""Events to a STOMP broker: ``sink`` publishes them, ``failover`` reads ActiveMQ's URIs and paces the attempts."""
