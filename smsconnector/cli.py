"""The console script ``smsconnector``: the tools beside the daemon."""

import argparse
import contextlib
import io
import json
import re
import signal
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TextIO

from smsconnector import __version__
from smsconnector.access.file import open_to_copy
from smsconnector.access_commands import access_path, add_commands, note
from smsconnector.changes import plan, snapshot
from smsconnector.channels.http.slow_patterns import slow_patterns
from smsconnector.channels.smpp.settings import SMPPChannelSection
from smsconnector.config import Configuration, load, load_sink_names, load_store, schema, written_channels
from smsconnector.errors import ConfigurationError, StoreUnusable
from smsconnector.instances import clashes
from smsconnector.masking import masked
from smsconnector.store.offline.backup import backup
from smsconnector.store.offline.opt_outs import enter_opt_outs, opt_outs, read_opt_outs, take_out, write_opt_outs
from smsconnector.store.offline.parked import not_parked, parked_events, retry_parked
from smsconnector.store.offline.reconcile import HourOfChannel, known_sinks, reconcile
from smsconnector.store.offline.rescue import rescue
from smsconnector.store.operations import NOT_AGAIN
from smsconnector.terminal import drop_output, say

PROGRESS_INTERVAL = 2.0  # seconds between two lines about how far a command is


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status of the process: 0 for success, 1 if something is wrong, such as a
    configuration or a database that can't be used, 2 for a wrong command line, 3 for a rescue that could not save
    all, 130 for Ctrl-C, 141 if nobody reads on what it prints."""
    options = make_parser().parse_args(arguments)
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:  # __main__ has set it so
        signal.signal(signal.SIGINT, signal.default_int_handler)  # from here on files are left whole, or not at all
    try:
        status = int(options.run(options))
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # as with ``| head -1``: nobody reads on
        drop_output()
        return 128 + signal.SIGPIPE
    except (ConfigurationError, StoreUnusable) as error:
        print(f"{options.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{options.command}: interrupted", file=sys.stderr)
        return 128 + signal.SIGINT


def make_parser() -> argparse.ArgumentParser:
    """All commands with their options; the manual page is made of it too."""
    parser = argparse.ArgumentParser(prog="smsconnector", description="SMS connector: tools beside the daemon.")
    parser.add_argument("--version", action="version", version=f"smsconnector {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser("check-config", help="check a configuration file: every error at once")
    check.add_argument("files", metavar="FILE", nargs="*", help="several: of processes of one machine, together")
    check.add_argument("--against", metavar="RUNNING", help="and what a reload would change, if RUNNING is what runs")
    check.add_argument("--schema", action="store_true", help="instead: print the JSON Schema of the file, for editors")
    check.set_defaults(run=check_config)
    demo = commands.add_parser("demo", help="connector, SMSC simulator and broker, and three texts to see them walk")
    demo.add_argument("--once", action="store_true", help="end when the three texts have their reports")
    demo.set_defaults(run=run_demo)
    copy = commands.add_parser("backup", help="copy the database, consistent, while the connector runs")
    copy.add_argument("target", metavar="FILE", help="a file that does not exist yet")
    copy.add_argument("--access", action="store_true", help="instead of messages: the file of API keys and the audit")
    _add_database(copy)
    copy.set_defaults(run=run_backup)
    account = commands.add_parser(
        "reconcile", help="does it add up: accepted, delivered, failed, reported, by the hour"
    )
    account.add_argument("--since", type=moment, default=0, help="2026-01-31, 2026-01-31T14:00, 36h or 7d; UTC")
    _add_database(account)
    account.set_defaults(run=run_reconcile)
    _add_events(commands.add_parser("events", help="events that a sink did not take: list them, send them again"))
    _add_opt_outs(commands.add_parser("opt-outs", help="who wants no more texts: list, import or remove numbers"))
    audit = commands.add_parser("audit", help="who has made keys, sent texts, changed the opt-out list")
    audit.add_argument("--since", type=moment, default=0, help="2026-01-31, 2026-01-31T14:00, 36h or 7d; UTC")
    add_commands(commands.add_parser("key", help="API keys: make, list or revoke them"), audit)
    save = commands.add_parser("rescue", help="save what can be saved of a damaged database")
    save.add_argument("source", metavar="FILE", help="the damaged database; it is not changed")
    save.add_argument("target", metavar="NEWFILE", help="a file that does not exist yet")
    save.set_defaults(run=run_rescue)
    _add_doctor(commands.add_parser("doctor", help="how an SMSC or an HTTP provider behaves, and what to configure"))
    return parser


def _add_config(command: argparse.ArgumentParser) -> None:
    command.add_argument("--config", "-c", metavar="FILE", default="conf/smsconnector.yaml")


def _add_database(command: argparse.ArgumentParser) -> None:
    _add_config(command)
    command.add_argument("--database", metavar="FILE", help="instead: the database itself, without a configuration")


def _add_events(command: argparse.ArgumentParser) -> None:
    command.add_argument("--parked", action="store_true", help="list them (the default)")
    command.add_argument("--retry", nargs="*", metavar="EVENT-ID", help="try these again now, or all if none is named")
    _add_database(command)
    command.set_defaults(run=run_events)


def _add_opt_outs(command: argparse.ArgumentParser) -> None:
    what = command.add_mutually_exclusive_group()
    what.add_argument("--import", dest="source", metavar="FILE", help="enter the numbers of a CSV file; - is stdin")
    what.add_argument("--remove", nargs=2, metavar=("CHANNEL", "NUMBER"), help="this number may get texts again")
    _add_database(command)
    command.set_defaults(run=run_opt_outs)


def _add_doctor(command: argparse.ArgumentParser) -> None:
    _add_config(command)
    command.add_argument("--bind", metavar="NAME", help="a bind of the configuration; or CHANNEL/NAME")
    command.add_argument("--channel", metavar="NAME", help="instead: a channel to an HTTP provider")
    command.add_argument("--text", metavar="TEXT", help="with --channel and --to: what is sent")
    command.add_argument("--host", metavar="ENDPOINT", help="instead: tcp:HOST:PORT or tls:HOST:PORT")
    command.add_argument("--system-id", metavar="ID", help="with --host")
    command.add_argument("--system-type", metavar="TYPE", help="with --host")
    command.add_argument("--password-file", metavar="FILE", help="with --host; else $SMSCONNECTOR_PASSWORD")
    command.add_argument("--ca-file", metavar="FILE", help="with --host tls:...: PEM, what the machine trusts if none")
    command.add_argument(
        "--to",
        metavar="NUMBER",
        nargs="+",
        action="extend",
        default=[],
        help="send texts to these numbers; without it nothing is sent",
    )
    command.add_argument("--from", metavar="ADDRESS", dest="source", help="the sender of these texts")
    command.add_argument("--wait", metavar="SECONDS", type=float, default=15.0, help="for receipts; 15")
    command.set_defaults(run=run_doctor)


def moment(text: str) -> int:
    """A date, a time, or a number of hours or days ago, as milliseconds since the Unix epoch. Raises
    ArgumentTypeError."""
    ago = re.fullmatch(r"([0-9]{1,5})([hd])", text)
    if ago:
        return int((time.time() - int(ago[1]) * {"h": 3600, "d": 86_400}[ago[2]]) * 1000)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no time: write 2026-01-31, 2026-01-31T14:00, 36h or 7d"
        ) from None
    return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() * 1000)


def _database(options: argparse.Namespace) -> str:
    return str(options.database or load_store(options.config).path)


def run_backup(options: argparse.Namespace) -> int:
    """Copy the database, or the file of keys and audit, and print the size of the copy."""
    if options.access:
        octets = backup(access_path(options), options.target, open_to_copy)
    else:
        octets = backup(_database(options), options.target)
    print(f"{options.target}: {octets} octets")
    return 0


class Progress:
    """Prints how far a command is, every ``PROGRESS_INTERVAL`` at most, so that a short one prints nothing."""

    def __init__(self) -> None:
        self._told_at = time.monotonic()

    def __call__(self, share: float) -> None:
        now = time.monotonic()
        if now - self._told_at >= PROGRESS_INTERVAL:
            self._told_at = now
            print(f"{share:.0%} of the messages looked at", file=sys.stderr, flush=True)


def run_reconcile(options: argparse.Namespace) -> int:
    """Print a table by hour and channel, then what does not add up; 1 if there is any. How far it is goes to stderr."""
    path = _database(options)
    sinks = None if options.database else load_sink_names(options.config)
    account = reconcile(path, options.since, Progress(), sinks)
    print(f"{'hour (UTC)':<16}  {'channel':<16}" + "".join(f"{name:>12}" for name in HourOfChannel._fields[2:]))
    for line in account.lines:
        hour = datetime.fromtimestamp(line.hour / 1000, UTC).strftime("%Y-%m-%d %H:%M")
        print(f"{hour:<16}  {line.channel:<16}" + "".join(f"{count:>12}" for count in line[2:]))
    for name in () if sinks is None else sorted(set(known_sinks(path)) - sinks):
        print(f"not counted is what the sink {name} is owed, which is not configured")
    for sid, sentence in account.faults:
        print(f"{sid}: {sentence}")
    print(f"{len(account.faults)} that do not add up" if account.faults else "all adds up")
    return 1 if account.faults else 0


def run_events(options: argparse.Namespace) -> int:
    """Print a line for each parked event. With --retry make them due now, and print how many; 1 if no parked event
    has one of the ids."""
    path = _database(options)
    if options.retry is not None:
        missing = not_parked(path, options.retry)
        for event_id in missing:
            say(f"no parked event has the id {event_id if event_id.isprintable() else ascii(event_id)}")
        if not missing or len(missing) < len(options.retry):
            count = retry_parked(path, options.retry)
            print(f"{count} events will be sent again; a connector that runs begins within half a minute")
        return 1 if missing else 0
    parked = parked_events(path)
    for one in parked:
        verdict = "refused" if one.refused else "wanted later"
        again = "not tried again by itself" if one.due_at >= NOT_AGAIN else f"next at {_moment(one.due_at)}"
        say(
            f"{one.event_id}  {one.kind}  {one.sink}  since {_moment(one.since)}  {verdict}, {one.attempts} attempts,"
            f" {again}  {one.reason}"
        )
    print(f"{len(parked)} events are parked; `smsconnector events --retry` sends them again" if parked else "none")
    return 0


def _opened(name: str) -> contextlib.AbstractContextManager[TextIO]:
    """The text file, UTF-8 with or without a BOM; ``-`` is stdin. Raises ConfigurationError."""
    if name == "-":
        if isinstance(sys.stdin, io.TextIOWrapper):
            sys.stdin.reconfigure(encoding="utf-8-sig", errors="replace", newline="")
        return contextlib.nullcontext(sys.stdin)
    try:
        return open(name, encoding="utf-8-sig", errors="replace", newline="")
    except OSError as error:
        raise ConfigurationError([("", f"{name} can't be read: {error.strerror}")]) from None


def run_opt_outs(options: argparse.Namespace) -> int:
    """Print the list as CSV; or enter the numbers of such a file; or take one number out, 1 if it is not there."""
    path = _database(options)
    channels = None if options.database else written_channels(options.config)
    if options.remove:
        channel, number = options.remove
        note(options, "opt-out removed", f"{masked(number)} of {channel}")
        is_there = take_out(path, channel, number)
        print("removed" if is_there else f"{channel} has no such number")
        if not is_there and channels is not None and channel not in channels:
            print(f"the channels are: {', '.join(channels)}; not {channel}", file=sys.stderr)
        return 0 if is_there else 1
    if options.source:
        with _opened(options.source) as stream:
            entries = read_opt_outs(stream, int(time.time() * 1000), channels)
        note(options, "opt-outs imported", f"{len(entries)} numbers")
        enter_opt_outs(path, entries)
        print(f"{len(entries)} numbers are entered")
        for name in sorted({one.channel for one in entries}):
            if channels is not None and (channels[name] or {}).get("opt_out") is None:
                print(f"warning: {name} has no opt_out in {options.config}: its list is not looked at", file=sys.stderr)
        return 0
    if isinstance(sys.stdout, io.TextIOWrapper):  # as the import reads it
        sys.stdout.reconfigure(encoding="utf-8", errors="replace")
    write_opt_outs(sys.stdout, opt_outs(path))
    return 0


def _moment(milliseconds: int) -> str:
    """The time in UTC, to the second; 0 is now."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S") if milliseconds else "now"


