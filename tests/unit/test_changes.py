"""What another configuration changes: each kind, its neighbours, and that nothing else is touched."""

from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from smsconnector.changes import (
    HTTP_WHILE_OPEN,
    LAST_KEY,
    RESTART,
    STORE_WHILE_OPEN,
    Changes,
    Links,
    plan,
    snapshot,
)
from smsconnector.config import StoreSection, parse
from smsconnector.http_section import HTTP

TEXT = """
http: {api_keys: [one-key]}
channels:
  smpp:
    type: smpp
    binds:
      - {name: a, endpoint: "tcp:10.0.0.1:2775", system_id: me, password: first}
      - {name: b, endpoint: "tcp:10.0.0.2:2775", system_id: me, password: second}
  cloud:
    type: twilio
    account_sid: AC0001
    auth_token: token
    from: "+15005550006"
events:
  sinks:
    - {name: jms, type: stomp, uri: "tcp://10.0.0.3:61613"}
"""
A = '      - {name: a, endpoint: "tcp:10.0.0.1:2775", system_id: me, password: first}\n'
B = '      - {name: b, endpoint: "tcp:10.0.0.2:2775", system_id: me, password: second}\n'
SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"
CRM = f'    - {{name: crm, type: webhook, url: "https://crm.example/sms", secret: "{SECRET}"}}\n'


BIND = '{name: a, endpoint: "tcp:smsc:2775", system_id: me, password: x}'


