"""How labels of annotations are compared with those of the config."""

import unicodedata


def normalize_label(text: str) -> str:
    """Return a label as it is compared: in lower case, with single spaces, and with each letter encoded in one way.

    Texts that look the same are the same label: a letter with an accent can be one character or two, and spaces can be
    such as no line is broken at.
    """
    return unicodedata.normalize("NFC", " ".join(text.lower().split()))
