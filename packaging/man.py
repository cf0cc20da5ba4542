"""The manual page ``smsconnector(1)``, made of the command line's own help: ``python packaging/man.py`` prints it.

Each command stands there with its arguments and options. So the page can't tell another thing than ``--help``.
"""

import argparse
import sys
from collections.abc import Iterator

from smsconnector import __version__
from smsconnector.cli import make_parser

FILES = (
    ("/etc/smsconnector/smsconnector.yaml", "the configuration"),
    ("/etc/smsconnector/environment", "secrets that the configuration names as ${NAME}"),
    ("/var/lib/smsconnector/smsconnector.db", "messages, receipts and events"),
    ("/var/lib/smsconnector/smsconnector.access.db", "API keys and the audit"),
)
STATUSES = (
    ("0", "success"),
    ("1", "something is wrong, such as a configuration or a database that can't be used; the text says what to do"),
    ("2", "a wrong command line"),
    ("3", "a rescue that could not save all"),
    ("130", "Ctrl-C"),
)


def page() -> str:
    """The page as troff, with the macros of man(7)."""
    parser = make_parser()
    lines = [
        f'.TH SMSCONNECTOR 1 "" "smsconnector {__version__}" "SMS connector"',
        ".SH NAME",
        "smsconnector \\- tools of the SMS connector, a daemon that sends texts by SMPP",
        ".SH SYNOPSIS",
        ".B smsconnector",
        ".I COMMAND",
        "[\\fIOPTION\\fR]...",
        ".SH DESCRIPTION",
        _escaped(
            "The daemon takes texts from applications over HTTP, sends them to mobile networks, and tells a broker what"
            " became of each. It is run by twistd, as smsconnector.service does. These are the tools beside it."
        ),
        ".SH COMMANDS",
        *_commands(parser, ""),
        ".SH EXIT STATUS",
        *_listed(STATUSES),
        ".SH FILES",
        *_listed(FILES),
        ".SH SEE ALSO",
        "/usr/share/doc/smsconnector, systemctl(1), journalctl(1)",
    ]
    return "\n".join(lines) + "\n"


def _commands(parser: argparse.ArgumentParser, before: str) -> Iterator[str]:
    """Each command below this parser, with those below it."""
    for action in parser._actions:
        if not isinstance(action, argparse._SubParsersAction):
            continue
        about = {one.dest: one.help or "" for one in action._choices_actions}
        for name, command in action.choices.items():
            yield f'.SS "{_escaped(f"{before}{name}")}"'
            yield _escaped(_sentence(about.get(name, "")))
            yield from _options(command)
            yield from _commands(command, f"{before}{name} ")


def _options(command: argparse.ArgumentParser) -> Iterator[str]:
    for action in command._actions:
        if isinstance(action, argparse._HelpAction | argparse._SubParsersAction):
            continue
        value = action.metavar if isinstance(action.metavar, str) else " ".join(action.metavar or ())
        value = value or ("" if action.nargs == 0 else action.dest.upper())
        names = ", ".join(f"\\fB{_escaped(one)}\\fR" for one in action.option_strings)
        yield ".TP"
        yield " ".join(part for part in (names, f"\\fI{_escaped(value)}\\fR" if value else "") if part)
        text = action.help or ("the configuration" if action.dest == "config" else action.dest)
        yield _escaped(_sentence(text % vars(action) if "%(" in text else text))


def _listed(pairs: tuple[tuple[str, str], ...]) -> Iterator[str]:
    for term, text in pairs:
        yield from (".TP", f"\\fB{_escaped(term)}\\fR", _escaped(_sentence(text)))


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "?")) else ".")


def _escaped(text: str) -> str:
    """As troff has it: a line that begins with a dot or an apostrophe would be a request."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{text}" if text.startswith((".", "'")) else text


if __name__ == "__main__":
    sys.stdout.write(page())
