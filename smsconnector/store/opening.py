"""Open the store at the start, and say in the log what was found."""

import platform
import sqlite3
from collections.abc import Mapping

from twisted.logger import Logger

import twisted
from smsconnector import __version__
from smsconnector.figures import Figures
from smsconnector.lifecycle import EndRules
from smsconnector.messages import Selection
from smsconnector.sms.opt_out import OptOutRules
from smsconnector.store.store import Store


def open_store(
    path: str,
    kin: Mapping[str, tuple[str, ...]],
    sinks: Mapping[str, Selection],
    rules: EndRules,
    system_ids: Mapping[str, str],
    log: Logger,
    opt_out: Mapping[str, OptOutRules] | None = None,
    figures: Figures | None = None,
) -> Store:
    """The store of a daemon that starts; the parameters are those of ``Store``. Which version it is is logged first, so
    that a support request has it even if the file can't be used. Raises StoreUnusable."""
    log.info(
        "smsconnector {version}, with Python {python}, Twisted {twisted}, SQLite {sqlite}",
        version=__version__,
        python=platform.python_version(),
        twisted=twisted.__version__,
        sqlite=sqlite3.sqlite_version,
    )

    def tell(sentence: str) -> None:
        log.info("{sentence}", sentence=sentence)

    store = Store(path, kin, sinks, rules, system_ids, tell, opt_out, figures)
    log.info("{described}", described=store.described())
    for name, count in store.forgotten_sinks().items():
        log.warn("{count} events wait for the sink {name}, which is not configured", count=count, name=name)
    return store
