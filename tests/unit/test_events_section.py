"""The section ``events``: one sink in the short form, several in the long one, and what each of them wants."""

from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from smsconnector.config import Configuration, parse
from smsconnector.errors import ConfigurationError
from smsconnector.messages import ALL_EVENTS, DELIVERY_REPORT, INCOMING_MESSAGE, Selection
from smsconnector.sinks.stomp.settings import StompSection
from smsconnector.sinks.types import SINK_TYPES
from tests.unit.toy import TOY_SINK, ToySinkSection

CHANNELS = """
channels:
  smpp: {type: smpp, binds: [{name: a, endpoint: "tcp:smsc:2775", system_id: me, password: x}]}
"""


class EventsCase(SynchronousTestCase):
    def setUp(self) -> None:
        patch = mock.patch.dict(SINK_TYPES, {"toy": TOY_SINK})
        patch.start()
        self.addCleanup(patch.stop)

    def parse(self, events: str) -> Configuration:
        return parse(f"{CHANNELS}events: {events}\n", {})

    def problems(self, events: str) -> dict[str, str]:
        return dict(self.assertRaises(ConfigurationError, self.parse, events).problems)

    def test_short_forms(self) -> None:
        """No section, an empty one, and one sink: the name in the database is that of the type, as it always was."""
        for configuration in (parse(CHANNELS, {}), self.parse("{}"), self.parse("{sink: stomp, uri: 'tcp://b:61613'}")):
            (sink,) = configuration.events.sinks
            self.assertIsInstance(sink, StompSection)
            self.assertEqual(configuration.events.selections, {"stomp": ALL_EVENTS})
        self.assertEqual(self.parse("{sink: toy, box: letters}").events.selections, {"toy": ALL_EVENTS})
        self.assertEqual(self.parse("{type: toy, box: letters}").events.selections, {"toy": ALL_EVENTS})

    def test_several(self) -> None:
        """Each by the model of its type, in their order, with the events that it wants."""
        events = self.parse(
            "{sinks: [{name: jms, type: stomp, login: me}, {type: toy, box: x, kinds: [incoming_message]},"
            " {name: crm, type: toy, box: y, channels: [smpp], kinds: [delivery_report, incoming_message]}]}"
        ).events
        jms, toy, crm = events.sinks
        assert isinstance(jms, StompSection)
        assert isinstance(toy, ToySinkSection)
        assert isinstance(crm, ToySinkSection)
        self.assertEqual((jms.login, toy.box, crm.box), ("me", "x", "y"))
        self.assertEqual(
            events.selections,
            {
                "jms": ALL_EVENTS,
                "toy": Selection((INCOMING_MESSAGE,)),
                "crm": Selection((DELIVERY_REPORT, INCOMING_MESSAGE), ("smpp",)),
            },
        )

    def test_filter_in_the_short_form(self) -> None:
        """One sink may want some of the events too, and have a name of its own."""
        events = self.parse("{sink: stomp, kinds: [delivery_report], name: jms}").events
        self.assertEqual(events.selections, {"jms": Selection((DELIVERY_REPORT,))})

    def test_what_is_wrong(self) -> None:
        """All of it at once, with the place in the file and what to do."""
        found = self.problems(
            "{sinks: [{name: a, type: stomp, uri: 'http://x'}, {name: b, type: pigeon}, {name: c},"
            " {name: 'd e', type: toy, box: x}, {name: f, type: toy, box: x, kinds: [reports], channels: [sms]},"
            " {name: g, type: toy, box: x, kinds: []}, 5]}"
        )
        place = "events.sinks[{}].{}"
        self.assertEqual(
            set(found),
            {place.format(*one) for one in ((0, "uri"), (1, "type"), (2, "type"), (3, "name"), (4, "kinds[0]"))}
            | {"events.sinks[4].channels[0]", "events.sinks[5].kinds", "events.sinks[6]"},
        )
        self.assertEqual(found["events.sinks[1].type"], "one of these is wanted here: stomp, webhook, toy")
        self.assertEqual(found["events.sinks[4].channels[0]"], "names 'sms', but the channels are: smpp")

    def test_names(self) -> None:
        """Two sinks can't have one name: the database would take them for one."""
        found = self.problems("{sinks: [{type: stomp}, {type: stomp}]}")
        self.assertEqual(
            found, {"events.sinks": "two of them have the name stomp: write another name: for one of them"}
        )

    def test_forms_are_not_mixed(self) -> None:
        """Keys of one sink beside ``sinks`` belong to none of them; no sink at all is a mistake."""
        self.assertEqual(set(self.problems("{sinks: [{type: stomp}], uri: 'tcp://b:61613'}")), {"events.uri"})
        self.assertEqual(set(self.problems("{sinks: []}")), {"events.sinks"})
        self.assertEqual(set(self.problems("{sinks: stomp}")), {"events.sinks"})
        self.assertEqual(set(self.problems("stomp")), {"events"})

    def test_files_of_each(self) -> None:
        """What the file system says against a sink comes with its place."""
        found = self.problems("{sinks: [{type: toy, box: x}, {type: stomp, passcode_file: /no/such/file}]}")
        self.assertEqual(set(found), {"events.sinks[1].passcode_file"})

    def test_channel_of_webhooks(self) -> None:
        """A provider's webhooks may have a channel of their own, which nobody sends by: a sink may want its events."""
        for name, found in (("provider", set()), ("other", {"events.sinks[0].channels[0]"})):
            events = f"events: {{sinks: [{{type: stomp, channels: [{name}]}}]}}"
            text = f"{CHANNELS}http: {{webhook_channel: provider}}\n{events}\n"
            try:
                parse(text, {})
            except ConfigurationError as error:
                self.assertEqual({place for place, _ in error.problems}, found)
            else:
                self.assertEqual(found, set())
