"""The configuration as a JSON Schema (draft 2020-12), for editors: made from the model and ``key_words``.

1. pydantic makes a schema of each section: ``Section`` adds the words.
2. What only the file's own rules say is put in: the section of a channel and of a sink is that of its type, a section
   may be empty, any value may be one that is put in from elsewhere (``${NAME}``).

The schema accepts what ``check-config`` accepts, but for spellings that nobody is told to use (numbers in quotes). It
can't tell all that ``check-config`` tells: what the file system says, and what two keys say of each other.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic.json_schema import models_json_schema

from smsconnector.channels.types import CHANNEL_TYPES
from smsconnector.section_base import Section
from smsconnector.sections import SinkSection
from smsconnector.sinks.types import SINK_TYPES

DIALECT = "https://json-schema.org/draft/2020-12/schema"
PUT_IN = "PutIn"
ROOT = "the file itself"
_REFERENCE = "#/$defs/"
_PUT_IN = {
    "type": "string",
    "pattern": r"\$\{",
    "description": "Put in from elsewhere: ${NAME} from the environment, ${file:PATH} or ${credential:NAME}.",
}
_SCALARS = ("integer", "number", "boolean")
_YES_NO = {"enum": ["yes", "no", "on", "off"]}  # YAML 1.1 reads truth values, as PyYAML does; 1.2 reads texts

Schema = dict[str, Any]


def schema_of(root: type[Section], long_events: type[Section]) -> Schema:
    """The schema of the whole file. ``root``: the model of the file; ``long_events``: of the section events with
    several sinks."""
    channels = {name: one.section for name, one in CHANNEL_TYPES.items()}
    sinks = {name: one.section for name, one in SINK_TYPES.items()}
    models = dict.fromkeys([root, long_events, *channels.values(), *sinks.values()])
    references, made = models_json_schema(
        [(one, "validation") for one in models], ref_template=f"{_REFERENCE}{{model}}"
    )
    defs: dict[str, Schema] = made["$defs"]

    def named(model: type[Section]) -> Schema:
        return dict(references[model, "validation"])

    names = _resolve(named(root), defs)["properties"]["channels"]
    names["patternProperties"] = dict.fromkeys(names["patternProperties"], _by_type("type", channels, named))
    names["additionalProperties"] = False
    several = _resolve(named(long_events), defs)
    several["properties"]["sinks"]["items"] = _by_type("type", sinks, named)
    events = {
        "if": {"required": ["sinks"]},
        "then": named(long_events),
        "else": {
            "if": {"required": ["type"]},
            "then": _by_type("type", sinks, named),
            "else": _by_type("sink", sinks, named, "stomp"),
        },
    }
    top = _resolve(named(root), defs)
    words = top["properties"]["events"].get("description", "")
    top["properties"]["events"] = events | {"description": words}
    for model in sinks.values():
        _resolve(named(model), defs)["properties"]["sink"] = {"enum": list(sinks), "description": _same(SinkSection)}
    for one in defs.values():
        _clean(one)
    for name in ("http", "store", "events"):  # a section without content is an empty one
        one = top["properties"][name]
        top["properties"][name] = {"anyOf": [one, {"type": "null"}], "description": one.pop("description", "")}
    defs[PUT_IN] = _PUT_IN
    found = {"$schema": DIALECT, "title": "The SMS connector's configuration", **top}
    return {**found, "$defs": _named_in(found, defs)}


def _named_in(one: Any, defs: Mapping[str, Schema]) -> dict[str, Schema]:
    """The definitions that are named there, and in these."""
    found: dict[str, Schema] = {}
    waiting = [one]
    while waiting:
        for name in dict.fromkeys(re.findall(rf'"{re.escape(_REFERENCE)}([^"]+)"', json.dumps(waiting.pop()))):
            if name not in found:
                found[name] = defs[name]
                waiting.append(defs[name])
    return dict(sorted(found.items()))


def places_of_keys(schema: Schema) -> dict[str, list[str]]:
    """By the name of each key the places that know it: ``http``, ``channels.NAME.binds[]``."""
    found: dict[str, list[str]] = {}
    for place, section in sections_of(schema):
        for key in section["properties"]:
            places = found.setdefault(key, [])
            if place not in places:
                places.append(place)
    for places in found.values():
        if "events" in places and "events.sinks[]" in places:
            places.remove("events.sinks[]")
        places.sort(key=len)
    return found


def sections_of(schema: Schema) -> Iterator[tuple[str, Schema]]:
    """Each section with its place, from the top down; a section that stands at several places comes with each."""
    yield from _sections(schema, "", schema["$defs"], ())


def _sections(
    one: Schema, place: str, defs: Mapping[str, Schema], above: tuple[str, ...]
) -> Iterator[tuple[str, Schema]]:
    if "$ref" in one:
        name = one["$ref"].removeprefix(_REFERENCE)
        if name not in above:
            yield from _sections(defs[name], place, defs, (*above, name))
        return
    if "properties" in one and "$comment" not in one:
        yield place or ROOT, one
        for key, inner in one["properties"].items():
            yield from _sections(inner, f"{place}.{key}" if place else key, defs, above)
    for inner in one.get("patternProperties", {}).values():
        yield from _sections(inner, f"{place}.NAME", defs, above)
    for word in ("anyOf", "allOf", "oneOf"):
        for inner in one.get(word, ()):
            yield from _sections(inner, place, defs, above)
    for word in ("then", "else"):
        if word in one:
            yield from _sections(one[word], place, defs, above)
    if isinstance(one.get("items"), dict):
        yield from _sections(one["items"], f"{place}[]", defs, above)
    if isinstance(one.get("additionalProperties"), dict):
        yield from _sections(one["additionalProperties"], f"{place}.NAME", defs, above)


def _by_type(key: str, models: Mapping[str, type[Section]], named: Any, default: str | None = None) -> Schema:
    """The section that ``key`` names. Editors tell the keys of that one alone."""
    cases: list[Schema] = [
        {
            "if": {"properties": {key: {"const": name}}, "required": [] if name == default else [key]},
            "then": named(model),
        }
        for name, model in models.items()
    ]
    about = {"enum": list(models)}
    required = {} if default else {"required": [key]}
    return {"$comment": "by type", "type": "object", "properties": {key: about}, **required, "allOf": cases}


def _same(section: type[Section]) -> str:
    return section.purpose("sink") or ""


def _resolve(one: Schema, defs: dict[str, Schema]) -> Schema:
    return defs[one["$ref"].removeprefix(_REFERENCE)]


def _clean(one: Any, key: str = "") -> None:
    """Take out pydantic's titles and the defaults that are whole sections, and let values be put in from elsewhere."""
    if isinstance(one, list):
        for inner in one:
            _clean(inner)
        return
    if not isinstance(one, dict):
        return
    if isinstance(one.get("title"), str):
        del one["title"]
    if isinstance(one.get("default"), dict) and one["default"]:
        del one["default"]
    if isinstance(one.get("description"), str):
        one["description"] = " ".join(one["description"].split())
    for name, inner in list(one.items()):
        if name in ("properties", "$defs", "patternProperties"):
            for own, about in inner.items():
                _clean(about, own)
        elif name not in ("default", "enum", "const", "required", "propertyNames"):
            _clean(inner)
    if _wants_a_value(one) and key != "type":
        value = {name: one.pop(name) for name in list(one) if name not in ("description", "default")}
        others = [_YES_NO] if value.get("type") == "boolean" else []
        one["anyOf"] = [value, *others, {"$ref": f"{_REFERENCE}{PUT_IN}"}]


def _wants_a_value(one: Schema) -> bool:
    """Whether what is put in from elsewhere would not fit by itself."""
    kind = one.get("type")
    return kind in _SCALARS or "const" in one or "enum" in one or (kind == "string" and len(one.keys() & _BOUNDS) > 0)


_BOUNDS = {"pattern", "maxLength", "minLength"}
