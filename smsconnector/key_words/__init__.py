"""What each key of the configuration is for, in a sentence: for editors (``check-config --schema``) and for the page
that lists all keys (``docs/configuration.rst``).

By the class that has the field, then by the key as it is written in the file. Types, ranges and defaults are not said
here, for they come from the model. A test is red where a key has no words, or words have no key.
"""

from collections.abc import Mapping

from smsconnector.key_words import house, providers

WORDS: Mapping[str, Mapping[str, str]] = {**house.WORDS, **providers.WORDS}


def purpose_of(classes: tuple[type, ...], key: str) -> str | None:
    """Of the first of the classes that has words for that key; ``classes``: a section and those that it is made of."""
    return next((WORDS[one.__name__][key] for one in classes if key in WORDS.get(one.__name__, {})), None)
