"""The keys ``codes`` of binds and channels: what a carrier means by codes of its own."""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from smsconnector.codes import Action, Explanation, OwnMeaning
from smsconnector.section_base import PRINTABLE_PATTERN, Section
from smsconnector.sections import CODE

MOST_CODES = 1_000
_ACTIONS = tuple(one.value for one in Action)
_SENTENCE_ENDS = re.compile(r"[.!?]$")


class MeaningSection(Section):
    """``text``: one sentence, for people. ``action``: what they can do."""

    text: Annotated[str, Field(min_length=1, max_length=300, pattern=PRINTABLE_PATTERN)]
    action: Literal[_ACTIONS]  # type: ignore[valid-type]

    def explanation(self) -> Explanation:
        """The same in the words of ``codes``."""
        text = self.text.strip()
        return Explanation(text if _SENTENCE_ENDS.search(text) else f"{text}.", Action(self.action))


class CodeSection(MeaningSection):
    """``refused``: what the code means where a submit was refused with it, if that is something else."""

    refused: MeaningSection | None = None

    def meaning(self) -> OwnMeaning:
        """The same in the words of ``codes``."""
        told = self.explanation()
        return OwnMeaning(told, told if self.refused is None else self.refused.explanation())


def _have_codes(data: Any) -> Any:
    """YAML reads 010 as eight, and OFF as a truth value: only a code in quotes is what is written."""
    for code in data if isinstance(data, dict) else ():
        if not isinstance(code, str):
            raise ValueError(f'the code {code!r} is not read as it is written: put it in quotes, "011", "69"')
        if not CODE.fullmatch(code):
            raise ValueError(f"{code[:40]!r} is no code: write it as it stands in reports, in letters, digits, . _ -")
    return data


def _are_few(codes: dict[str, CodeSection]) -> dict[str, CodeSection]:
    if len(codes) > MOST_CODES:
        raise ValueError(f"{len(codes)} codes are more than the {MOST_CODES} that there may be")
    return codes


CodeSections = Annotated[dict[str, CodeSection], BeforeValidator(_have_codes), AfterValidator(_are_few)]


def own_codes(sections: dict[str, CodeSection]) -> dict[str, OwnMeaning]:
    """The same in the words of ``codes``."""
    return {code: one.meaning() for code, one in sections.items()}
