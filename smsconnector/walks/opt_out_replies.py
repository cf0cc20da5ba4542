"""The answer to a STOP, START or HELP: a text of its own.

1. ``prepare`` makes the answers to the texts that are such words, before they are put to the writer.
2. The commit of a word writes its answer too: once for each STOP or START that has changed something, and for each
   HELP. So a kill loses neither, or both, and then the network sends the word again. A repeat of a text that was told
   before gets no answer.
3. ``written`` gives the answers that are on disk to their submitters.

Nobody is answered who has no number, and a text that can't be sent is left out with a line in the log: the word itself
counts all the same.
"""

from collections.abc import Callable, Mapping, Sequence

from twisted.logger import Logger

from smsconnector.errors import AddressError, TextError
from smsconnector.masking import masked
from smsconnector.messages import IncomingSegment, Message, new_sid
from smsconnector.sms.addresses import normal_number, normal_sender
from smsconnector.sms.opt_out import OptOutRules, Wish
from smsconnector.store.operations import Accept, HeardWish
from smsconnector.store.opt_outs import wish_of
from smsconnector.walks.outlet import Outlet
from smsconnector.wall_clock import WallClock


class OptOutReplies:
    """``rules`` by channel, ``texts``: the answers by channel and wish. ``outlets`` gives the channels by name, once
    they are made."""

    log = Logger()

    def __init__(
        self,
        wall_clock: WallClock,
        rules: Mapping[str, OptOutRules],
        texts: Mapping[str, Mapping[Wish, str]],
        outlets: Callable[[], Mapping[str, Outlet]],
    ) -> None:
        self._wall_clock, self._outlets = wall_clock, outlets
        self.configure(rules, texts)

    def configure(self, rules: Mapping[str, OptOutRules], texts: Mapping[str, Mapping[Wish, str]]) -> None:
        """What counts from now on."""
        self._texts = texts
        self._rules = {name: one for name, one in rules.items() if texts.get(name)}

    def prepare(self, texts: Sequence[IncomingSegment]) -> tuple[tuple[int, Accept], ...]:
        """The answers to those of them that are words, each with the place of its text."""
        if not self._rules:
            return ()
        made = [(place, self._answer_to(one)) for place, one in enumerate(texts)]
        return tuple((place, answer) for place, answer in made if answer is not None)

    def written(self, heard: Sequence[HeardWish]) -> None:
        """These words were written, with their answers."""
        for one in heard:
            if one.answer is not None:
                outlet = self._outlets().get(one.channel)  # it may have been taken out meanwhile
                submitter = outlet.submitter(one.answer.message.destination) if outlet is not None else None
                if submitter is not None:
                    submitter.accepted(one.answer.first_id, one.answer.message)
            elif one.is_new and self._texts.get(one.channel, {}).get(one.wish):
                self.log.warn(
                    "{number} can't be answered: it is no number, or no bind serves it", number=masked(one.number)
                )

    def _answer_to(self, one: IncomingSegment) -> Accept | None:
        wish = wish_of(one, self._rules)
        text = self._texts[one.channel].get(wish) if wish is not None else None
        if not text:
            return None
        outlet = self._outlets().get(one.channel)
        if outlet is None:
            return None
        try:
            number, sender, split = normal_number(one.source), normal_sender(one.destination), outlet.cut(text)
        except (AddressError, TextError):
            return None
        submitter = outlet.submitter(number)
        if submitter is None:
            return None
        now_ms, steady_ms = self._wall_clock.both_milliseconds()
        return submitter.backlog.answer_of(
            Message(
                sid=new_sid(now_ms),
                channel=one.channel,
                source=sender,
                destination=number,
                alphabet=split.alphabet,
                segments=split.segments,
                accepted_at=now_ms,
                expires_at=steady_ms + int(outlet.lifetime * 1000),
            )
        )
