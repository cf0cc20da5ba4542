"""How the daemon begins: the options of ``twistd smsconnector``, and what is set for the process before it runs."""

import os
from functools import partial
from typing import Any

from twisted.python import usage

from smsconnector.config import load
from smsconnector.errors import ConfigurationError
from smsconnector.logs.starting import choose, tell_refusal
from smsconnector.process import prepare
from smsconnector.service import Connector
from smsconnector.timers import run_on_monotonic_clock


class Options(usage.Options):
    """The options of ``twistd smsconnector``."""

    synopsis = "[--config FILE]"
    optParameters = [["config", "c", "conf/smsconnector.yaml", "the configuration file"]]

    def postOptions(self) -> None:
        """Read the file now, so that what is wrong with it is said before anything starts."""
        self["path"] = os.path.abspath(self["config"])  # a daemon goes to another folder
        try:
            self["configuration"] = load(self["config"])
        except ConfigurationError as error:
            sentence = f"the configuration {self['config']} can't be used:\n{error}"
            tell_refusal(f"the start is refused: {sentence}")
            raise usage.UsageError(sentence) from None
        self["configuration"].log.settle()
        if self.parent is not None:
            choose(self.parent, self["configuration"].log.format)


def makeService(options: Options, reactor: Any = None) -> Any:
    """The service that twistd runs."""
    is_real = reactor is None
    if is_real:
        from twisted.internet import reactor  # noqa: PLC0415 — importing it installs it
    run_on_monotonic_clock(reactor)
    connector = Connector(reactor, options["configuration"], load_again=partial(load, options["path"]))
    if is_real:
        prepare(reactor, connector.reload)
    return connector