class ChangesCase(SynchronousTestCase):
    def changed(self, *pairs: tuple[str, str], text: str = TEXT) -> Changes:
        """What becomes of ``text`` where each first of the pairs is replaced by its second."""
        other = text
        for before, after in pairs:
            self.assertEqual(other.count(before), 1, before)
            other = other.replace(before, after)
        return plan(snapshot(parse(text)), snapshot(parse(other)))

    def assertChanges(self, found: Changes, **wanted: Any) -> None:
        self.assertEqual(found, Changes(**wanted))

    def test_the_same(self) -> None:
        """The same file, or other comments and another order of keys, changes nothing."""
        self.assertTrue(self.changed().is_empty)
        self.assertTrue(
            self.changed(
                ("channels:", "# a comment\nchannels:"),
                ("  smpp:\n    type: smpp\n", "  smpp:\n    type: smpp\n    lifetime: 259200\n"),
            ).is_empty
        )

    def test_binds(self) -> None:
        """One bind is added, changed or removed; the others are kept, and so are the submitters."""
        c = B.replace("name: b", "name: c")
        self.assertChanges(self.changed((B, B + c)), rebound={"smpp": Links(added=("c",), kept=("a", "b"))})
        self.assertChanges(self.changed((B, "")), rebound={"smpp": Links(removed=("b",), kept=("a",))})
        for key in (
            "window: 7",
            "throughput: 9",
            "priority: 1",
            "sessions: 2",
            "mode: transmitter",
            "long_messages: sar",
        ):
            with self.subTest(key=key):
                self.assertChanges(
                    self.changed(("password: second", f"password: second, {key}")),
                    rebound={"smpp": Links(changed=("b",), kept=("a",))},
                )

    def test_password(self) -> None:
        """Another password is another bind, wherever it stands: in the file, in a variable, or in a file of its own."""
        self.assertChanges(
            self.changed(("password: first", "password: other")), rebound={"smpp": Links(changed=("a",), kept=("b",))}
        )
        path = Path(self.mktemp())
        path.write_text("one")
        text = TEXT.replace("password: first", f"password_file: {path}")
        before = snapshot(parse(text))
        self.assertTrue(plan(before, snapshot(parse(text))).is_empty)
        path.write_text("two")
        self.assertChanges(plan(before, snapshot(parse(text))), rebound={"smpp": Links(changed=("a",), kept=("b",))})
        given = TEXT.replace("password: first", "password: '${P}'")
        self.assertChanges(
            plan(snapshot(parse(given, {"P": "x"})), snapshot(parse(given, {"P": "y"}))),
            rebound={"smpp": Links(changed=("a",), kept=("b",))},
        )

    def test_secrets_of_others(self) -> None:
        """A secret in a file of a provider, or of a sink, is read again too."""
        path = Path(self.mktemp())
        path.write_text(SECRET)
        text = TEXT.replace("auth_token: token", f"auth_token_file: {path}") + CRM.replace(
            'secret: "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"', f"secret_file: {path}"
        )
        before = snapshot(parse(text))
        path.write_text("whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY4")
        self.assertChanges(plan(before, snapshot(parse(text))), renewed={"cloud": Links()}, sinks_changed=("crm",))
        self.assertNotIn("whsec", repr(before.secrets))

    def test_submitters(self) -> None:
        """What those depend on who send makes them anew, and the binds stay as they are."""
        kept = {"smpp": Links(kept=("a", "b"))}
        for key in (
            "retry: {initial: 3}",
            "strict_order: yes",
            "unknown_outcome: hold",
            "lifetime: 100",
            "opt_out: {}",
        ):
            with self.subTest(key=key):
                self.assertChanges(self.changed(("    type: smpp\n", f"    type: smpp\n    {key}\n")), renewed=kept)
        prefix = self.changed(("password: second", "password: second, to: ['4670']"))
        self.assertChanges(prefix, renewed={"smpp": Links(changed=("b",), kept=("a",))})
        self.assertTrue(prefix.moves_queues)
        delay = self.changed(("password: second", "password: second, statuses: {8: {action: retry, delay: 900}}"))
        self.assertChanges(delay, renewed={"smpp": Links(changed=("b",), kept=("a",))})

    def test_channels(self) -> None:
        """A channel comes, goes, or is of another type under the same name."""
        more = TEXT.replace("events:", "  two:\n    type: smpp\n    binds:\n" + A + "events:")
        self.assertChanges(plan(snapshot(parse(TEXT)), snapshot(parse(more))), added=("two",))
        self.assertChanges(plan(snapshot(parse(more)), snapshot(parse(TEXT))), removed=("two",))
        other = more.replace(
            "  two:\n    type: smpp\n    binds:\n" + A,
            "  two:\n    type: twilio\n    account_sid: AC0001\n    auth_token: t\n    from: '+15005550006'\n",
        )
        self.assertChanges(plan(snapshot(parse(more)), snapshot(parse(other))), renewed={"two": Links()})

    def test_sinks(self) -> None:
        """A sink comes, goes, or is another one under its name."""
        more = TEXT + CRM
        self.assertChanges(plan(snapshot(parse(TEXT)), snapshot(parse(more))), sinks_added=("crm",))
        self.assertChanges(plan(snapshot(parse(more)), snapshot(parse(TEXT))), sinks_removed=("crm",))
        self.assertChanges(self.changed(("10.0.0.3", "10.0.0.4")), sinks_changed=("jms",))
        self.assertChanges(self.changed(('61613"', '61613", kinds: [delivery_report]')), sinks_changed=("jms",))

    def test_settings(self) -> None:
        """Keys that count at once touch nothing else."""
        found = self.changed(("[one-key]", "[one-key, two-key], networks: ['10.0.0.0/8'], rate_limit: 5"))
        self.assertChanges(found, settings=("http.api_keys", "http.rate_limit", "http.networks"))
        found = self.changed(("channels:", "stop_timeout: 9\nstore: {retention: 1000}\nchannels:"))
        self.assertChanges(found, settings=("store.retention", "stop_timeout"))

    def test_public_url(self) -> None:
        """It tells HTTP providers where to report: their channels are made anew, and binds are not touched."""
        found = self.changed(("[one-key]", "[one-key], public_url: 'https://sms.example.org'"))
        self.assertChanges(found, settings=("http.public_url",), renewed={"cloud": Links()})

    def test_order_of_channels(self) -> None:
        """The first channel is that of texts that name none."""
        cloud = TEXT[TEXT.index("  cloud:") : TEXT.index("events:")]
        other = TEXT.replace(cloud, "").replace("channels:\n", "channels:\n" + cloud)
        self.assertChanges(
            plan(snapshot(parse(TEXT)), snapshot(parse(other))), settings=("the channel of texts that name none",)
        )

    def test_needs_a_restart(self) -> None:
        """Every key of the door and of the store that is not named as one that may change is refused by its name."""
        found = self.changed(("[one-key]", "[one-key], idle_timeout: 7"), ("first", "other"))
        self.assertEqual(found.refused, (("http.idle_timeout", RESTART),))
        self.assertTrue(found.rebound)  # and nothing of it may be done
        found = self.changed(("channels:", "store: {path: other.db, access_path: keys.db}\nchannels:"))
        self.assertEqual(found.refused, (("store.path", RESTART), ("store.access_path", RESTART)))
        self.assertLessEqual(set(HTTP_WHILE_OPEN), set(HTTP.model_fields))
        self.assertLessEqual(set(STORE_WHILE_OPEN), set(StoreSection.model_fields))

    def test_hosts_of_callbacks(self) -> None:
        """What was accepted for a host is owed to it, so they can't change while the door is open."""
        hosts = "\nstatus_callbacks: {hosts: [%s], secret: whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3}\n"
        before, after = (
            snapshot(parse(f"channels: {{smpp: {{type: smpp, binds: [{BIND}]}}}}{hosts % one}", {}))
            for one in ("a.example", "a.example, b.example")
        )
        self.assertEqual(plan(before, before).refused, ())
        self.assertEqual(plan(before, after).refused, (("status_callbacks", RESTART),))

    def test_the_last_key(self) -> None:
        """A door that asks for a key is not opened to everybody by a reload."""
        self.assertEqual(self.changed(("[one-key]", "[]")).refused, (("http.api_keys", LAST_KEY),))
        self.assertEqual(self.changed(("[one-key]", "[another]")).refused, ())

    def test_told(self) -> None:
        """A sentence for each change, without a secret."""
        c = B.replace("name: b", "name: c")
        found = self.changed(("password: first", "password: hunter2"), (B, c), ("one-key", "key-of-others"))
        self.assertEqual(
            found.told(),
            [
                "the bind smpp/c is added",
                "the bind smpp/a is made anew",
                "the bind smpp/b is removed",
                "http.api_keys is changed",
            ],
        )
