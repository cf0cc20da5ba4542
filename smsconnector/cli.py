"""The console script ``smsconnector``: what is not the daemon itself."""

import argparse
import sys
from collections.abc import Sequence

from smsconnector import __version__
from smsconnector.config import load
from smsconnector.errors import ConfigurationError


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
    options = parser.parse_args(arguments)
    return int(options.run(options))


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
