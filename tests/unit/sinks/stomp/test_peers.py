"""The words of ERROR frames, and what other protocols begin with."""

from twisted.trial.unittest import SynchronousTestCase

from smsconnector.sinks.stomp.peers import broken_error, is_no_stomp, words_of_error

_ROLLED_BACK = b"""javax.jms.TransactionRolledBackException: Transaction completion in doubt
\tat org.apache.activemq.broker.TransactionBroker.commitTransaction(TransactionBroker.java:270)
Caused by: java.io.IOException: wrapped
\tat org.apache.activemq.store.kahadb.MessageDatabase.store(MessageDatabase.java:1)
Caused by: java.io.IOException: No space left on device
\tat java.base/java.io.RandomAccessFile.writeBytes(Native Method)
"""


class WordsTests(SynchronousTestCase):
    def test_words_of_error(self) -> None:
        """The cause that a broker writes into the body of ERROR is told: RabbitMQ's first line, and the last "Caused
        by" of a stack trace; the trace itself is not, nor anything twice."""
        for message, body, words in (
            ("Bad CONNECT", b"Access refused for user 'x'\n", "Bad CONNECT: Access refused for user 'x'"),
            ("Bad CONNECT", b"Virtual host 'y' access denied", "Bad CONNECT: Virtual host 'y' access denied"),
            ("access_refused", b"\r\nACCESS_REFUSED - queue 'q'\nmore", "access_refused: ACCESS_REFUSED - queue 'q'"),
            ("not allowed", b"java.lang.SecurityException: refused\n\tat org.apache\n", "not allowed"),
            ("rolled back", _ROLLED_BACK, "rolled back: No space left on device"),
            ("not allowed", b"The user is not allowed here", "The user is not allowed here"),
            ("not allowed here", b"not allowed", "not allowed here"),
            ("", b"only the body\n", "only the body"),
            ("only the message", b"\n\0", "only the message"),
            ("", b"", ""),
            ("x", "müller".encode("latin-1"), "x: müller"),
        ):
            self.assertEqual(words_of_error(message, body), words)

    def test_broken_error(self) -> None:
        """An ERROR that no parser takes is found among other octets, and only where a frame may begin."""
        for data, words in (
            (b"ERROR\nmessage:a\\cb \\q \xfc\n\n\0", "a:b \\q ü"),
            (b"RECEIPT\nreceipt-id:1\n\n\0\nERROR\r\nmessage:x\r\n\r\ny\0", "x: y"),
            (b"ERROR\n\nno headers\0", "no headers"),
            (b"MESSAGE\nx:ERROR\n\nERROR\n", None),
            (b"", None),
        ):
            self.assertEqual(broken_error(data), words, data)

    def test_an_answer_to_connect_may_come_in_pieces(self) -> None:
        """No beginning of CONNECTED or ERROR is taken for another protocol, with line ends before it or without."""
        for frame in (b"CONNECTED\nversion:1.2\n\n\0", b"\n\r\nERROR\r\nmessage:x\r\n\r\n\0", b"ERROR\n\n\0"):
            for length in range(len(frame) + 1):
                self.assertEqual(is_no_stomp(frame[:length]), "", frame[:length])
        for octets in (b"CONNECTEX\n", b"ERRORS\nxyz", b"\0\0\1\x84\1ActiveMQ", b"\x16\x03\x01\0\0\0\0\0\0"):
            self.assertTrue(is_no_stomp(octets), octets)
