"""Whose message ids are one series, and over which accounts the receipts for a text may come.

A text is stored with the account over which it was submitted. Where the configuration does not name the account, it is
``SYSTEM_ID@HOST:PORT``. The host may be written otherwise at the next start: a name for an address, another port, TLS.
It is the same account at the same SMSC, and its receipts come to a connector that knows it by another name.

So system_id and host are kept apart. The *family* of an account is:

1. the accounts that the configuration says stand for each other (hosts of one carrier);
2. the accounts in the database with the same system_id that no bind of today has. They are read at the start, and when
   the configuration changes while the daemon runs. Then those of the configuration before belong to them too: what was
   submitted over one of these just now is not in the database yet. They keep the families that they had, for receipts
   and texts come over them until they have drained.

A receipt may belong to a text of its family by the cautious rule of ``matching``: a long id, and a number that fits.
Parts of one text from a handset are joined over the whole family.
"""

import sqlite3
from collections.abc import Mapping

_TABLES = {  # with accounts; what is said of a row is there so that the index serves
    "segment": "smsc_key IS NOT NULL AND ",
    "parked_receipt": "",
    "incoming_segment": "",
}


class Accounts:
    """The families of the accounts of today.

    :param kin: for each account the accounts that stand for each other, itself included.
    :param system_ids: of the accounts of today, where there is one.
    :param former: what was known before the configuration changed."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        kin: Mapping[str, tuple[str, ...]],
        system_ids: Mapping[str, str],
        former: "Accounts | None" = None,
    ) -> None:
        stored = {table: _names(connection, table) for table in _TABLES}
        gone: dict[str, list[str]] = {}  # by system_id: names that no bind of today has
        known = former._families if former is not None else {}
        for name in sorted(set(known).union(*stored.values()) - kin.keys() - system_ids.keys()):
            gone.setdefault(name.rpartition("@")[0], []).append(name)
        self._families: dict[str, tuple[str, ...]] = {**known}
        for account in {**kin, **system_ids}:
            relatives = gone.get(system_ids[account], []) if account in system_ids else []
            self._families[account] = (*kin.get(account, (account,)), *relatives)
        waiting = stored["incoming_segment"]
        self._of_texts = {
            account: next((one for one in family if one in waiting), family[0])
            for account, family in self._families.items()
        }
        for account in known.keys() - kin.keys() - system_ids.keys():  # as for those of its family that are here today
            today = next((one for one in known[account] if one in kin or one in system_ids), account)
            self._of_texts[account] = self._of_texts[today]

    def family(self, account: str) -> tuple[str, ...]:
        """The accounts, this one included, over which a text may have gone whose receipt comes over ``account``."""
        return self._families.get(account, (account,))

    def of_texts(self, account: str) -> str:
        """The account under which parts from handsets wait for the others; the same for the whole family."""
        return self._of_texts.get(account, account)


def _names(connection: sqlite3.Connection, table: str) -> set[str]:
    """The accounts in this table. Each is found by one look into an index, however many rows it has."""
    smallest = f"SELECT min(account) FROM {table} WHERE {_TABLES[table]}account > ?"
    names: set[str] = set()
    name = ""
    while (name := connection.execute(smallest, (name,)).fetchone()[0]) is not None:
        names.add(name)
    return names