def run_rescue(options: argparse.Namespace) -> int:
    """Print what was saved of each table, and what is lost. 3 if something is lost."""
    report = rescue(options.source, options.target)
    print(f"{'table':<16}{'saved':>12}{'gaps':>8}")
    for table in report.tables:
        print(f"{table.name:<16}{table.rows:>12}{table.gaps:>8}")
    repair = report.repair
    if not (report.gaps or repair.messages_lost or repair.messages_incomplete):
        damage = report.damage
        print(f"no row is known to be lost, but the file is damaged: {damage}" if damage else "all was saved")
        return 0
    only_segments, only_report = repair.messages_lost, repair.reports_only
    print(
        f"at least {only_segments + only_report} messages are lost: of {only_segments} only segments are left, of"
        f" {only_report} the report"
    )
    if repair.reports_outlive:
        print(f"{repair.reports_outlive} other reports have no message: retention has dropped it before, or it is lost")
    print(
        f"{repair.ids_unused} ids between those saved are of nothing: lost without a trace, or refused or dropped"
        " before"
    )
    print(
        f"{repair.messages_ended} under way have lost segments: they end as FAILED with UNKNOWN, parts may have been"
        " sent"
    )
    print(f"{repair.reports_repeated} reports are written again, under the event-id they had")
    return 3


