"""The floors of the house, as one table: an import goes to a lower floor only.

``tests/unit/test_floors.py`` holds the code against it, and ``docs/architecture.rst`` shows it. ``python -m
tests.floors`` prints what that page has to show.
"""

from typing import NamedTuple


class Floor(NamedTuple):
    """``rooms`` are folders and modules of the package, each with what it is for."""

    name: str
    rooms: dict[str, str]


FLOORS = (
    Floor(
        "words",
        {
            "errors": "every exception, as one tree",
            "messages": "the records that the rooms exchange",
            "lifecycle": "which states follow which",
            "codes": "what codes mean, and what to do about them",
            "figures": "what is counted, for the log and for metrics",
            "masking": "what the log may show of a number, and of others' words",
        },
    ),
    Floor(
        "cores",
        {
            "sms": "text <-> segments, alphabets, numbers",
            "smpp": "octets <-> PDUs, the session, receipts, pace, policy",
            "hooks": "webhooks in: who called, and what it says",
            "rest": "requests to HTTP providers from templates, and what their answers mean",
            "key_names": "which key was meant by one that is not known",
            "key_words": "what each key of the configuration is for",
        },
    ),
    Floor(
        "ground",
        {
            "store": "all that is on disk, all SQL",
            "access": "keys and the audit, in a file of their own",
            "net": "connections that are kept, endpoints, TLS",
            "timers": "the clock that timers run on",
            "wall_clock": "the time of day",
            "section_base": "what every section of the configuration is",
            "yaml_file": "the YAML of a configuration file, read strictly",
            "substitution": "what stands for secrets in the configuration",
            "systemd": "READY, STOPPING, the watchdog",
            "process": "signals, and the collector of cycles",
            "deadline": "a bound in time for a stop",
            "terminal": "lines on a terminal",
            "client": "what applications in Python call the HTTP API with",
            "logs": "the log: levels, forms, and where it is written",
            "recurring": "trouble that comes again and again, summed up by time",
        },
    ),
    Floor(
        "sections",
        {
            "sections": "what sections of the configuration are made of",
            "hook_sections": "what a channel says of its webhooks",
            "code_sections": "what a channel says of its network's codes",
            "http_section": "the section of the HTTP API",
            "instances": "several processes that share a port",
            "log_section": "the section of the log",
        },
    ),
    Floor(
        "wires",
        {
            "channels": "ways out to the networks, by type",
            "sinks": "ways out for events, by type",
            "simulator": "an SMSC to try and test against",
        },
    ),
    Floor(
        "walks",
        {
            "walks": "a message's way between store and wires",
            "config": "the configuration file, checked",
            "config_schema": "the configuration as a JSON Schema",
        },
    ),
    Floor(
        "doors",
        {
            "http": "what applications and providers call",
            "health": "what an operator wants to see first",
            "watch": "how it goes, told by the log and to systemd",
            "doctor": "how an SMSC behaves, and what to configure",
            "demo": "the whole walk, to look at",
            "making": "what the configuration names, made",
            "changes": "what another configuration changes",
            "reloading": "another configuration while the daemon runs",
        },
    ),
    Floor(
        "roof",
        {
            "starting": "twistd's options, and what is set before the start",
            "service": "the wiring, on one page",
            "cli": "the command line",
            "access_commands": "its commands key and audit",
            "__main__": "its script, which Ctrl-C may end",
        },
    ),
)
# Rooms of one floor, of which the first may import the second: codes explain our own too; a segment is a submit_sm;
# what all sections are made of, those of webhooks, of codes and of the HTTP API are too, and several of these are
# compared; a key that is not known is looked for in the schema; the script runs the commands.
SIBLINGS = {("smpp", "sms"), ("hook_sections", "sections"), ("http_section", "sections"), ("__main__", "cli")}
SIBLINGS |= {("instances", "http_section"), ("instances", "sections"), ("code_sections", "sections")}
SIBLINGS |= {("codes", "lifecycle"), ("log_section", "sections"), ("starting", "service"), ("watch", "health")}
SIBLINGS |= {("config", "config_schema")}
SIBLINGS |= {("cli", "access_commands")}
SIBLINGS |= {("reloading", "changes"), ("reloading", "making"), ("reloading", "http")}
FLOOR_OF = {room: number for number, floor in enumerate(FLOORS) for room in floor.rooms}


def drawing() -> str:
    """The table as docs/architecture.rst shows it, the highest floor first."""
    lines = []
    for number, floor in reversed(list(enumerate(FLOORS))):
        for place, (room, purpose) in enumerate(floor.rooms.items()):
            title = f"F{number} {floor.name}" if place == 0 else ""
            lines.append(f"    {title:<12}  {room:<15}  {purpose}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(drawing(), end="")
