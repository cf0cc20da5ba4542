"""The report: the evidence as a table, and the keys to configure as YAML. Nothing here knows the password."""

import textwrap
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

import yaml

from smsconnector.doctor import findings
from smsconnector.doctor.advice import remedy_of_submit, trouble
from smsconnector.doctor.evidence import SHORT, Evidence, Probe
from smsconnector.doctor.plan import TRIED_FORMS, Plan
from smsconnector.smpp.constants import describe_status

WIDTH = 118  # characters
LABEL = 15  # characters
SOON = 30  # days to the end of a certificate


class TableRow(NamedTuple):
    """A row of the table."""

    label: str
    text: str


TableRows = Iterator[TableRow]


def announcement(plan: Plan) -> list[str]:
    """What is about to be done, before it is."""
    bind = plan.bind
    lines = [
        f"{plan.place or bind.name}: {bind.endpoint} as {bind.system_id} ({bind.mode})",
        "This opens one more session of this system_id, beside those of a connector that runs; an SMSC that allows "
        "one only refuses it with ESME_RALYBND. Receipts and texts that belong to the connector are handed back.",
    ]
    if plan.numbers:
        many = len(list(plan.trials()))
        lines.append(f"It sends {many} submit_sm to {', '.join(plan.numbers)}, which the carrier may charge for.")
    else:
        lines.append("It sends no text: for that, name a number of your own with --to.")
    return [part for line in lines for part in _wrap(line)]


def render_report(evidence: Evidence, plan: Plan, now: datetime | None = None) -> list[str]:
    """The lines of the whole report. ``now`` (the present without it) is what a certificate's end is compared with."""
    rows = [row for probe in evidence.probes for row in _probe(probe, plan, now or datetime.now(UTC))]
    if evidence.trials:
        rows += _submits(evidence)
        rows += _receipts(evidence, plan)
    if evidence.handed_back:
        rows.append(TableRow("handed back", f"{evidence.handed_back} receipts or texts that are not of this test"))
    if evidence.interrupted:
        rows.append(TableRow("interrupted", "what would have come later is not in this table"))
    lines = ["", *(part for row in rows for part in _row(row))]
    for probe in evidence.probes:
        if not probe.bound:
            what, remedy = trouble(probe, plan.bind)
            lines += ["", *_wrap(f"Not bound: {what}."), *_wrap(remedy)]
    if evidence.bound:
        for note in _notes(evidence, plan):
            lines += ["", *_wrap(note)]
        lines += ["", *configuration(evidence, plan)]
    return lines


def _row(row: TableRow) -> list[str]:
    """Its lines. What a peer wrote can't steer a terminal: control characters show as escapes."""
    indent = " " * (LABEL + 2)
    text = "".join(character if character.isprintable() else f"\\x{ord(character):02x}" for character in row.text)
    return _wrap(text, f"  {row.label:<{LABEL}}", indent)


def _wrap(text: str, first: str = "", following: str = "") -> list[str]:
    """Lines of at most ``WIDTH`` characters. Paths and options stay whole, so that they can be copied."""
    return textwrap.wrap(
        text, WIDTH, initial_indent=first, subsequent_indent=following, break_on_hyphens=False, break_long_words=False
    )


def seconds(duration: float) -> str:
    """``0.4 ms``, ``120 ms``, ``1.2 s``."""
    if duration < 0.1:
        return f"{duration * 1000:.1f} ms"
    return f"{duration * 1000:.0f} ms" if duration < 1 else f"{duration:.1f} s"


# --- the session ------------------------------------------------------------------------------------------------


def _probe(probe: Probe, plan: Plan, now: datetime) -> TableRows:
    if probe.connected_in is not None:
        yield TableRow("connection", f"to {probe.peer} in {seconds(probe.connected_in)}")
        if probe.tls is None:
            yield TableRow("TLS", "none: password and texts go as they are")
    if probe.tls is not None:
        yield from _tls(probe, plan, now)
    if probe.status is not None:
        yield TableRow("bind", f"{describe_status(probe.status)} as {probe.mode} in {seconds(probe.bind_took)}")
    if probe.bound:
        version = f"SMPP {probe.version >> 4}.{probe.version & 15}" if probe.version else "tells no version"
        yield TableRow("SMSC", f"{probe.smsc or 'tells no system_id'}, {version}")
        if probe.link_asked_at is not None:
            yield TableRow("enquire_link", "no answer" if probe.link_took is None else seconds(probe.link_took))
        if probe.over and not probe.left:
            yield TableRow("ended early", probe.ended or "")


def _tls(probe: Probe, plan: Plan, now: datetime) -> TableRows:
    tls = probe.tls
    assert tls is not None
    if tls.took is not None:
        yield TableRow("TLS", f"{tls.version}, {tls.cipher}, in {seconds(tls.took)}")
    if tls.ends is None:
        return
    days = (tls.ends - now).days
    left = f"in {days} days" if days >= 0 else f"{-days} days ago"
    soon = " (soon)" if 0 <= days < SOON else ""
    yield TableRow("certificate", f"{tls.subject}; valid until {tls.ends:%Y-%m-%d}, {left}{soon}")
    by = plan.bind.tls.ca_file or "what this machine trusts"
    if tls.took is not None:
        yield TableRow("verified", f"by {by}: {tls.authority}")
    else:
        yield TableRow("verified", f"no, not by {by}; it is signed by {tls.authority}")


