"""Several processes of one machine: what their files may not have in common."""

from twisted.trial.unittest import SynchronousTestCase

from smsconnector.config import Configuration, parse
from smsconnector.instances import clashes

FILE = """
http:
  allow_insecure: yes
  endpoints: ["tcp:808{n}:interface=127.0.0.1"]
  shared_endpoints: ["tcp:8080:interface=127.0.0.1"]
  siblings: [{siblings}]
  public_url: "https://sms.example/{n}"
store: {{path: /tmp/{n}.db}}
channels:
  smpp:
    type: smpp
    binds:
      - {{name: a, endpoint: "tcp:127.0.0.1:2775", system_id: me{n}, password: secret}}
"""


def instance(number: int, *changes: tuple[str, str]) -> Configuration:
    siblings = ", ".join(f'"http://127.0.0.1:808{n}"' for n in (1, 2, 3) if n != number)
    text = FILE.format(n=number, siblings=siblings)
    for before, after in changes:
        assert before in text, before
        text = text.replace(before, after)
    return parse(text)


class ClashesCase(SynchronousTestCase):
    def between(self, *changes: tuple[str, str]) -> str:
        """Of instance 1 and of instance 2 with these changes."""
        found = clashes({"1.yaml": instance(1), "2.yaml": instance(2, *changes)})
        self.assertLessEqual({place for place, _ in found}, {"1.yaml, 2.yaml"})
        return "; ".join(sentence for _, sentence in found)

    def test_well_made(self) -> None:
        """What each needs of its own they have, and they share the port."""
        self.assertEqual(self.between(), "")
        self.assertEqual(clashes({"1.yaml": instance(1)}), [])

    def test_in_common(self) -> None:
        """Each thing that only one may have; or that both have to write alike."""
        for before, after, words in (
            ("/tmp/2.db", "/tmp/1.db", "store.path is /tmp/1.db in both"),
            ("/tmp/2.db", "/tmp/../tmp/1.db", "store.path is /tmp/1.db in both"),
            ("tcp:8082", "tcp:8081", "port 8081 is in http.endpoints of both"),
            ("tcp:8082", "tcp:port=8081", "port 8081 is in http.endpoints of both"),
            ("8080:interface=127.0.0.1", "8081:interface=127.0.0.1", "port 8081 is in http.endpoints of one and in"),
            ("8080:interface=127.0.0.1", "8080", "write port 8080 in the same words"),
            ("me2", "me1", "both bind as me1@127.0.0.1:2775: the SMSC gives receipts"),
            (
                "127.0.0.1:8081",
                "127.0.0.1:8091",
                "http.siblings of the process at tcp:8082:interface=127.0.0.1 names none",
            ),
            ("https://sms.example/2", "https://sms.example/1", "http.public_url is https://sms.example/1 in both"),
        ):
            self.assertIn(words, self.between((before, after)), after)

    def test_own_sockets(self) -> None:
        """A path in the file system is of one process too; a socket that systemd has made is its own matter."""
        for endpoint, words in (
            ("unix:/run/x", "unix:/run/x is in http.endpoints of both"),
            ("systemd:domain=INET:index=0", ""),
        ):
            one, other = (instance(number, (f"tcp:808{number}:interface=127.0.0.1", endpoint)) for number in (1, 2))
            self.assertEqual(
                "; ".join(sentence for _, sentence in clashes({"a": one, "b": other}))[: len(words)], words
            )

    def test_receipts_of_others(self) -> None:
        """Of one system_id an SMSC gives a receipt to any bind (SMPP 3.4 says nothing of which; told in public of
        ksmppd: two binds, 300 texts and 450 receipts on one, 200 and 50 on the other). At two hosts it may do so too,
        but these may be two carriers. What only transmits, and asks for none, gets none."""
        same = ("me2", "me1")
        self.assertIn("both bind as me1, at two hosts", self.between(same, ("127.0.0.1:2775", "127.0.0.2:2775")))
        account = ("password: secret", "password: secret, account: carrier")
        ((_, named),) = clashes({"a": instance(1, account), "b": instance(2, account)})
        self.assertIn("both bind as carrier", named)
        silent = ("password: secret", "password: secret, mode: transmitter, registered_delivery: none")
        self.assertEqual(self.between(same, silent), "")
        for one in (
            "mode: transmitter",
            "registered_delivery: none",
            "mode: transmitter, registered_delivery: failure",
        ):
            self.assertIn("both bind as", self.between(same, ("password: secret", f"password: secret, {one}")), one)

    def test_every_pair(self) -> None:
        """Of three files each two are compared, and only what clashes is told."""
        files = {f"{n}.yaml": instance(n) for n in (1, 2)} | {"3.yaml": instance(3, ("me3", "me1"))}
        self.assertEqual([place for place, _ in clashes(files)], ["1.yaml, 3.yaml"])

    def test_without_a_shared_port(self) -> None:
        """Two that share no port, but one database or one account, are told as well."""
        files = {
            name: instance(1, ('  shared_endpoints: ["tcp:8080:interface=127.0.0.1"]\n', "")) for name in ("a", "b")
        }
        self.assertEqual(len(clashes(files)), 4)
