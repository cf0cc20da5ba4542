"""What somebody can do about a code, and what it means: the two things that every table of this room gives."""

import enum
from typing import NamedTuple


class Action(enum.Enum):
    """What to do. The values are the words of the API and of the configuration."""

    RETRY_LATER = "retry_later"  # the same text may come through later
    FIX_THE_NUMBER = "fix_the_number"  # it is wrong, not in use, or no mobile phone's
    FIX_THE_SENDER = "fix_the_sender"  # it is not registered, or has the wrong form
    FIX_THE_TEXT = "fix_the_text"  # too long, filtered, or in characters that don't go
    FIX_THE_CONFIGURATION = "fix_the_configuration"  # ours: an account, a key, a setting of the bind
    CALL_THE_CARRIER = "call_the_carrier"  # only they can say, or mend it
    RECIPIENT_OPTED_OUT = "recipient_opted_out"  # whoever has this number wants no texts


class Explanation(NamedTuple):
    """``text`` is one plain sentence. ``action``: what to do; None where nothing is wrong. ``is_known``: False where no
    table has the code."""

    text: str
    action: Action | None
    is_known: bool = True


Phrases = dict[Action | None, dict[int, str]]


def sentence(phrase: str) -> str:
    """A phrase of a table as a sentence."""
    return f"{phrase[:1].upper()}{phrase[1:]}."


def phrase(sentence: str) -> str:
    """The other way round, to go on with it in another sentence. A name keeps its capital letters."""
    first = sentence.partition(" ")[0]
    is_name = first[1:] != first[1:].lower() or first.startswith("Twilio")
    return sentence[:-1] if is_name else sentence[:1].lower() + sentence[1:-1]


def by_code(phrases: Phrases) -> dict[int, Explanation]:
    """A table that is written by its actions, each with its codes and a phrase for each. ValueError for a code that is
    there twice."""
    table: dict[int, Explanation] = {}
    for action, some in phrases.items():
        for code, words in some.items():
            if code in table:
                raise ValueError(f"the code {code} has two actions")
            table[code] = Explanation(sentence(words), action)
    return table
