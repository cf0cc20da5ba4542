from twisted.application.service import ServiceMaker

smsc_simulator = ServiceMaker(
    "smsc-simulator", "smsconnector.simulator.service", "An SMSC to try against", "smsc-simulator"
)
