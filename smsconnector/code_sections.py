"""The keys ``codes`` of binds and channels: what a carrier means by codes of its own."""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from smsconnector.codes import Action, Explanation
from smsconnector.sections import CODE, PRINTABLE_PATTERN, Section

MOST_CODES = 1_000
_ACTIONS = tuple(one.value for one in Action)
_SENTENCE_ENDS = re.compile(r"[.!?]$")


class CodeSection(Section):
    """``text``: one sentence, for people. ``action``: what they can do."""

    text: Annotated[str, Field(min_length=1, max_length=300, pattern=PRINTABLE_PATTERN)]
    action: Literal[_ACTIONS]  # type: ignore[valid-type]


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


def own_codes(sections: dict[str, CodeSection]) -> dict[str, Explanation]:
    """The same in the words of ``codes``."""
    return {code: _explanation(one) for code, one in sections.items()}


def _explanation(section: CodeSection) -> Explanation:
    text = section.text.strip()
    return Explanation(text if _SENTENCE_ENDS.search(text) else f"{text}.", Action(section.action))
