"""The commands ``smsconnector key`` and ``smsconnector audit``. A connector may be running meanwhile: it notices within
a second or two."""

import argparse
import json
import os
import pwd
import re
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from smsconnector.access.file import AccessFile, access_path_of, described
from smsconnector.access.keys import SCOPES, Permissions, StoredKey
from smsconnector.config import load_store, written_channels
from smsconnector.errors import ConfigurationError
from smsconnector.hooks.callers import network_of
from smsconnector.section_base import NAME_PATTERN
from smsconnector.terminal import say

NO_DATABASE = (
    "there is no database {}, so keys and audit of the connector are not here: run this in the folder where the"
    " connector is started, write store.path as an absolute path, or name the file by --database; before the first"
    " start of a connector give --before-first-start"
)


def add_commands(key: argparse.ArgumentParser, audit: argparse.ArgumentParser) -> None:
    """Their options."""
    whats = key.add_subparsers(dest="what", required=True)
    new = whats.add_parser("new", help="make a key; it is printed once, and written nowhere")
    new.add_argument("name", metavar="NAME", help="whose it is: crm")
    new.add_argument("--scope", action="append", required=True, help=f"what it is for: {','.join(SCOPES)}")
    new.add_argument("--channel", action="append", default=[], help="only for these channels; default: all")
    new.add_argument(
        "--network", action="append", default=[], help="only from there: 192.0.2.0/24; default: everywhere"
    )
    new.add_argument(
        "--rate", type=float, default=0.0, help="requests and batched texts a second; default: http.rate_limit"
    )
    new.set_defaults(run=run_key_new)
    listed = whats.add_parser("list", help="all keys, and when each was used last")
    listed.add_argument("--json", action="store_true", help="for programs")
    listed.set_defaults(run=run_key_list)
    revoke = whats.add_parser("revoke", help="a key opens nothing any more")
    revoke.add_argument("name", metavar="NAME", help="or the id of the key")
    revoke.set_defaults(run=run_key_revoke)
    audit.add_argument("--json", action="store_true", help="a line of JSON for each row")
    audit.add_argument("--verify", action="store_true", help="whether a row was removed or changed; 1 if one was")
    audit.set_defaults(run=run_audit)
    for command in (new, listed, revoke, audit):
        command.add_argument("--config", "-c", metavar="FILE", default="conf/smsconnector.yaml")
        command.add_argument("--database", metavar="FILE", help="instead: the database of the store")
        command.add_argument(
            "--before-first-start",
            action="store_true",
            help="there is no database yet, and the connector will be started in this folder",
        )


def person() -> str:
    """Who runs this command, for the audit: by the user id, which nobody can choose; and before sudo, as it says."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = f"user {os.getuid()}"
    before = os.environ.get("SUDO_USER", "")
    return f"{name} (sudo by {before[:64]})" if before.isprintable() and before else name


def access_path(options: argparse.Namespace) -> str:
    """The file of keys and audit that the options lead to. Raises ConfigurationError; also where its path is relative
    and no database is there: that is another folder than the connector's, and so is the file that would be made."""
    if options.database:
        database, access = options.database, access_path_of(options.database)
    else:
        store = load_store(options.config)
        database, access = store.path, store.access
    is_elsewhere = not os.path.isabs(access) and not os.path.exists(database)
    if is_elsewhere and not getattr(options, "before_first_start", False):
        raise ConfigurationError([("", NO_DATABASE.format(os.path.abspath(database)))])
    return access


def note(options: argparse.Namespace, what: str, about: str) -> None:
    """Add a row to the audit, before something is changed: nothing is then changed unnoticed. Raises StoreUnusable."""
    file = AccessFile(access_path(options))
    try:
        file.note([(person(), what, about)], _now())
    finally:
        file.close()


def run_key_new(options: argparse.Namespace) -> int:
    """Print the key."""
    permissions = Permissions(
        tuple(_words(options.scope)), tuple(_words(options.channel)), tuple(_words(options.network)), options.rate
    )
    channels = None if options.database else written_channels(options.config)
    problems = _problems(options.name, permissions, channels)
    if problems:
        raise ConfigurationError(problems)
    path = access_path(options)
    file = AccessFile(path)
    try:
        made = file.add(options.name, permissions, person(), _now())
    finally:
        file.close()
    print(made)
    sys.stdout.flush()
    print(
        f"this is the only time that it is shown; it is in {os.path.abspath(path)}, and a connector that runs with this"
        " file knows it in a second or two",
        file=sys.stderr,
    )
    return 0


