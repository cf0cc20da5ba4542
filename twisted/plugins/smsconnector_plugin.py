from twisted.application.service import ServiceMaker

smsconnector = ServiceMaker("smsconnector", "smsconnector.starting", "SMS connector: HTTP, SMPP, STOMP", "smsconnector")
