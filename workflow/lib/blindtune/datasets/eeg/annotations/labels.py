"""What the labels of events mean: the vocabularies of the corpora, and the user's own."""

import difflib
import re
import unicodedata
from collections.abc import Callable, Iterable

from blindtune.datasets.eeg.config import EventLabelsConfig, Kind

#: Types of seizures of NEDC's table of labels, which TUSZ uses; nesz is none of them.
SEIZURES = frozenset(["seiz", "fnsz", "gnsz", "spsz", "cpsz", "absz", "tnsz", "cnsz", "tcsz", "atsz", "mysz"])
NON_EPILEPTIC = "nesz"
#: Labels of the same table for events that are not seizures; TUAR, TUEV and TUSL use them too.
# fmt: off
OTHERS = frozenset(
    [
        "bckg", "null", "(null)", "spsw", "gped", "pled", "eybl", "artf", "intr", "slow", "eyem", "chew", "shiv",
        "musc", "elpp", "elst", "calb", "hphs", "trip", "elec", "eyem_chew", "eyem_shiv", "eyem_musc", "eyem_elec",
        "chew_shiv", "chew_musc", "chew_elec", "shiv_musc", "shiv_elec", "musc_elec",
    ]
)
# fmt: on
#: Words for the same in files without a fixed vocabulary.
_SEIZURE_WORDS = frozenset(["seizure", "seizures", "ictal"])
_OTHER_WORDS = frozenset(["background", "interictal", "no seizure", "no_seizure", "non-seizure", "nonseizure"])
#: SzCORE, https://eslweb.epfl.ch/epilepsybenchmarks/: sz and sz_foc_ia and the like are seizures; impd is a test of
#: impedances.
_SZCORE_OTHERS = frozenset(["bckg", "impd", "n/a"])
#: Parts of a label with which sz_* is no type of a seizure: an edge of one (sz_start), or none (sz_free). Nobody knows.
_NO_TYPES = frozenset(
    ["start", "begin", "onset", "on", "stop", "end", "offset", "off", "no", "non", "none", "not", "free", "negative"]
)

KNOWN_NEDC = ", ".join(sorted(SEIZURES | OTHERS | {NON_EPILEPTIC}))
KNOWN_SZCORE = "sz, sz_*, bckg, impd"
KNOWN_WORDS = f"seizure, background, {KNOWN_SZCORE} and those of TUSZ"

Vocabulary = Callable[[str], Kind | None]


def nedc(label: str) -> Kind | None:
    """Return what a label of TUSZ means; None if it is not one.

    Args:
        label: in lower case.
    """
    if label in SEIZURES:
        return "seizure"
    if label == NON_EPILEPTIC:
        return "non_epileptic"
    return "other" if label in OTHERS else None


def szcore(label: str) -> Kind | None:
    """Return what a label of SzCORE means; None if it is not one.

    Args:
        label: in lower case.
    """
    if label == "sz" or (label.startswith("sz_") and _NO_TYPES.isdisjoint(label.split("_"))):
        return "seizure"
    return "other" if label in _SZCORE_OTHERS else None


def words(label: str) -> Kind | None:
    """Return what a label means in a file without a fixed vocabulary; None if nobody knows.

    Args:
        label: in lower case.
    """
    if label in _SEIZURE_WORDS:
        return "seizure"
    return "other" if label in _OTHER_WORDS else szcore(label) or nedc(label)


def nothing(label: str) -> Kind | None:
    """Return None: a text without a vocabulary means nothing by itself.

    Args:
        label: in lower case.
    """
    return None


def list_unmet(own: EventLabelsConfig, met: Iterable[str]) -> list[tuple[str, str | None]]:
    """Return the labels of a config that no event has, each with the nearest that one has.

    Args:
        own: the config.
        met: the labels of all events.
    """
    there = {_fold(label): label for label in met}
    texts = [text for texts in own.by_kind().values() for text in texts]
    unmet = [text for text in texts if not any(map(_compile(_fold(text)).fullmatch, there))]
    near = {text: difflib.get_close_matches(_fold(text), there, 1) for text in unmet}
    return [(text, there[near[text][0]] if near[text] else None) for text in unmet]


def _fold(label: str) -> str:
    """Return a label as it is compared: in lower case, without spaces at the ends, its letters in one encoding."""
    return unicodedata.normalize("NFC", label.strip().casefold())


def _compile(name: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, name.split("*"))), re.DOTALL)


class LabelMap:
    """What labels mean: first by the user's ``event_labels``, then by the vocabulary of a layout."""

    def __init__(self, own: EventLabelsConfig | None, vocabulary: Vocabulary) -> None:
        """Keep both.

        Args:
            own: the user's, or None.
            vocabulary: that of the layout.
        """
        listed = {} if own is None else own.by_kind()
        self._own: list[tuple[str, Kind]] = [(_fold(text), kind) for kind, texts in listed.items() for text in texts]
        # No other letter than * is a pattern: sz? and [sz] are labels that people write.
        self._patterns = [(_compile(name), kind) for name, kind in self._own if "*" in name]
        self._vocabulary = vocabulary

    def kind_of(self, label: str) -> Kind | None:
        """Return what a label means, in any case of letters; None if nobody says."""
        text = _fold(label)
        for name, kind in self._own:
            if name == text:
                return kind
        for pattern, kind in self._patterns:
            if pattern.fullmatch(text):
                return kind
        return self._vocabulary(text)
