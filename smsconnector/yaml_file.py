"""The YAML of a configuration file, read strictly: UTF-8, one mapping, no key twice. No secret is in an error."""

import re
from pathlib import Path
from typing import Any

import yaml

from smsconnector.errors import ConfigurationError

_NAMED = re.compile(r"\b(?:alias|anchor|tag(?: handle)?|directive) ['\"].*", re.DOTALL)  # in an error of PyYAML


class _Loader(yaml.SafeLoader):
    """A safe loader that takes a repeated key as an error. PyYAML would drop the first value without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None,
                        None,
                        f"the key {key.value!r} is here for the second time: only one would count",
                        key.start_mark,
                    )
                seen.add(key.value)
        found: dict[Any, Any] = super().construct_mapping(node, deep)
        return found


def read(path: str) -> str:
    try:
        return Path(path).read_text("utf-8")
    except OSError as error:
        raise ConfigurationError([("", f"{path} can't be read: {error.strerror}")]) from None
    except UnicodeDecodeError:
        raise ConfigurationError([("", f"{path} is not UTF-8 text")]) from None


def parse_mapping(text: str) -> dict[str, Any]:
    """The unchecked content of the file. A section without content is an empty mapping. Raises ConfigurationError."""
    try:
        data = yaml.load(text, _Loader)  # nosec B506 # _Loader is a SafeLoader
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = str(getattr(error, "problem", None) or "the text is not YAML")
        if named := _NAMED.search(problem):  # it may be a secret that has no quotes
            problem = f"found {named[0].split()[0]} that is not known: a text that begins with * & or ! needs quotes"
        raise ConfigurationError([(place, f"not valid YAML: {problem}")]) from None
    if not isinstance(data, dict):
        raise ConfigurationError([("", "the file must hold a mapping with the keys http, store, channels, events")])
    return {key: {} if value is None else value for key, value in data.items()}
