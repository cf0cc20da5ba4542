"""The answer to a STOP, START or HELP: a text of its own, written before the network is told that the word was taken.

If the process is killed between the word and its answer, the network sends the word again. An answer goes out once for
each STOP or START that has changed something, and for each HELP. Nobody is answered who has no number, and a text that
can't be sent is left out with a line in the log: the word itself counts all the same.
"""

from collections.abc import Callable, Mapping, Sequence

from twisted.logger import Logger

from smsconnector.errors import AddressError, StoreError, TextError
from smsconnector.messages import Message, new_sid
from smsconnector.sms.addresses import masked, normal_number, normal_sender
from smsconnector.sms.opt_out import Wish
from smsconnector.store.operations import HeardWish
from smsconnector.walks.outlet import Outlet
from smsconnector.wall_clock import WallClock


class OptOutReplies:
    """``texts``: the answers by channel and wish. ``outlets`` gives the channels by name, once they are made."""

    log = Logger()

    def __init__(
        self,
        wall_clock: WallClock,
        texts: Mapping[str, Mapping[Wish, str]],
        outlets: Callable[[], Mapping[str, Outlet]],
    ) -> None:
        self._wall_clock, self._texts, self._outlets = wall_clock, texts, outlets

    def answer(self, heard: Sequence[HeardWish], done: Callable[[], None]) -> None:
        """Accept the answers to these; ``done`` is called when all are written, or could not be."""
        waiting = 1

        def written(error: StoreError | None) -> None:
            nonlocal waiting
            waiting -= 1
            if error is not None:
                self.log.warn("an answer to an opt-out word can't be written: {error}", error=error)
            if waiting == 0:
                done()

        for one in heard:
            text = self._texts.get(one.channel, {}).get(one.wish)
            if text and one.is_new:
                waiting += 1
                self._accept(one, text, written)
        written(None)

    def _accept(self, one: HeardWish, text: str, written: Callable[[StoreError | None], None]) -> None:
        outlet = self._outlets()[one.channel]
        try:
            number, sender, split = normal_number(one.number), normal_sender(one.sender), outlet.cut(text)
            submitter = outlet.submitter(number)
        except (AddressError, TextError):
            submitter = None
        if submitter is None:
            self.log.warn(
                "{number} can't be answered: it is no number, or no bind serves it", number=masked(one.number)
            )
            written(None)
            return
        now_ms, steady_ms = self._wall_clock.both_milliseconds()
        message = Message(
            sid=new_sid(now_ms),
            channel=one.channel,
            source=sender,
            destination=number,
            alphabet=split.alphabet,
            segments=split.segments,
            accepted_at=now_ms,
            expires_at=steady_ms + int(outlet.lifetime * 1000),
        )
        submitter.accept(message, written, despite_opt_out=True)
