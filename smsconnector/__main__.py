"""The console script, and ``python -m smsconnector``: Ctrl-C shows no traceback, not even while the code is loaded."""

import signal
import sys


def main() -> int:
    """Run one command of ``cli``; returns the exit status."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from smsconnector import cli  # noqa: PLC0415 — it takes half a second, in which Ctrl-C ends the process at once

    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
