"""How the log of ``twistd smsconnector`` begins.

twistd makes an observer when it starts the application. Its options come first:

``--logger``    the observer that it names, as ever
``--syslog``    twistd's own, as ever
``--logfile``   that file, in the form of ``log.format``; SIGUSR1 begins a new file, as with twistd's own
none of these   the journal if that is where the output goes; else standard output, as text if that is a terminal,
                and as JSON lines if it is not. A daemon without ``--nodaemon`` writes to the file twistd.log
"""

import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from twisted.python.logfile import LogFile

from smsconnector.logs import journal
from smsconnector.logs.levels import Levels
from smsconnector.logs.lines import Line, json_of, text_of
from smsconnector.logs.writing import Observer, to_stream
from smsconnector.masking import show_numbers

LEVELS = Levels()  # of the process; ``settle`` changes them
FILE = "twistd.log"
_chosen: dict[str, Callable[[], Callable[[Line], None]]] = {}
_FORMS = {"text": text_of, "json": json_of}


def settle(level: str, by_namespace: Mapping[str, str], numbers: str) -> None:
    """What counts from now on, of what may change while the process runs. ``numbers``: "masked" or "full"."""
    LEVELS.configure(level, by_namespace)
    show_numbers(numbers == "full")


def choose(options: Any, form: str, environment: Mapping[str, str] = os.environ) -> None:
    """Have twistd make our observer. ``options`` are those of twistd; ``form`` is ``log.format``."""
    if options.get("logger") or options.get("syslog"):
        return
    _chosen["writer"] = lambda: _writer(options, form, environment)
    options["logger"] = f"{__name__}.{make_observer.__name__}"


def make_observer() -> Observer:
    """The observer that was chosen. twistd finds it by its name, and calls it when the application starts."""
    return Observer(LEVELS, _chosen["writer"]())


def tell_refusal(sentence: str, environment: Mapping[str, str] = os.environ) -> None:
    """A start that is refused before there is a log: to the journal, if that is where the output goes. Elsewhere the
    exit says it."""
    if journal.is_connected(environment):
        one = journal.Journal()
        one.write(Line(time.time(), "critical", "smsconnector", sentence, {}))
        one.close()


def _writer(options: Any, form: str, environment: Mapping[str, str]) -> Callable[[Line], None]:
    path = options.get("logfile")
    is_file = path not in (None, "", "-") or not options.get("nodaemon")
    if is_file and path == "-":
        raise SystemExit("a daemon has no standard output: name a file with --logfile, or run it with --nodaemon")
    if form == "auto":
        form = _form_of_output(is_file or path == "-", environment)
    if form == "journal":
        return journal.Journal().write
    if is_file:
        return _to_file(path or FILE, _FORMS[form])
    return to_stream(sys.__stdout__, _FORMS[form])


def _form_of_output(is_given: bool, environment: Mapping[str, str]) -> str:
    """``is_given``: twistd's options say where to."""
    if not is_given and journal.is_connected(environment):
        return "journal"
    output = sys.__stdout__
    return "text" if not is_given and output is not None and output.isatty() else "json"


def _to_file(path: str, form: Callable[[Line], str]) -> Callable[[Line], None]:
    """SIGUSR1 has the next line begin a new file: a signal may come in the middle of one."""
    file: Any = LogFile.fromFullPath(path)
    write, wanted = to_stream(file, form), list[int]()

    def write_or_begin(line: Line) -> None:
        if wanted:
            wanted.clear()
            file.rotate()
        write(line)

    if signal.getsignal(signal.SIGUSR1) in (None, signal.SIG_DFL):
        signal.signal(signal.SIGUSR1, lambda number, _frame: wanted.append(number))
    return write_or_begin
