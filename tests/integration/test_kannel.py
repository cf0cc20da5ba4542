"""A real Kannel as the upstream of an ``http`` channel, by the example of conf/providers.

HTTP -> the connector's process -> Kannel's sendsms -> SMPP -> the simulated SMSC, which counts.
"""

import re
from collections import Counter
from pathlib import Path
from typing import Any

import yaml
from twisted.internet import reactor as _reactor
from twisted.internet.defer import inlineCallbacks
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from tests.integration import kannel
from tests.integration.activemq import free_port
from tests.integration.stack import Connector, Load, Network, until

reactor: Any = _reactor
EXAMPLE = Path(__file__).resolve().parents[2] / "conf" / "providers" / "kannel.yaml"


class KannelLoad(Load):
    """Texts to the channel ``kannel``."""

    channel = "kannel"


def channel_of(port: int) -> dict[str, Any]:
    """The example, but for port, user and password."""
    text = EXAMPLE.read_text("utf-8").replace("127.0.0.1:13013", f"127.0.0.1:{port}")
    values = {"KANNEL_USERNAME": "tester", "KANNEL_PASSWORD": kannel.Kannel.password}
    section: dict[str, Any] = yaml.safe_load(re.sub(r"\$\{(\w+)\}", lambda found: values[found[1]], text))["channels"]
    section["kannel"] |= {"retry": {"initial": 0.5, "maximum": 5}}
    return section


class KannelCase(TestCase):
    skip = kannel.available()
    timeout = 120

    @inlineCallbacks
    def set_up(self) -> Any:
        self.network = Network(receipt_delay=0.1)
        self.network.listen()
        self.addCleanup(self.network.cut)
        self.kannel = kannel.Kannel(self.network.number)
        self.addCleanup(self.kannel.stop)
        yield deferToThread(self.kannel.start)
        uri, channels = f"tcp://127.0.0.1:{free_port()}", channel_of(self.kannel.port)
        self.connector = Connector([], uri, is_reached=True, channels=channels)
        self.addCleanup(self.connector.close)
        yield self.connector.start()

    @inlineCallbacks
    def taken(self, count: int) -> Any:
        """Waits until the SMSC has as many, and a moment longer for what would be too many."""
        try:
            yield until(lambda: len(self.network.taken) >= count, 30.0)
        except TimeoutError:
            self.fail(f"{len(self.network.taken)} of {count}:\n{self.kannel.said()}\n{self.connector.said()[-3000:]}")
        return Counter(entry.destination for entry in self.network.taken)

    @inlineCallbacks
    def test_fifty(self) -> Any:
        """50 texts at once: the SMSC has each of them once."""
        yield self.set_up()
        load = KannelLoad(self.connector.port, 50, 8)
        yield load.run()
        self.assertEqual((len(load.accepted), load.refused), (50, []))
        counts = yield self.taken(50)
        self.assertEqual(len(counts), 50)
        self.assertEqual(set(counts.values()), {1})
        self.assertNotIn(kannel.Kannel.password, self.connector.said())

    @inlineCallbacks
    def test_receipts(self) -> Any:
        """What the SMSC tells comes back by Kannel's dlr-url: one report for each text."""
        yield self.set_up()
        load = KannelLoad(self.connector.port, 30, 8)
        yield load.run()
        try:
            yield until(lambda: len(self.connector.reports()) >= 30, 30.0)
        except TimeoutError:
            self.fail(f"{self.connector.reports()}\n{self.kannel.said()}\n{self.connector.said()[-3000:]}")
        self.assertEqual(sorted(self.connector.reports()), sorted((sid, "DELIVERED") for sid in load.accepted))

    @inlineCallbacks
    def test_texts(self) -> Any:
        """What the handset gets is what was posted: signs of URLs and of templates, GSM-7 with extension, Arabic."""
        yield self.set_up()
        texts = ["a&b=c+d%41 {{from}} #?/;", "{price} 5€ [é] @", "سلام دنیا 👍"]
        load = KannelLoad(self.connector.port, len(texts), 1)
        load.texts = texts
        yield load.run()
        self.assertEqual(load.refused, [])
        yield self.taken(len(texts))
        entries = sorted(self.network.taken, key=lambda entry: entry.destination)
        shown = [
            entry.short_message.decode("utf-16-be") if entry.data_coding == 8 else gsm7(entry.short_message)
            for entry in entries
        ]
        self.assertEqual(shown, texts)

    @inlineCallbacks
    def test_outage(self) -> Any:
        """Kannel is away for a while: nothing was sent for sure, so all is sent when it is back, once."""
        yield self.set_up()
        self.kannel.kill()
        load = KannelLoad(self.connector.port, 20, 4)
        yield load.run()
        yield until(lambda: "the channel kannel" in self.connector.said(), 20.0)
        yield deferToThread(self.kannel.again)
        counts = yield self.taken(20)
        self.assertEqual((len(counts), set(counts.values())), (20, {1}))


def gsm7(octets: bytes) -> str:
    """Unpacked septets of GSM 03.38, the few signs that these tests use."""
    extension = {0x28: "{", 0x29: "}", 0x3C: "[", 0x3E: "]", 0x65: "€"}
    basic = {0x00: "@", 0x05: "é"}
    shown, escaped = [], False
    for octet in octets:
        if octet == 0x1B:
            escaped = True
            continue
        shown.append(extension[octet] if escaped else basic.get(octet, chr(octet)))
        escaped = False
    return "".join(shown)
