"""A key that is not known is told with the one that was meant. No value is ever shown."""

from twisted.trial.unittest import SynchronousTestCase

from smsconnector.config import parse
from smsconnector.errors import ConfigurationError
from smsconnector.key_names import about_unknown

BIND = '{name: a, endpoint: "tcp:127.0.0.1:2775", system_id: me, password: secret, %s}'


def problems(text: str) -> dict[str, str]:
    """What is wrong with a configuration, by its place."""
    try:
        parse(text, {})
    except ConfigurationError as error:
        return dict(error.problems)
    return {}


def of_bind(more: str) -> dict[str, str]:
    return problems(f"channels: {{smpp: {{type: smpp, binds: [{BIND % more}]}}}}")


class TypingMistakeCase(SynchronousTestCase):
    def test_bind(self) -> None:
        """Typing mistakes, other spellings, and the names that other gateways have for the same thing."""
        for key, meant in (
            ("widnow", "did you mean window?"),
            ("throughputt", "did you mean throughput?"),
            ("enquire_link_intervall", "did you mean enquire_link_interval?"),
            ("System-Id", "did you mean system_id?"),
            ("systemid", "did you mean system_id?"),
            ("systemId", "did you mean system_id?"),
            ("registeredDelivery", "did you mean registered_delivery?"),
            ("user", "did you mean system_id?"),
            ("username", "did you mean system_id?"),
            ("pass", "did you mean password?"),
            ("passwd", "did you mean password?"),
            ("tps", "did you mean throughput (submit_sm a second)?"),
            ("max-outstanding", "did you mean window?"),
            ("source_addr_ton", "did you mean source_ton?"),
            ("bind_type", "did you mean mode?"),
            ("host", 'use endpoint instead and write its value as "tcp:HOST:PORT" or "tls:HOST:PORT"'),
            ("port", 'use endpoint instead and write its value as "tcp:HOST:PORT" or "tls:HOST:PORT"'),
            ("uri", 'use endpoint instead and write its value as "tcp:HOST:PORT" or "tls:HOST:PORT"'),
            ("ssl", "use tls, and begin the endpoint with tls:"),
        ):
            said = of_bind(f"{key}: 1")
            self.assertEqual(said, {f"channels.smpp.binds[0].{key}": f"no such key: {meant}"}, key)

    def test_every_section(self) -> None:
        """The file itself, HTTP, store, channels of each type, sinks of each type, and sections within sections."""
        twilio = "channels: {t: {type: twilio, account_sid: AC1, auth_token: x, from: '8228', %s: 1}}"
        http = "channels: {t: {type: http, request: {url: 'http://h/{{to}}', %s: 1}}}"
        good = f"channels: {{smpp: {{type: smpp, binds: [{BIND % 'window: 9'}]}}}}\n"
        verify = good.replace("type: smpp,", "type: smpp, verify: {type: basic, username: u, passwords: [p], %s: 1},")
        for text, where, meant in (
            (good + "chanels: 1", "chanels", "did you mean channels?"),
            (good + "event: {}", "event", "did you mean events?"),
            (good + "http: {endpoint: x}", "http.endpoint", "use endpoints instead"),
            (good + "http: {base-path: /x}", "http.base-path", "did you mean base_path?"),
            (good + "http: {port: 8080}", "http.port", "use endpoints instead"),
            (good + "store: {retension: 1}", "store.retension", "did you mean retention?"),
            (good + "store: {database: x}", "store.database", "use path instead and write the path of a file there"),
            (good + "events: {user: x}", "events.user", "did you mean login?"),
            (good + "events: {password: x}", "events.password", "did you mean passcode?"),
            (good + 'events: {url: "tcp://b:1"}', "events.url", "use uri instead"),
            (good + "events: {vhost: x}", "events.vhost", "did you mean virtual_host?"),
            (good + "events: {headers: {delivery_reports: {}}}", "events.headers.delivery_reports", "delivery_report?"),
            (good + "events: {tls: {cafile: x}}", "events.tls.cafile", "did you mean ca_file?"),
            (
                good + "events: {sinks: [{type: webhook, url: 'https://h/x', secret: x, time_out: 3}]}",
                "events.sinks[0].time_out",
                "did you mean timeout?",
            ),
            (twilio % "authtoken", "channels.t.authtoken", "did you mean auth_token?"),
            (http % "metod", "channels.t.request.metod", "did you mean method?"),
            (http % "JSON", "channels.t.request.JSON", "did you mean json?"),
            (verify % "realms", "channels.smpp.verify.realms", "the keys here are"),
            (
                good.replace("type: smpp,", "type: smpp, fallback: {chanel: x},"),
                "channels.smpp.fallback.chanel",
                "channel?",
            ),
        ):
            said = problems(text)
            self.assertIn(where, said, text)
            self.assertIn(meant, said[where])

    def test_belongs_elsewhere(self) -> None:
        """A key that another section has, and a bind's key beside the binds: where it belongs."""
        good = f"channels: {{smpp: {{type: smpp, %sbinds: [{BIND % 'window: 9'}]}}}}\n"
        for text, where, meant in (
            (good % "" + "http: {retention: 1}", "http.retention", "it belongs under store"),
            (good % "" + "retention: 1", "retention", "it belongs under store"),
            (good % "" + "store: {stop_timeout: 1}", "store.stop_timeout", "it belongs under the file itself"),
            (good % "window: 3, ", "channels.smpp.window", "it belongs under events or channels.NAME.binds[]"),
            (good % "default_channel: x, ", "channels.smpp.default_channel", "it belongs under http"),
            (good % "" + "http: {retnetion: 1}", "http.retnetion", "did you mean retention? It belongs under store"),
        ):
            said = problems(text)
            self.assertIn(where, said, text)
            self.assertIn(meant, said[where])

    def test_old_hint(self) -> None:
        """A word that is like no key still gets a sentence that says what to do."""
        self.assertEqual(of_bind("qqqq: 1")["channels.smpp.binds[0].qqqq"], "no such key: look for a typing mistake")
        self.assertEqual(about_unknown("qqqq", ["b", "a"]), "no such key: the keys here are a, b")

    def test_no_blank_behind_the_colon(self) -> None:
        """``password:hunter2`` is a key to YAML, and a secret to its owner: only the name is shown."""
        text = (
            "channels: {smpp: {type: smpp, binds: [{name: a, endpoint: 'tcp:h:1', system_id: me, password:hunter2}]}}"
        )
        said = problems(text)
        self.assertEqual(
            said, {"channels.smpp.binds[0].password": "a blank is missing behind the colon: write password: VALUE"}
        )
        said = problems(
            "channels: {smpp: {type: smpp, binds: [{name: a, endpoint: 'tcp:h:1', pass:hunter2: 1}], widow:hunter2: 3}}"
        )
        self.assertNotIn("hunter2", str(said))

    def test_several_at_once(self) -> None:
        """Each unknown key has its own hint, beside the other problems of the section."""
        said = of_bind("widnow: 1, tps: 3, window: 0")
        self.assertEqual(set(said), {f"channels.smpp.binds[0].{key}" for key in ("widnow", "tps", "window")})
        self.assertIn("greater than or equal to 1", said["channels.smpp.binds[0].window"])
