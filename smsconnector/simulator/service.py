"""``twistd -n smsc-simulator``: the options, made from the fields of ``Behaviour``, and the service."""

import dataclasses
import os
import time
from typing import Any

from twisted.application.service import Service
from twisted.internet.error import CannotListenError
from twisted.logger import Logger
from twisted.python import usage

from smsconnector.errors import ConfigurationError
from smsconnector.process import prepare
from smsconnector.simulator.behaviour import Behaviour
from smsconnector.simulator.ledger import Entry, FileLedger
from smsconnector.simulator.smsc import SMSC

_WORDS = {"yes": True, "no": False}
_FIELDS = {field.name.replace("_", "-"): field for field in dataclasses.fields(Behaviour)}


def _default(name: str, field: Any) -> Any:
    if name == "first-id":
        return None  # from the clock, so that a restart does not repeat ids
    return ("no", "yes")[field.default] if isinstance(field.default, bool) else field.default


class Options(usage.Options):
    """The options of ``twistd smsc-simulator``."""

    synopsis = "[options]"
    longdesc = "An SMSC to try and test against: it takes texts over SMPP 3.4 and sends their receipts."
    optParameters = [
        ["port", "p", "2775", "the port to listen on; 0 for any that is free"],
        ["interface", "i", "127.0.0.1", "the address to listen on"],
        ["port-file", None, None, "write the port to this file when listening"],
        ["ledger", "l", None, "append each message that is taken to this file, as a line of JSON"],
        *[[name, None, _default(name, field), field.metadata["help"]] for name, field in _FIELDS.items()],
    ]
    optFlags = [["verbose", "v", "log a line for every step of every message"]]

    def postOptions(self) -> None:
        """Everything that is wrong, at once."""
        problems = []
        values = {}
        for name, field in _FIELDS.items():
            try:
                values[field.name] = _read(name, self[name], field)
            except ValueError as error:
                problems.append(str(error))
        try:
            self["behaviour"] = Behaviour(**values)
        except ConfigurationError as error:
            problems += [f"--{path.replace('_', '-')} {sentence}" for path, sentence in error.problems]
        if not str(self["port"]).isdecimal() or int(self["port"]) > 65535:
            problems.append(f"--port has to be 0 to 65535, not {self['port']}")
        if problems:
            raise usage.UsageError("\n".join(problems))


def _read(name: str, value: Any, field: Any) -> Any:
    """An option's text as its field's type. Raises ValueError with a sentence."""
    if not isinstance(value, str):
        return int(time.time() * 1000) if name == "first-id" and value is None else value
    kind = type(field.default)
    if kind is bool:
        if value not in _WORDS:
            raise ValueError(f"--{name} has to be yes or no, not {value}")
        return _WORDS[value]
    if kind not in (int, float):
        return value
    try:
        return kind(value)
    except ValueError:
        raise ValueError(f"--{name} has to be a {'whole ' if kind is int else ''}number, not {value}") from None


class Simulator(Service):
    """An SMSC on a TCP port."""

    log = Logger()

    def __init__(self, reactor: Any, options: Options) -> None:
        self._reactor, self._options = reactor, options
        self.port: Any = None

    def startService(self) -> None:
        super().startService()
        options = self._options
        ledger = FileLedger(options["ledger"]) if options["ledger"] else None
        self.smsc = SMSC(
            self._reactor,
            options["behaviour"],
            on_submit=ledger.append if ledger else _forget,
            on_turn=ledger.flush if ledger else None,
            verbose=bool(options["verbose"]),
        )
        try:
            self.port = self._reactor.listenTCP(int(options["port"]), self.smsc, interface=options["interface"])
        except CannotListenError as error:
            raise SystemExit(f"smsc-simulator: {error}") from None
        number = self.port.getHost().port
        self.log.info("SMSC on {interface}:{port}", interface=options["interface"], port=number)
        if options["port-file"]:
            _write_whole(options["port-file"], f"{number}\n")

    def stopService(self) -> Any:
        super().stopService()
        self.smsc.unbind_all()  # the connections outlive this; so does the ledger, which is flushed every turn
        return self.port.stopListening()


def makeService(options: Options, reactor: Any = None) -> Simulator:
    """The service that twistd runs."""
    if reactor is None:
        from twisted.internet import reactor  # noqa: PLC0415 — importing it installs it

        prepare(reactor)
    return Simulator(reactor, options)


def _forget(_entry: Entry) -> None:
    """Without --ledger nothing is kept: memory stays bounded however long it runs."""


def _write_whole(path: str, text: str) -> None:
    """So that a reader finds all of it or no file."""
    with open(f"{path}.new", "w", encoding="ascii") as file:
        file.write(text)
    os.replace(f"{path}.new", path)
