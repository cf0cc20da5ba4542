"""Every exception the connector raises on purpose, as one tree.

::

    SMSConnectorError
     +-- ConfigurationError      the configuration file can't be used; lists every problem with its path
     +-- InvalidRequest          what an application or provider posted can't be accepted (HTTP 4xx)
     +-- AddressError            a number or sender that no network takes
     +-- TemplateError           a template, path or pattern of the configuration can't be used
     +-- TextError               a text can't be encoded, or is too long for the configured maximum
     +-- ProtocolError           a peer broke its protocol
     |    +-- FramingError       the stream's framing is lost: the connection has to be closed
     |    +-- PDUError           one PDU can't be parsed: it gets its error response, the bind goes on
     +-- LinkError               a connection could not be made, or was refused by the other side
     |    +-- CertificateRefused the peer's certificate is not for the host that was asked for: nothing was sent
     |    +-- TargetNotAllowed   a name leads to addresses that this connector may not connect to
     +-- HTTPFailure             a request to an HTTP server brought no reply
     |    +-- NotSent            nothing of it can have reached the server
     |    +-- Unanswered         it may have reached the server, and may have been acted upon
     +-- StoreError              the database
          +-- StoreUnavailable   temporary (disk full, I/O error): nothing of the batch was written, try again
          |    +-- StoreDamaged   until an operator has mended it
          +-- StoreUnusable      permanent (corrupt, written by a newer version): an operator is needed

Messages are sentences that an operator or a client's developer can act on. ``InvalidRequest`` carries what
the JSON error of the HTTP API needs; ``PDUError`` carries the command_status to answer with.
"""

from collections.abc import Sequence


class SMSConnectorError(Exception):
    """The root of the tree."""


class ConfigurationError(SMSConnectorError):
    """The configuration can't be used. ``problems`` holds (path, sentence) pairs, all of them at once."""

    def __init__(self, problems: Sequence[tuple[str, str]]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(f"{path}: {text}" if path else text for path, text in self.problems))


class InvalidRequest(SMSConnectorError):
    """A request that is refused at the door: HTTP ``status``, a stable ``code``, one sentence, the field's name, and
    the headers (name, value) that its answer needs."""

    def __init__(
        self,
        code: str,
        message: str,
        field: str | None = None,
        status: int = 400,
        *,
        headers: tuple[tuple[bytes, bytes], ...] = (),
    ) -> None:
        super().__init__(message)
        self.code, self.message, self.field, self.status, self.headers = code, message, field, status, headers


class TextError(SMSConnectorError):
    """A text that can't be sent as it is. ``code`` is a stable word, ``segments`` the count where it is known."""

    def __init__(self, code: str, message: str, segments: int = 0) -> None:
        super().__init__(message)
        self.code, self.segments = code, segments


class TemplateError(SMSConnectorError):
    """A template, a path or a pattern of the configuration that can't be used; the sentence says what is wrong."""


class AddressError(SMSConnectorError):
    """A number or sender that can't be used. ``code`` is a stable word; ``{field}`` in the sentence stands for the name
    of the value, which ``about`` fills in."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code

    def about(self, field: str) -> str:
        """The sentence with that name of the value."""
        return str(self).format(field=field)


class ProtocolError(SMSConnectorError):
    """A peer sent what its protocol does not allow."""


class FramingError(ProtocolError):
    """The stream's framing is lost; only a new connection helps."""


class PDUError(ProtocolError):
    """One PDU can't be parsed; ``command_status`` says how to answer it (SMPP 3.4 section 5.1.3)."""

    def __init__(self, message: str, command_status: int, command_id: int = 0, sequence_number: int = 0) -> None:
        super().__init__(message)
        self.command_status, self.command_id, self.sequence_number = command_status, command_id, sequence_number


class LinkError(SMSConnectorError):
    """A connection was refused, by the network or by the other side's word; the text says which and why."""


class CertificateRefused(LinkError):
    """An authority that is trusted has signed it, but not for the host that is connected to."""


class TargetNotAllowed(LinkError):
    """A name leads to addresses that the configuration does not allow: nothing was connected to."""


class HTTPFailure(SMSConnectorError):
    """A request to an HTTP server brought no reply. ``reason`` is a sentence without secrets: it names the server, and
    neither the path nor the query."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NotSent(HTTPFailure):
    """Nothing of the request can have reached the server: refused, no such host, no connection in time, a certificate
    that is not trusted, a target that is not allowed. To send it again can't send it twice."""


class Unanswered(HTTPFailure):
    """The request may have reached the server, and may have been acted upon: the connection was lost, the time was
    over, or the reply broke off."""


class StoreError(SMSConnectorError):
    """The database could not do what was asked."""


class StoreUnavailable(StoreError):
    """Nothing was written, now; it may work later (disk full, I/O error, locked)."""


class StoreDamaged(StoreUnavailable):
    """The file is not what it should be: it stays so until an operator has done something about it."""


class StoreUnusable(StoreError):
    """The database file can't be used until an operator acts; the text says how."""
