"""The console script ``smsconnector``: what is not the daemon itself."""

import argparse
import re
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from smsconnector import __version__
from smsconnector.config import load
from smsconnector.errors import ConfigurationError, StoreUnusable
from smsconnector.store.backup import backup
from smsconnector.store.reconcile import Line, reconcile


def main(arguments: Sequence[str] | None = None) -> int:
    """Ends with 0, with 1 for what was asked and found wrong, with 2 for a wrong command line."""
    parser = argparse.ArgumentParser(prog="smsconnector", description="SMS connector: tools beside the daemon.")
    parser.add_argument("--version", action="version", version=f"smsconnector {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser("check-config", help="check a configuration file: every error at once")
    check.add_argument("file", metavar="FILE")
    check.set_defaults(run=check_config)
    demo = commands.add_parser("demo", help="connector, SMSC simulator and broker, and three texts to see them walk")
    demo.add_argument("--config", metavar="FILE", default="conf/demo.yaml")
    demo.add_argument("--once", action="store_true", help="end when the three texts have their reports")
    demo.set_defaults(run=run_demo)
    copy = commands.add_parser("backup", help="copy the database, consistent, while the connector runs")
    copy.add_argument("target", metavar="FILE", help="a file that does not exist yet")
    _add_config(copy)
    copy.set_defaults(run=run_backup)
    account = commands.add_parser(
        "reconcile", help="does it add up: accepted, delivered, failed, reported, by the hour"
    )
    account.add_argument("--since", type=moment, default=0, help="2026-01-31, 2026-01-31T14:00, 36h or 7d; UTC")
    _add_config(account)
    account.set_defaults(run=run_reconcile)
    options = parser.parse_args(arguments)
    return int(options.run(options))


def _add_config(command: argparse.ArgumentParser) -> None:
    command.add_argument("--config", "-c", metavar="FILE", default="conf/smsconnector.yaml")


def moment(text: str) -> int:
    """A date, a time or so many hours or days ago, as milliseconds since the epoch."""
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


def run_backup(options: argparse.Namespace) -> int:
    """Says how much was copied."""
    try:
        octets = backup(load(options.config).store.path, options.target)
    except (ConfigurationError, StoreUnusable) as error:
        print(f"backup: {error}", file=sys.stderr)
        return 1
    print(f"{options.target}: {octets} octets")
    return 0


def run_reconcile(options: argparse.Namespace) -> int:
    """A table by hour and channel, then what does not add up; 1 if there is any."""
    try:
        account = reconcile(load(options.config).store.path, options.since)
    except (ConfigurationError, StoreUnusable) as error:
        print(f"reconcile: {error}", file=sys.stderr)
        return 1
    print(f"{'hour (UTC)':<16}  {'channel':<16}" + "".join(f"{name:>12}" for name in Line._fields[2:]))
    for line in account.lines:
        hour = datetime.fromtimestamp(line.hour / 1000, UTC).strftime("%Y-%m-%d %H:%M")
        print(f"{hour:<16}  {line.channel:<16}" + "".join(f"{count:>12}" for count in line[2:]))
    for sid, sentence in account.faults:
        print(f"{sid}: {sentence}")
    print(f"{len(account.faults)} that do not add up" if account.faults else "all adds up")
    return 1 if account.faults else 0


def check_config(options: argparse.Namespace) -> int:
    """One line per problem, path first."""
    try:
        configuration = load(options.file)
    except ConfigurationError as error:
        print(f"{options.file}: {len(error.problems)} to mend", file=sys.stderr)
        for path, text in error.problems:
            print(f"  {path}: {text}" if path else f"  {text}", file=sys.stderr)
        return 1
    binds = sum(len(channel.binds) for channel in configuration.channels.values())
    print(f"{options.file}: good ({len(configuration.channels)} channels, {binds} binds)")
    return 0


def run_demo(options: argparse.Namespace) -> int:
    """The demo, until Ctrl-C."""
    from smsconnector.demo import run  # noqa: PLC0415 — it brings a reactor and a broker

    return run(options.config, options.once)


if __name__ == "__main__":
    sys.exit(main())
