"""What stands for something else in the strings of the configuration, so that secrets need not be written there.

===================  ================================================================================================
``${NAME}``          the environment variable. One that is not set is an error.
``${credential:X}``  a credential of systemd (``LoadCredential=X:FILE`` and its like in the unit): the file X in
                     ``$CREDENTIALS_DIRECTORY``
``${file:PATH}``     a file, as Docker and Kubernetes mount secrets
===================  ================================================================================================

Files are UTF-8, ``LONGEST`` octets at most; line ends behind the text don't count. One that is empty is an error: an
empty secret opens doors. What was put in is not looked at again, and stands in no error.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

LONGEST = 65_536  # octets of a file
DIRECTORY = "CREDENTIALS_DIRECTORY"
_MARK = re.compile(r"\$\{(?:([A-Za-z_][A-Za-z0-9_]*)|([A-Za-z]+):([^{}]*))\}")
_CREDENTIAL = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._@-]{1,255}")


def substitute(value: Any, path: str, environment: Mapping[str, str], problems: list[tuple[str, str]]) -> Any:
    """``value`` with all strings in it replaced. ``path`` is where it stands; what is wrong is added to ``problems``,
    each with its path."""
    if isinstance(value, str):
        return _MARK.sub(lambda found: _looked_up(found, path, environment, problems), value)
    if isinstance(value, dict):
        return {
            key: substitute(one, f"{path}.{key}" if path else str(key), environment, problems)
            for key, one in value.items()
        }
    if isinstance(value, list):
        return [substitute(one, f"{path}[{index}]", environment, problems) for index, one in enumerate(value)]
    if isinstance(value, bytes):
        problems.append((path, "octets (!!binary) are nowhere wanted: write a text"))
        return ""
    return value


def _looked_up(
    found: "re.Match[str]", path: str, environment: Mapping[str, str], problems: list[tuple[str, str]]
) -> str:
    name, kind, what = found.groups()
    try:
        if name is not None:
            return _variable(name, environment)
        if kind == "file":
            return _content(Path(what))
        if kind == "credential":
            return _content(_credential(what, environment))
        raise ValueError(f"${{{kind}:...}} is not known: write ${{NAME}}, ${{file:PATH}} or ${{credential:NAME}}")
    except ValueError as error:
        problems.append((path, str(error)))
        return ""


def _variable(name: str, environment: Mapping[str, str]) -> str:
    if name not in environment:
        raise ValueError(f"the environment variable {name} is not set")
    return environment[name]


def _credential(name: str, environment: Mapping[str, str]) -> Path:
    if not _CREDENTIAL.fullmatch(name):
        raise ValueError("a credential's name has letters, digits and . _ @ -, as behind LoadCredential=")
    if not environment.get(DIRECTORY):
        raise ValueError(f"{DIRECTORY} is not set: systemd does so for a unit with LoadCredential={name}:FILE")
    return Path(environment[DIRECTORY]) / name


def _content(path: Path) -> str:
    try:
        with path.open("rb") as file:
            octets = file.read(LONGEST + 1)
        text = octets.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:  # a ValueError whose text shows the octets
        raise ValueError(f"{path} is not UTF-8 text") from None
    except (OSError, ValueError) as error:  # ValueError: NUL in the path
        raise ValueError(f"{path} can't be read: {getattr(error, 'strerror', None) or 'no such path'}") from None
    if len(octets) > LONGEST:
        raise ValueError(f"{path} is longer than {LONGEST} octets: is it the file of a secret?")
    if not text:
        raise ValueError(f"{path} is empty")
    return text
