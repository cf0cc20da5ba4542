"""Words by which a customer says: no more texts, texts again, or: who are you? (STOP, START, HELP).

A text is such a word only if it is nothing else: blanks, punctuation, symbols and quotes around it don't count, nor
does case or the width of letters (Unicode NFKC), nor what is not seen (category Cf). Marks at the end of a word are
letters of it: Hindi writes vowels so. In the Arabic script the forms of one letter on different keyboards are one.
"Please stop calling at night" is no such word.

The words of ``en`` are those of the CTIA's Messaging Principles and of Twilio's documentation. YES is left out of
START: it answers too many other questions.
"""

import enum
import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

LONGEST_WORD = 40  # characters; a longer text is no such word
_AROUND = "PZCS"  # categories of Unicode: punctuation, separators, control, symbols
_FORMS = {
    **dict.fromkeys(map(ord, "يىې"), "ی"),  # yeh of Arabs, without dots, of Pashto
    **dict.fromkeys(map(ord, "ك"), "ک"),
    **dict.fromkeys(map(ord, "أإآٱ"), "ا"),
    **dict.fromkeys(map(ord, "ةہۃ"), "ه"),
    **dict.fromkeys([0x640, 0x670, *range(0x64B, 0x653)]),  # the stretch, and the marks of vowels
    **dict.fromkeys(range(0xFE00, 0xFE10)),  # what chooses the look of a character
}
_BLANKS = re.compile(r"\s+")


class Wish(enum.IntEnum):
    """What the customer wants."""

    STOP = 0
    START = 1
    HELP = 2


# What networks and their rules tell every customer, in whatever country.
EVERYWHERE = {"stop": Wish.STOP, "start": Wish.START, "help": Wish.HELP}
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
        Wish.STOP: ("إيقاف", "توقف", "إلغاء"),
        Wish.START: ("بدء", "اشتراك"),
        Wish.HELP: ("مساعدة",),
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
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()).translate(_FORMS)
    text = "".join(one for one in text if unicodedata.category(one) != "Cf")
    begin, end = 0, len(text)
    while begin < end and unicodedata.category(text[begin])[0] in _AROUND:
        begin += 1
    while end > begin and unicodedata.category(text[end - 1])[0] in _AROUND:
        end -= 1
    return _BLANKS.sub(" ", text[begin:end])


def words_of(languages: Iterable[str], more: Mapping[Wish, Iterable[str]]) -> dict[str, Wish]:
    """The words of these languages, those that count ``EVERYWHERE``, and ``more`` of one's own, which count before
    all of them."""
    found: dict[str, Wish] = {}
    for language in languages:
        for wish, words in LANGUAGES[language].items():
            for word in words:
                found.setdefault(normal_word(word), wish)
    for word, wish in EVERYWHERE.items():
        found.setdefault(word, wish)
    for wish, own in more.items():
        found |= {normal_word(word): wish for word in own}
    return found
