"""The queue as people write it, and as the broker wants it."""

from twisted.trial.unittest import SynchronousTestCase

from smsconnector.sinks.stomp.destinations import destination_of


class DestinationCase(SynchronousTestCase):
    def test_known(self) -> None:
        """Bare names, those of JMS, and those of ActiveMQ and RabbitMQ."""
        for written, wanted in (
            ("delivery-report", "/queue/delivery-report"),
            ("sms.reports/all", "/queue/sms.reports/all"),
            ("queue://x", "/queue/x"),
            ("QUEUE://x", "/queue/x"),
            ("topic://a.b", "/topic/a.b"),
            ("/queue/x", "/queue/x"),
            ("/topic/x", "/topic/x"),
            ("/amq/queue/x", "/amq/queue/x"),
            ("/exchange/sms/report", "/exchange/sms/report"),
            ("/queue/x?persistent=true", "/queue/x?persistent=true"),
        ):
            self.assertEqual(destination_of(written), wanted)

    def test_unknown(self) -> None:
        """Anything else is an error that says what to write: nobody reads a queue of that literal name."""
        for written in (
            "",
            " ",
            "/x",
            "/queues/x",
            "/queue/",
            "queue://",
            "/exchange/",
            "jms://x",
            "//queue/x",
            "/",
            "queue:x",
        ):
            error = self.assertRaises(ValueError, destination_of, written)
            self.assertIn("is no destination: write one of name, queue://name", str(error), written)