# --- submits and receipts ---------------------------------------------------------------------------------------


def _submits(evidence: Evidence) -> TableRows:
    sent = [trial for trial in evidence.trials if trial.sent_at is not None]
    taken = [trial for trial in sent if trial.taken]
    took = findings.response_times(evidence)
    told = f"; response median {seconds(took.median)}, longest {seconds(took.longest)}" if took else ""
    yield TableRow("submit_sm", f"{len(sent)} sent, {len(taken)} taken{told}")
    yield TableRow("short text", findings.of_form(evidence, SHORT).said)
    for form in TRIED_FORMS:
        yield TableRow(f"long: {form}", findings.of_form(evidence, form).said)
    if evidence.congestion is not None:
        yield TableRow("congestion", f"congestion_state up to {evidence.congestion} %")


def _receipts(evidence: Evidence, plan: Plan) -> TableRows:
    ids = [trial.message_id for trial in evidence.trials if trial.message_id]
    if ids:
        yield TableRow("message ids", findings.notation(ids))
    in_receipts = [one.read.smsc_id for one in evidence.receipts or evidence.unmatched.values()]
    if in_receipts:
        yield TableRow("in receipts", f"{findings.notation(in_receipts)}; {findings.agreement(evidence)}")
    if evidence.receipts:
        yield TableRow("receipts", ", ".join(findings.receipt_form(evidence.receipts)))
    took = findings.receipt_times(evidence)
    if took:
        yield TableRow(
            "receipts after", f"median {seconds(took.median)}, longest {seconds(took.longest)} from the submit_sm"
        )
    missing = findings.receipts_missing(evidence)
    if missing:
        yield TableRow("missing", f"{missing} final receipts within {plan.wait:g} s of the last response")
    alphabet = findings.default_alphabet(evidence, plan.bind.alphabet)
    yield TableRow("data_coding 0", f"{alphabet.name or 'not known'}: {alphabet.why}")


def _notes(evidence: Evidence, plan: Plan) -> Iterator[str]:
    """What an operator should do besides the configuration, a paragraph each."""
    if evidence.throttled:
        yield (
            f"The SMSC throttled {evidence.throttled} submits although they came one at a time: ask the carrier how "
            "many a second it allows, and set throughput to that."
        )
    yield from _not_taken(evidence)
    unanswered = sum(bool(trial.unanswered) for trial in evidence.trials)
    if unanswered and any(trial.taken for trial in evidence.trials):
        yield (
            f"{unanswered} of {len(evidence.trials)} texts had no response, which may be chance: try again before you "
            "change long_messages for it."
        )
    if evidence.unmatched and not evidence.receipts and any(trial.message_id for trial in evidence.trials):
        yield (
            "Receipts came from the number, but their ids are in no notation those of the responses: the connector "
            "could not tell whose they are. Ask the carrier how the two belong together."
        )
    if any(trial.taken and trial.form != SHORT for trial in evidence.trials):
        yield (
            "Look at the phone: an SMSC may take a form that it does not understand. Each long text names its form, "
            "and has to be there as one text, whole."
        )
    short_taken = any(trial.taken for trial in evidence.trials if trial.form == SHORT)
    if short_taken and not findings.default_alphabet(evidence, plan.bind.alphabet).name:
        yield (
            f"If the short text begins with {plan.short_text.split(':')[0]!r} on the phone, alphabet: "
            f"{plan.bind.alphabet} is right. If its signs are others, it is not: try the others of gsm7, latin1, "
            "ascii, gsm7-packed."
        )
    missing = findings.receipts_missing(evidence)
    if missing and not evidence.interrupted:
        yield (
            "Receipts that are missing may come later (--wait), or have gone to a connector that is bound under the "
            "same system_id. If none ever comes, ask the carrier for them."
        )
    for text in dict.fromkeys(evidence.rejected):
        yield f"The SMSC sent a PDU that breaks the protocol; {text}."


def _not_taken(evidence: Evidence) -> Iterator[str]:
    """Why no submit was taken, if none was."""
    sent = [trial for trial in evidence.trials if trial.sent_at is not None]
    if not sent or any(trial.taken for trial in sent) or evidence.interrupted:
        return
    refusals = Counter(trial.status for trial in sent if trial.status is not None)
    if not refusals:
        yield (
            "The SMSC answered no submit_sm: ask the carrier whether this account may send. If it answers late, set "
            "response_timeout to more than that takes."
        )
        return
    status = refusals.most_common(1)[0][0]
    yield f"The SMSC took none of the texts, and said {describe_status(status)}. {remedy_of_submit(status)}"


# --- the configuration ------------------------------------------------------------------------------------------


def configuration(evidence: Evidence, plan: Plan) -> list[str]:
    """The lines for the bind: those that change it, or, of an SMSC that is in no configuration, the entry."""
    keys = findings.advisable(evidence, plan.bind.alphabet, plan.bind.long_messages)
    if not plan.place:
        entry = yaml.safe_dump([{**plan.entry, **keys}], sort_keys=False, width=WIDTH).rstrip()
        return ["For the configuration, under binds:", "", *(f"  {line}" for line in entry.splitlines())]
    if not keys:
        return [f"The configuration ({plan.place}) needs no change by what was seen."]
    lines = yaml.safe_dump(keys, sort_keys=False, width=WIDTH).rstrip().splitlines()
    return [f"For the configuration ({plan.place}):", "", *(f"  {line}" for line in lines)]
