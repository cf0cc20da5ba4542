from twisted.application.service import ServiceMaker

smsconnector = ServiceMaker("smsconnector", "smsconnector.service", "SMS connector: HTTP, SMPP, STOMP", "smsconnector")
