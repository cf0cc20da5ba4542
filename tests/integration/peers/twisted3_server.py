"""An SMSC on ``smpp.twisted3``, for tests: run by the Python of an environment that has it (see ``__init__``).

What goes over the wire is that library's own doing: its sessions, its codec and its timers. This file answers the
commands and tells the events.
"""

import json
import logging
import os
import select
import sys
from io import BytesIO
from typing import Any

from smpp.pdu.gsm_types import IEConcatenatedSM
from smpp.pdu.operations import DeliverSM, EnquireLink
from smpp.pdu.pdu_encoding import DataCodingEncoder, EsmClassEncoder
from smpp.pdu.pdu_types import AddrNpi, AddrTon, CommandStatus, MessageState
from smpp.pdu.sm_encoding import SMStringEncoder
from smpp.twisted.config import SMPPServerConfig
from smpp.twisted.protocol import DataHandlerResponse, SMPPServerProtocol
from smpp.twisted.server import IAuthenticatedSMPP, SMPPServerFactory
from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import IUsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.portal import IRealm, Portal
from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred, succeed
from twisted.internet.stdio import StandardIO
from twisted.internet.task import deferLater
from twisted.protocols.basic import LineOnlyReceiver
from twisted.python.log import startLogging
from zope.interface import implementer

reactor: Any = _reactor
SYSTEM_ID, PASSWORD = "me", "secret"
CODECS = {0: "ascii", 1: "ascii", 3: "latin-1", 8: "utf-16-be"}


def tell(event: str, **more: Any) -> None:
    """All of it: the test may read more slowly than this is written, and StandardIO has the pipe not block."""
    left = json.dumps({"event": event} | more, default=str).encode() + b"\n"
    while left:
        select.select([], [1], [])
        try:
            left = left[os.write(1, left) :]
        except BlockingIOError:
            continue


class Protocol(SMPPServerProtocol):  # type: ignore[misc]
    """The library's own, told about."""

    number = 0

    def connectionMade(self) -> None:
        super().connectionMade()
        self.factory.connections += 1
        self.number = self.factory.connections
        tell("connected", session=self.number)

    def connectionLost(self, reason: Any) -> None:
        super().connectionLost(reason)
        tell("closed", session=self.number)

    def PDUReceived(self, pdu: Any) -> None:
        text, place = None, None
        if pdu.params.get("short_message") is not None:
            read = SMStringEncoder().decodeSM(pdu)
            text = read.unicode
            for element in read.udh or ():
                if isinstance(element.data, IEConcatenatedSM):
                    place = [element.data.referenceNum, element.data.maximumNum, element.data.sequenceNum]
        fields = {name: one.decode("latin-1") if isinstance(one, bytes) else one for name, one in pdu.params.items()}
        tell(
            "pdu",
            session=self.number,
            command=pdu.id.name,
            sequence=pdu.seqNum,
            status=0 if pdu.status is CommandStatus.ESME_ROK else pdu.status.name,
            fields=fields,
            text=text,
            place=place,
        )
        super().PDUReceived(pdu)

    def onPDURequest_enquire_link(self, reqPDU: Any) -> None:
        if not self.factory.behaviour["mute"]:
            super().onPDURequest_enquire_link(reqPDU)


@implementer(IRealm)
class Realm:
    def requestAvatar(self, _avatar_id: Any, _mind: Any, *_interfaces: Any) -> Any:
        return IAuthenticatedSMPP, None, lambda: None


@implementer(ICredentialsChecker)
class Checker:
    credentialInterfaces = (IUsernamePassword,)

    def requestAvatarId(self, credentials: Any) -> Any:
        if (credentials.username, credentials.password) != (SYSTEM_ID, PASSWORD):
            raise UnauthorizedLogin
        return credentials.username


class SMSC(SMPPServerFactory):  # type: ignore[misc]
    protocol = Protocol

    def __init__(self) -> None:
        systems = {SYSTEM_ID: {"max_bindings": 4}}
        portal = Portal(Realm(), [Checker()])
        super().__init__(SMPPServerConfig(systems=systems, msgHandler=self.on_submit), portal)
        self.connections = 0
        self.behaviour: dict[str, Any] = {"throttle": 0, "slow": 0, "mute": False}
        self.last_id = 1000

    def on_submit(self, _system_id: str, _protocol: Any, _pdu: Any) -> "Deferred[Any]":
        if self.behaviour["throttle"] > 0:
            self.behaviour["throttle"] -= 1
            return succeed(CommandStatus.ESME_RTHROTTLED)
        self.last_id += 1
        answer = DataHandlerResponse(CommandStatus.ESME_ROK, message_id=str(self.last_id).encode())
        return deferLater(reactor, self.behaviour["slow"], lambda: answer)

    def session(self) -> Any:
        return self.getBoundConnections(SYSTEM_ID).getNextBindingForDelivery()

    def do(self, command: dict[str, Any]) -> None:
        what = command.pop("do")
        if what == "behave":
            self.behaviour.update(command["behaviour"])
            tell("behaves")
        elif what == "deliver":
            self.deliver(command)
        elif what == "receipt":
            self.receipt(command)
        elif what == "enquire_link":
            self.session().sendRequest(EnquireLink(), 5)
        elif what == "unbind":
            self.session().unbindAndDisconnect()
        elif what == "drop":
            self.session().transport.abortConnection()

    def deliver(self, command: dict[str, Any]) -> None:
        coding = command.get("data_coding", 0)
        octets = bytes.fromhex(command.get("udh", "")) + command["text"].encode(CODECS[coding])
        self.send(command, octets, 0x40 if "udh" in command else 0, coding)

    def receipt(self, command: dict[str, Any]) -> None:
        smsc_id, stat = command["id"], command["stat"]
        if command.get("form") == "tlv":
            state = MessageState.DELIVERED if stat == "DELIVRD" else MessageState.UNDELIVERABLE
            self.send(command, b"", 0x04, 0, receipted_message_id=smsc_id.encode(), message_state=state)
            return
        err = "000" if stat == "DELIVRD" else "034"
        text = (
            f"id:{smsc_id} sub:001 dlvrd:001 submit date:2601011200 done date:2601011201 "
            f"stat:{stat} err:{err} text:hello"
        )
        self.send(command, text.encode("ascii"), 0x04, 0)

    def send(self, command: dict[str, Any], octets: bytes, esm_class: int, coding: int, **tlvs: Any) -> None:
        self.session().sendDataRequest(
            DeliverSM(
                source_addr_ton=AddrTon.INTERNATIONAL,
                source_addr_npi=AddrNpi.ISDN,
                source_addr=command.get("source", "923001234567").encode(),
                destination_addr=command.get("destination", "8228").encode(),
                esm_class=EsmClassEncoder().decode(BytesIO(bytes((esm_class,)))),
                data_coding=DataCodingEncoder().decode(BytesIO(bytes((coding,)))),
                short_message=octets,
                **tlvs,
            )
        )


class Commands(LineOnlyReceiver):
    delimiter = b"\n"

    def __init__(self, smsc: SMSC) -> None:
        self._smsc = smsc

    def lineReceived(self, line: bytes) -> None:
        self._smsc.do(json.loads(line))

    def connectionLost(self, _reason: Any = None) -> None:
        reactor.stop()


def main() -> None:
    logging.basicConfig(level=logging.INFO)
    startLogging(sys.stderr, setStdout=False)
    smsc = SMSC()
    StandardIO(Commands(smsc))
    port = reactor.listenTCP(0, smsc, interface="127.0.0.1")
    tell("listening", port=port.getHost().port)
    reactor.run()


if __name__ == "__main__":
    main()
