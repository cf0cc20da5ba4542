"""What a channel says of a text that it is not given: how it would go out now, and how fast.

``POST /send/explain`` asks for it. Nothing is sent, and no bind is kept busy.
"""

from typing import NamedTuple


class WireAddress(NamedTuple):
    """An address as it would stand in submit_sm (SMPP 3.4 sections 5.2.5 to 5.2.9), or in a provider's request: there
    it has neither type nor plan."""

    address: str
    ton: int | None = None
    npi: int | None = None


class DataCoding(NamedTuple):
    """data_coding (section 5.2.19), and what it means on this bind."""

    number: int
    words: str


class Way(NamedTuple):
    """One bind, or the provider, by which a text may go. ``state`` and ``why`` as of ``Part``. ``is_next``: it would
    be the one now. ``data_codings``: one for each segment; () where the provider chooses."""

    name: str
    state: str
    why: str
    is_next: bool
    source: WireAddress
    destination: WireAddress
    data_codings: tuple[DataCoding, ...] = ()


class Preview(NamedTuple):
    """``rate``: segments a second that go out together by these ways; None: no limit is known. ``obstacle``: why
    nothing goes out now, as a sentence; "" if it does."""

    ways: list[Way]
    rate: float | None
    obstacle: str