def check_config(options: argparse.Namespace) -> int:
    """Check configuration files, and print a line for each problem; of several files also what they can't have in
    common. With --schema print the JSON Schema instead. 2 if there is neither."""
    if options.schema and not options.files:
        print(json.dumps(schema(), indent=2))
        return 0
    if options.schema or not options.files:
        print("check-config: name the files to check, or ask for the --schema", file=sys.stderr)
        return 2
    found = {name: _checked(name) for name in dict.fromkeys(options.files)}
    good = {name: configuration for name, configuration in found.items() if configuration is not None}
    together = clashes(good)
    for place, sentence in together:
        print(f"{place}: {sentence}", file=sys.stderr)
    if options.against is not None and len(good) == len(found) == 1:
        return _compare(options.against, *good.values())
    return 1 if together or len(good) < len(found) else 0


def _compare(running: str, configuration: Configuration) -> int:
    """Print what a reload would change, and what it would refuse; 1 if it would refuse something."""
    changes = plan(snapshot(load(running)), snapshot(configuration))
    for sentence in changes.told() or ["nothing is changed"]:
        print(f"  {sentence}")
    for place, sentence in changes.refused:
        print(f"  {place}: {sentence}", file=sys.stderr)
    return 1 if changes.refused else 0


def _checked(name: str) -> Configuration | None:
    """The configuration in this file, after a line that says that it is good; None after a line for each problem."""
    try:
        configuration = load(name)
        slow = slow_patterns(written_channels(name))
        if slow:
            raise ConfigurationError(slow)
    except ConfigurationError as error:
        print(f"{name}: {len(error.problems)} to mend", file=sys.stderr)
        for path, text in error.problems:
            print(f"  {path}: {text}" if path else f"  {text}", file=sys.stderr)
        return None
    smpp = [section for section in configuration.channels.values() if isinstance(section, SMPPChannelSection)]
    binds = sum(len(section.binds) for section in smpp)
    for warning in configuration.warnings:
        print(f"{name}: warning: {warning}", file=sys.stderr)
    print(f"{name}: good ({len(configuration.channels)} channels, {binds} binds)")
    return configuration


def run_demo(options: argparse.Namespace) -> int:
    """Run the demo until Ctrl-C, or with --once until the three texts have their reports."""
    from smsconnector.demo import run  # noqa: PLC0415 — it brings a reactor and a broker

    return run(options.once)


def run_doctor(options: argparse.Namespace) -> int:
    """Visit an SMSC, or show a request to an HTTP provider, and print what was found; 2 if the options do not fit
    together."""
    from twisted.internet import reactor  # noqa: PLC0415 — importing it installs it

    if options.channel is not None:
        from smsconnector.doctor.provider import make_provider_plan, run_trial  # noqa: PLC0415 — as below

        try:
            provider_plan = make_provider_plan(options)
        except ValueError as error:
            print(f"doctor: {error}", file=sys.stderr)
            return 2
        return run_trial(reactor, provider_plan, say)
    from smsconnector.doctor.plan import make_plan  # noqa: PLC0415 — the whole daemon, which the others don't need
    from smsconnector.doctor.session import run_visit  # noqa: PLC0415 — as above

    try:
        plan = make_plan(options)
    except ValueError as error:
        print(f"doctor: {error}", file=sys.stderr)
        return 2
    return run_visit(reactor, plan, say)


if __name__ == "__main__":
    sys.exit(main())
