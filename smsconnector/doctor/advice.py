"""Why a bind did not come up, or why submits are refused, and what to do about it: a sentence for each case."""

from typing import NamedTuple

from OpenSSL import SSL
from twisted.internet import error

from smsconnector.channels.smpp.settings import BindSection
from smsconnector.codes.actions import Action, sentence
from smsconnector.codes.command_status import MEANINGS
from smsconnector.doctor.evidence import Probe
from smsconnector.errors import CertificateRefused
from smsconnector.net.tls import openssl_reasons
from smsconnector.smpp.constants import Status, describe_status

PASSWORD_OCTETS = 8  # SMPP 3.4 section 4.1.1: nine with the NUL


class Trouble(NamedTuple):
    """What happened, and what to do about it: a phrase and a sentence or two."""

    what: str
    remedy: str


class _Failure(NamedTuple):
    """Why there is no connection: for exceptions of ``kind``, what happened and what to do. The two may name ``host``,
    ``port`` and ``failure`` in braces."""

    kind: type[BaseException]
    what: str
    remedy: str


_ASK = "Ask the carrier what it stands for, and name the time of this attempt: the SMSC's log has it."
_ACCOUNT = "Compare system_id, password and system_type with what the carrier gave you"
# What to do about a refused bind, by command_status (SMPP 3.4 section 5.1.3).
_STATUSES: dict[int, str] = {
    Status.ESME_RINVPASWD: "The password is wrong: mend password or password_file.",
    Status.ESME_RINVSYSID: "The system_id is wrong, or the account is not open yet: mend system_id or ask the carrier.",
    Status.ESME_RINVSYSTYP: "The system_type is wrong: set system_type as the carrier says; many want it left empty.",
    Status.ESME_RBINDFAIL: f"The SMSC does not say why. {_ACCOUNT}; ask whether this mode of bind is allowed, and "
    "whether our address is on their list (IP whitelisting).",
    Status.ESME_RALYBND: "The SMSC allows no further session of this system_id. If a connector is bound with it, that "
    "is all it means: stop the connector for this test, or ask the carrier for another session. If none is, the SMSC "
    "has not yet noticed the end of an earlier session: try again in a minute or two.",
    Status.ESME_RINVCMDID: "The SMSC does not know this kind of bind: before SMPP 3.4 there is no transceiver. Set "
    'mode: pair and interface_version: "3.3".',
    Status.ESME_RINVBNDSTS: "The SMSC does not allow this mode here: ask the carrier for it, or set mode: pair.",
    Status.ESME_RTHROTTLED: "Too many binds in a short time: wait some minutes.",
    Status.ESME_RSYSERR: "The SMSC has trouble of its own: try again later; if it stays, ask the carrier.",
    Status.ESME_RPROHIBITED: "The account may not do this: ask the carrier to open it for this mode.",
    Status.ESME_RSERTYPUNAUTH: "The account may not do this: ask the carrier to open it for this mode.",
    Status.ESME_RINVPARLEN: "A parameter is too long for the SMSC: the password above all, which has 8 characters at "
    "most in SMPP 3.4.",
}

_AUTHORITY = "signed by an authority that is not trusted here: set tls: {ca_file: FILE} to the authority's certificate"

_PEM_FILES = "Check ca_file, certificate_file and key_file."
# Why there is no connection; the first that fits counts.
_FAILURES = (
    _Failure(
        error.ConnectionRefusedError,
        "{host} refuses connections to port {port}",
        "Nothing listens there, or a firewall says so: check host and port, and that our address is on the carrier's "
        "list.",
    ),
    _Failure(
        error.DNSLookupError,
        "the name {host} is not known",
        "Check the spelling, and this machine's name service.",
    ),
    _Failure(
        error.TimeoutError,
        "{host} does not answer on port {port}",
        "A firewall drops it, most often because our address is not on the carrier's list (IP whitelisting), or the "
        "VPN is down: tell the carrier the address that this machine goes out with.",
    ),
    _Failure(error.NoRouteError, "there is no way to {host}", "Check this machine's routes, and the VPN."),
    _Failure(SSL.Error, "the PEM files can't be used ({failure})", _PEM_FILES),
    _Failure(ValueError, "the PEM files can't be used ({failure})", _PEM_FILES),
    _Failure(FileNotFoundError, "the PEM files can't be read ({failure})", _PEM_FILES),
    _Failure(PermissionError, "the PEM files can't be read ({failure})", _PEM_FILES),
)
# What is wrong with a certificate, by OpenSSL's X509_V_ERR_ numbers.
_FAULTS = {
    9: "not valid yet: does this machine's clock tell the right time?",
    10: "no longer valid: the carrier has to renew it",
    18: "signed by itself: if the carrier confirms that it is theirs, set tls: {ca_file: FILE} to that certificate",
    19: _AUTHORITY,
    20: _AUTHORITY,
    21: _AUTHORITY,
    23: "revoked: ask the carrier",
    26: "not meant for servers: ask the carrier",
}

