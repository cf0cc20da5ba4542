"""Build the pages as HTML: ``python docs/make.py [OUTPUT]``, or ``make docs``. The output is ``build/docs`` by default.

1. The pages of this folder are copied, with those at the root of the source: README, CONTRIBUTING, SECURITY, CHANGELOG.
2. The page of all keys is made from the model of the configuration, the page of decisions from their titles.
3. Sphinx makes HTML of the copies. A warning is an error.
"""

import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sphinx.cmd.build import build_main

from smsconnector.config import schema
from smsconnector.config_schema import PUT_IN, ROOT, sections_of

HERE = Path(__file__).resolve().parent
AT_THE_ROOT = ("README", "CONTRIBUTING", "SECURITY", "CHANGELOG")
NAMES = {"SECURITY": "security-policy"}  # docs has a page of that name


def collect(target: Path) -> None:
    """All that Sphinx reads, into an empty folder."""
    shutil.copytree(HERE, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__", "make.py"))
    for name in AT_THE_ROOT:
        shutil.copy(HERE.parent / f"{name}.rst", target / f"{NAMES.get(name, name.lower())}.rst")
    shutil.copy(HERE.parent / "smsconnector" / "http" / "openapi.yaml", target)
    (target / "configuration.rst").write_text(configuration_page(), "utf-8")
    (target / "decisions.rst").write_text(decisions_page(), "utf-8")


def decisions_page() -> str:
    """A link to each decision."""
    lines = ["Decisions", "=========", "", "Why things are as they are, with what speaks for it.", ""]
    pages = sorted((HERE / "decisions").glob("*.rst"))
    lines += [f"- `{page.stem[:4]}: {_title(page)} <decisions/{page.name}>`_" for page in pages]
    lines += ["", ".. toctree::", "   :hidden:", "", *(f"   decisions/{page.stem}" for page in pages)]
    return "\n".join(lines) + "\n"


def _title(page: Path) -> str:
    """Its first line, without what would be markup in a link."""
    return page.read_text("utf-8").split("\n", 1)[0].replace("`", "")


def configuration_page() -> str:
    """All keys: place, type, default, and what they are for."""
    found = schema()
    lines = [
        "All keys of the configuration",
        "=============================",
        "",
        "Made from the model that ``smsconnector check-config`` checks a file by. ``NAME`` stands for a name of your",
        "own, ``[]`` for each element of a list. Times are seconds and sizes octets, where nothing else is said.",
        "In any string ``${NAME}`` is replaced from the environment, ``${file:PATH}`` and ``${credential:NAME}`` by",
        "what is in a file or a credential of systemd. ``smsconnector check-config --schema`` prints the same for",
        "editors.",
        "",
    ]
    by_section: dict[str, tuple[list[str], Any]] = {}
    for place, section in sections_of(found):
        by_section.setdefault(repr(section), ([], section))[0].append(place)
    for places, section in by_section.values():
        lines += _section(places, section)
    return "\n".join(lines) + "\n"


def _section(places: list[str], section: Any) -> Iterator[str]:
    title = places[0] if places[0] != ROOT else "The file itself"
    own = section["properties"].get("type", {})
    if "const" in own:
        title += f" of the type {own['const']}"
    yield from (title, "-" * len(title), "")
    if len(places) > 1:
        yield from ("Also: " + ", ".join(f"``{one}``" for one in places[1:]) + ".", "")
    yield from (".. list-table::", "   :header-rows: 1", "   :widths: 22 24 14 40", "")
    yield from ("   * - key", "     - value", "     - default", "     - what it is for")
    for key, about in section["properties"].items():
        required = key in section.get("required", ())
        yield f"   * - ``{key}``"
        yield f"     - {_value(about)}"
        yield f"     - {'*required*' if required else _default(about)}"
        yield f"     - {_plain(about.get('description', ''))}"
    yield ""


def _value(about: Any) -> str:
    """The type in words."""
    choices = about.get("anyOf") or about.get("oneOf")
    if choices:
        words = [_value(one) for one in choices if not _is_left_out(one)]
        return " or ".join(dict.fromkeys(filter(None, words))) or "anything"
    if about.keys() & {"$ref", "if", "allOf"}:
        return "keys"
    if "const" in about or "enum" in about:
        return ", ".join(f"``{one}``" for one in about.get("enum", [about.get("const")]))
    return _value_of_type(about)


def _value_of_type(about: Any) -> str:
    kind = about.get("type")
    if kind == "array":
        return f"list of {_value(about.get('items', {}))}"
    if kind == "object":
        inner = about.get("additionalProperties") or next(iter(about.get("patternProperties", {}).values()), None)
        return f"names, each with {_value(inner)}" if isinstance(inner, dict) and inner else "names and values"
    if kind in ("integer", "number"):
        return ("whole number" if kind == "integer" else "number") + _bounds(about)
    return {"boolean": "yes or no", "string": "text", "null": ""}.get(str(kind), "anything")


def _is_left_out(one: Any) -> bool:
    return one.get("$ref", "").endswith(f"/{PUT_IN}") or one.get("type") == "null" or "yes" in one.get("enum", ())


def _bounds(about: Any) -> str:
    least, above = about.get("minimum"), about.get("exclusiveMinimum")
    most = about.get("maximum")
    low = f"{least:g}" if least is not None else f"above {above:g}" if above is not None else ""
    if low and most is not None:
        return f", {low} to {most:,.0f}"
    if low:
        return f", {low} or more" if least is not None else f", {low}"
    return f", up to {most:,.0f}" if most is not None else ""


def _default(about: Any) -> str:
    if about.get("default") in (None, "", [], {}):
        return ""
    value = about["default"]
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"``{value:g}``" if isinstance(value, float) and value < 1_000_000 else f"``{value}``"


def _plain(text: str) -> str:
    """What is markup in rst, as it is; code in single backquotes as rst has it."""
    return re.sub(r"_(?!\w)", r"\\_", text.replace("*", "\\*").replace("|", "\\|")).replace("`", "``")


def main(output: str) -> int:
    """Returns Sphinx' exit status."""
    with tempfile.TemporaryDirectory(prefix="smsconnector-docs-") as folder:
        collect(Path(folder))
        return int(build_main(["-W", "--keep-going", "-q", "-j", "auto", "-b", "html", folder, output]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else str(HERE.parent / "build" / "docs")))