def run_key_list(options: argparse.Namespace) -> int:
    """Print a line for each key."""
    file = AccessFile(access_path(options), create=False)
    try:
        found = file.stored_keys()
    finally:
        file.close()
    if options.json:
        for one in found:
            print(json.dumps(_as_json(one)))
        return 0
    if not found:
        print("none")
        return 0
    width = max(4, *(len(one.name) for one in found))
    print(f"{'name':<{width}}  {'id':<10}  {'created (UTC)':<19}  {'last use (UTC)':<19}  it may")
    for one in found:
        used = _moment(one.used_at) or "never"
        may = described(one.permissions) if one.revoked_at is None else f"nothing: revoked {_moment(one.revoked_at)}"
        say(f"{one.name:<{width}}  {one.id:<10}  {_moment(one.created_at):<19}  {used:<19}  {may}")
    return 0


def run_key_revoke(options: argparse.Namespace) -> int:
    """Revoke the key; 1 if there is none."""
    file = AccessFile(access_path(options), create=False)
    try:
        is_done = file.revoke(options.name, person(), _now())
    finally:
        file.close()
    if not is_done:
        shown = options.name if options.name.isprintable() else ascii(options.name)
        say(f"no key that is not revoked has the name or the id {shown}")
        return 1
    print("revoked; a connector that runs refuses it in a second or two")
    return 0


def run_audit(options: argparse.Namespace) -> int:
    """Print a line for each row; with --verify what is wrong with the chain, 1 if something is."""
    file = AccessFile(access_path(options), create=False)
    try:
        if options.verify:
            faults, head = file.faults(), file.head()
            for fault in faults:
                print(fault)
            print(
                f"{len(faults)} faults" if faults else f"the chain is whole; row {head.number} has the hash {head.hash}"
            )
            return 1 if faults else 0
        for row in file.rows(options.since):
            if options.json:
                print(json.dumps(row._asdict()))
            else:
                say(f"{row.number:>6}  {_moment(row.at)}  {row.who}  {row.what}  {row.about}")
    finally:
        file.close()
    return 0


def _problems(
    name: str, permissions: Permissions, channels: Sequence[str] | dict[str, object] | None
) -> list[tuple[str, str]]:
    found = []
    if not re.fullmatch(NAME_PATTERN, name):
        found.append(
            ("NAME", "it has letters, digits, '.', '_' and '-', 64 at most, and begins with a letter or digit")
        )
    for scope in permissions.scopes:
        if scope not in SCOPES:
            found.append(("--scope", f"{scope!r} is none of {', '.join(SCOPES)}"))
    if not permissions.scopes:
        found.append(("--scope", f"at least one is wanted, of {', '.join(SCOPES)}"))
    for channel in permissions.channels:
        if channels is not None and channel not in channels:
            found.append(("--channel", f"{channel!r} is none of the channels: {', '.join(channels)}"))
    for network in permissions.networks:
        try:
            network_of(network)
        except ValueError as error:
            found.append(("--network", str(error)))
    if not 0 <= permissions.rate <= 1_000_000:
        found.append(("--rate", "requests a second are wanted, 1000000 at most; 0 or nothing for no limit"))
    return found


def _words(values: Sequence[str]) -> dict[str, None]:
    """Written with commas, or the option several times; each once."""
    return dict.fromkeys(word.strip() for value in values for word in value.split(",") if word.strip())


def _as_json(key: StoredKey) -> dict[str, object]:
    """Without salt and hash."""
    times = {"created": key.created_at, "revoked": key.revoked_at, "used": key.used_at}
    return {
        "id": key.id,
        "name": key.name,
        **key.permissions._asdict(),
        "created_by": key.created_by,
        **{name: _moment(at).replace(" ", "T") + "Z" if at is not None else None for name, at in times.items()},
    }


def _moment(milliseconds: int | None) -> str:
    if milliseconds is None:
        return ""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _now() -> int:
    return int(time.time() * 1000)
