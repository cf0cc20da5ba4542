"""Words by which a customer says: no more texts, texts again, or: who are you? (STOP, START, HELP).

A text is such a word only if it is nothing else: blanks, punctuation and quotes around it don't count, nor does case or
the width of letters (Unicode NFKC). "Please stop calling at night" is no such word.

The words of ``en`` are those of the CTIA's Messaging Principles and of Twilio's documentation. YES is left out of
START: it answers too many other questions.
"""

import enum
import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

LONGEST_WORD = 40  # characters; a longer text is no such word
_AROUND = re.compile(r"^[\W_]+|[\W_]+$")
_BLANKS = re.compile(r"\s+")


class Wish(enum.IntEnum):
    """What the customer wants."""

    STOP = 0
    START = 1
    HELP = 2


LANGUAGES: dict[str, dict[Wish, tuple[str, ...]]] = {
    "en": {
        Wish.STOP: (
            *("stop", "stopall", "stop all", "unsubscribe", "cancel", "end", "quit", "optout", "opt out", "opt-out"),
            *("revoke", "remove"),
        ),
        Wish.START: ("start", "unstop", "subscribe", "optin", "opt in", "opt-in"),
        Wish.HELP: ("help", "info"),
    },
    "es": {
        Wish.STOP: ("alto", "parar", "baja", "cancelar", "detener"),
        Wish.START: ("alta", "iniciar", "comenzar"),
        Wish.HELP: ("ayuda",),
    },
    "fr": {
        Wish.STOP: ("arret", "arrêt", "arreter", "arrêter", "desabonner", "désabonner", "annuler"),
        Wish.START: ("reprendre", "abonner"),
        Wish.HELP: ("aide",),
    },
    "de": {
        Wish.STOP: ("stopp", "abmelden", "abbestellen", "ende"),
        Wish.START: ("anmelden", "weiter"),
        Wish.HELP: ("hilfe",),
    },
    "pt": {
        Wish.STOP: ("parar", "pare", "sair", "cancelar"),
        Wish.START: ("iniciar", "voltar"),
        Wish.HELP: ("ajuda",),
    },
    "ar": {
        Wish.STOP: ("إيقاف", "ايقاف", "توقف", "إلغاء", "الغاء"),
        Wish.START: ("بدء", "اشتراك"),
        Wish.HELP: ("مساعدة", "مساعده"),
    },
    "ur": {
        Wish.STOP: ("بند", "بند کریں", "روکیں", "band", "band karo", "band karen"),
        Wish.START: ("شروع", "شروع کریں", "shuru"),
        Wish.HELP: ("مدد", "madad"),
    },
}


@dataclass(frozen=True, slots=True)
class OptOutRules:
    """Of one channel. ``words``: what each (``normal_word``) says. ``per_sender``: a STOP holds for the number that it
    was sent to, else for the whole channel. ``codes``: of refusals and receipts by which the network says that the
    customer has opted out there."""

    words: Mapping[str, Wish]
    per_sender: bool = False
    codes: Collection[str] = frozenset()

    def wish(self, text: str) -> Wish | None:
        """What the text says, if it is such a word and nothing else."""
        return self.words.get(normal_word(text)) if len(text) <= LONGEST_WORD else None


def normal_word(text: str) -> str:
    """As words are compared."""
    return _BLANKS.sub(" ", _AROUND.sub("", unicodedata.normalize("NFKC", text).casefold()))


def words_of(languages: Iterable[str], more: Mapping[Wish, Iterable[str]]) -> dict[str, Wish]:
    """The words of these languages and ``more`` of one's own, which count before those."""
    found: dict[str, Wish] = {}
    for language in languages:
        for wish, words in LANGUAGES[language].items():
            for word in words:
                found.setdefault(normal_word(word), wish)
    for wish, own in more.items():
        found |= {normal_word(word): wish for word in own}
    return found
