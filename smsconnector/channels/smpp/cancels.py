"""cancel_sm (SMPP 3.4 section 4.9): an SMSC is asked to take back segments that it has.

1. For each segment a bind is found: one of the account that submitted it, for the SMSC's ids are that account's. It has
   to allow it (``cancel_sm: true``) and to be up. The bind that submitted the segment goes first. Without a bind for
   each segment nothing is sent.
2. The addresses are rendered as they were submitted: by the settings of the bind that did it, if it is still there.
3. A request takes no place in the window, and as many may be under way as that has places. The pace counts it as a
   submit, for an SMSC counts requests of all kinds; it may be ahead of its pace by ``BORROWED`` seconds.
4. When each has a response, or its time for one is over, all answers are given together.

Without message_id cancel_sm takes back all messages between two numbers. Such a one is never sent.
"""

from collections.abc import Sequence
from functools import partial

from smsconnector.channels import TakeBack, TakeBackAnswer, TakeBackDone, TakenSegment
from smsconnector.channels.smpp.bind import Bind
from smsconnector.smpp.constants import CommandId, Status

BORROWED = 1.0  # seconds


def take_back(binds: Sequence[Bind], segments: Sequence[TakenSegment], done: TakeBackDone) -> None:
    """See ``channels.ITakesBack``. ``binds`` are all of the channel."""
    chosen: list[tuple[Bind, bytes]] = []
    for one in segments:
        found = _choose(binds, one)
        if isinstance(found, TakeBackAnswer):
            done([found])
            return
        chosen.append((found, _body(binds, found, one)))
    answers: dict[int, TakeBackAnswer] = {}

    def answered(place: int, status: int | None) -> None:
        answers[place] = _answer(status)
        if len(answers) == len(chosen):
            done([answers[place] for place in range(len(chosen))])

    for place, (bind, body) in enumerate(chosen):
        if bind.protocol is not None and bind.bound:
            bind.pace.submitted()
            bind.protocol.ask(CommandId.cancel_sm, body, partial(answered, place))
        else:  # to write to another one has ended it
            answered(place, None)


def _choose(binds: Sequence[Bind], segment: TakenSegment) -> Bind | TakeBackAnswer:
    """The bind that asks, or why there is none."""
    if not segment.smsc_id.strip("\0"):
        return TakeBackAnswer(TakeBack.NOT_ASKED, why="the SMSC gave no message_id for it")
    allowed = [
        one
        for one in binds
        if one.settings.account == segment.account
        and one.settings.cancel_sm
        and one.settings.session.mode != "receiver"
    ]
    if not allowed:
        return TakeBackAnswer(TakeBack.NOT_ALLOWED)
    bound = [one for one in allowed if one.bound]
    if not bound:
        return TakeBackAnswer(TakeBack.NOT_ASKED, why="no bind to its SMSC is up: try again")
    bound.sort(key=lambda one: one.settings.name != segment.bind)
    found = next((one for one in bound if _may_ask(one)), None)
    return found or TakeBackAnswer(TakeBack.NOT_ASKED, why="too many such requests are under way: try again")


def _may_ask(bind: Bind) -> bool:
    if bind.protocol is None:
        return False
    session, limit = bind.protocol.session, bind.pace.limit
    is_too_fast = bind.pace.wait(bind.clock.seconds()) > BORROWED + (1 / limit if limit else 0.0)
    return len(session.asked) < session.settings.window and not is_too_fast


def _body(binds: Sequence[Bind], chosen: Bind, segment: TakenSegment) -> bytes:
    submitted_by = next((one for one in binds if one.settings.name == segment.bind), chosen)
    return submitted_by.renderer.cancel_body(segment.smsc_id, segment.source, segment.destination)


def _answer(status: int | None) -> TakeBackAnswer:
    if status is None:
        return TakeBackAnswer(TakeBack.SILENT)
    return TakeBackAnswer(TakeBack.ACCEPTED) if status == Status.ESME_ROK else TakeBackAnswer(TakeBack.REFUSED, status)