_DESTINATION = (
    "Is the number complete, with its country code? If it is, the carrier may want it with another type and plan: ask, "
    "and set dest_ton and dest_npi."
)
_SOURCE = (
    "The sender may not be one that is registered for this account, or be wanted with another type and plan: ask the "
    "carrier, and set source, source_ton and source_npi."
)
_RATE = "One text at a time is too much for it: ask the carrier how many this account may send, and for its credit."
_BY_ACTION = {Action.FIX_THE_NUMBER: _DESTINATION, Action.FIX_THE_SENDER: _SOURCE}


def remedy_of_submit(status: int) -> str:
    """What to do when every submit_sm is answered with that status."""
    if status in (Status.ESME_RTHROTTLED, Status.ESME_RMSGQFUL):
        return _RATE
    known = MEANINGS.get(status)
    if known is not None and known.action is Action.FIX_THE_CONFIGURATION and known.hint:
        return sentence(known.hint)
    about = None if known is None else _BY_ACTION.get(known.action)
    return about or "Ask the carrier why it refuses this account's texts."


def trouble(probe: Probe, bind: BindSection) -> Trouble:
    """Why the bind of ``probe`` did not come up."""
    if probe.status is not None:
        return _refused(probe.status, bind)
    if probe.connected_in is None:
        return _not_connected(probe.failure, bind)
    if probe.tls is not None and probe.tls.took is None:
        return _no_tls(probe, bind)
    return _no_answer(probe, bind)


def _refused(status: int, bind: BindSection) -> Trouble:
    remedy = _STATUSES.get(status, _ASK)
    if status == Status.ESME_RINVPASWD and len(bind.secret()) > PASSWORD_OCTETS:
        remedy += " It has more than the 8 characters of SMPP 3.4, and some SMSCs compare no more than those."
    return Trouble(f"the SMSC refused the bind: {describe_status(status)}", remedy)


def _not_connected(failure: BaseException | None, bind: BindSection) -> Trouble:
    _, host, port = bind.address
    for kind, what, remedy in _FAILURES:
        if isinstance(failure, kind):
            return Trouble(what.format(host=host, port=port, failure=failure), remedy)
    if failure is None:
        return Trouble("it was ended before there was a connection", "Try again, with more patience.")
    return Trouble(
        f"no connection to {host}:{port} ({str(failure) or type(failure).__name__})", "Check host, port and network."
    )


def _no_tls(probe: Probe, bind: BindSection) -> Trouble:
    assert probe.tls is not None
    tls, failure = probe.tls, probe.failure
    host, port = bind.address[1:]
    if tls.fault:
        why = _FAULTS.get(tls.fault, f"not accepted (OpenSSL's error {tls.fault}: man openssl-verification-options)")
        return Trouble("the SMSC's certificate is not good", f"It is {why}. Nothing was sent, the password neither.")
    if isinstance(failure, CertificateRefused) and not tls.names:
        return Trouble(
            "the SMSC's certificate names no host (it has no subjectAltName)",
            "It may be anybody's. Ask the carrier for one with a name; if ca_file signs for nobody but them, set "
            "tls: {verify_name: no}. Nothing was sent, the password neither.",
        )
    if isinstance(failure, CertificateRefused):
        return Trouble(
            f"the SMSC's certificate is not for {bind.tls.server_name or host}",
            f"It is for {', '.join(tls.names)}. If the carrier confirms that this is theirs, set "
            "tls: {server_name: NAME} to that. Nothing was sent, the password neither.",
        )
    reasons = openssl_reasons(failure)
    if "wrong version number" in reasons or "packet length too long" in reasons or "record layer" in reasons:
        return Trouble("what answers there speaks no TLS", f"Write tcp:{host}:{port}, or ask for the port with TLS.")
    if "certificate required" in reasons or "handshake failure" in reasons or "certificate unknown" in reasons:
        return Trouble(
            f"the SMSC refuses the TLS handshake ({reasons})",
            "It wants to see a certificate of ours: set tls: {certificate_file: FILE, key_file: FILE}.",
        )
    return Trouble(
        f"the TLS handshake failed ({reasons or probe.ended})",
        f"Does port {port} speak TLS? Ask the carrier for the port, the TLS versions and whether it wants a "
        "certificate of ours.",
    )


def _no_answer(probe: Probe, bind: BindSection) -> Trouble:
    what = f"no bind: {probe.ended}"
    reasons = openssl_reasons(probe.failure)
    if reasons:
        return Trouble(
            f"the SMSC ended TLS before the bind ({reasons})",
            "It may want a certificate of ours: set tls: {certificate_file: FILE, key_file: FILE}.",
        )
    if "framing" in what:
        speaks = "" if probe.tls is not None else " Is it a port with TLS? Then write tls:HOST:PORT."
        return Trouble("what answers there is no SMPP", f"Check host and port.{speaks}")
    if "no answer to the bind" in what:
        speaks = "" if probe.tls is not None else " Or it waits for TLS: then write tls:HOST:PORT."
        return Trouble(what, f"Is an SMSC on this port? Ask the carrier for host and port.{speaks}")
    return Trouble(
        what,
        "That is how SMSCs treat an address that is not on their list (IP whitelisting), or an account that they "
        f"don't know: tell the carrier the address that this machine goes out with. {_ACCOUNT}."
        + ("" if probe.tls is not None else " Or the port wants TLS: then write tls:HOST:PORT."),
    )
