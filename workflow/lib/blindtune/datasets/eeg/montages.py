"""Montages: which channels a sample has, and how they are derived from the channels of a recording.

The published study only says "20 channels". `tcp20` assumes the bipolar TCP derivations without A1-T3 and T4-A2: the
largest set that all montages of TUSZ allow, and independent of the reference. The electrodes of `mono19` and `mono21`
are used as recorded, against the reference of the file.

Every label is taken as one electrode against another or against a reference: ``EEG FP1-REF``, ``Fp1-A1``, ``FP1-F7``.
A channel of the montage is one channel of the file (of either polarity), or the difference of two that have their
second electrode or reference in common. Nothing else is derived: a longer sum would add the noise of each part, and
electrodes against different references have no difference.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blindtune.datasets.eeg.errors import UnusableRecording

TCP = [
    "FP1-F7", "F7-T3", "T3-T5", "T5-O1", "FP2-F8", "F8-T4", "T4-T6", "T6-O2", "A1-T3", "T3-C3", "C3-CZ", "CZ-C4",
    "C4-T4", "T4-A2", "FP1-F3", "F3-C3", "C3-P3", "P3-O1", "FP2-F4", "F4-C4", "C4-P4", "P4-O2",
]  # fmt: skip
ELECTRODES = [
    "FP1", "FP2", "F3", "F4", "C3", "C4", "P3", "P4", "O1", "O2", "F7", "F8", "T3", "T4", "T5", "T6", "FZ", "CZ",
    "PZ", "A1", "A2",
]  # fmt: skip
#: Separates the channels of a recording of which the first that is there is taken for one of the montage.
OR = "|"
#: The montage that takes the channels of the file.
AS_RECORDED = "as_recorded"

CHANNELS = {
    "tcp20": [name for name in TCP if "A1" not in name and "A2" not in name],
    "tcp22": TCP,
    "mono19": ELECTRODES[:19],
    "mono21": ELECTRODES,
}

#: Number of labels that a message lists.
MAX_LISTED = 12
#: Newer names of the 10-20 system and the older names of the same places.
_SYNONYMS = {"T7": "T3", "T8": "T4", "P7": "T5", "P8": "T6", "M1": "A1", "M2": "A2"}
_PREFIX = re.compile(r"(?:EEG|POL)[\s_:.-]+(?=\S)", re.IGNORECASE)
#: Places on the head of the 10-20, 10-10 and 10-5 systems, and the ears.
_PLACE = re.compile(
    r"(?:N|FP|AFP|AF|AFF|F|FFT|FFC|FT|FC|FTT|FCC|C|T|TTP|CCP|TP|CP|TPP|CPP|P|PPO|PO|POO|O|OI|I|A)(?:Z|\d{1,2}H?)"
)
_SEPARATOR = re.compile(r"\s*[-_/:\u2013]\s*|\s+")


@dataclass(frozen=True)
class Lead:
    """What a channel measures: one electrode against another, or against a reference.

    Attributes:
        first: the electrode, by its older 10-20 name in capitals.
        second: the other electrode or the reference (``REF``, ``A1``); empty: the label has none.
    """

    first: str
    second: str = ""


@dataclass(frozen=True)
class Montage:
    """Channels as differences of electrodes.

    Attributes:
        name: name of the montage in the config.
        channels: a name for each channel, ``FP1-F7`` or ``FP1``; none for `AS_RECORDED`.
    """

    name: str
    channels: tuple[str, ...]

    @property
    def electrodes(self) -> list[str]:
        """The electrodes that the montage needs, each once."""
        leads = [parse_label(name) for channel in self.channels for name in list_alternatives(channel)]
        return list(dict.fromkeys(name for lead in leads for name in (lead.first, lead.second) if name))


@dataclass(frozen=True)
class Derivation:
    """How the channels of a montage are derived from the channels of one file.

    Attributes:
        names: names of the derived channels.
        sources: numbers of the channels of the file that are needed, each once.
        terms: for each derived channel, one or two of ``sources`` by their positions, each with its sign.
        notes: what is odd but does not matter.
    """

    names: tuple[str, ...]
    sources: tuple[int, ...]
    terms: tuple[tuple[tuple[int, int], ...], ...]
    notes: tuple[str, ...] = ()

    def derive(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the channels of the montage, (n_channels, n_samples).

        Args:
            x: the channels of the file in the order of ``sources``, (n_sources, n_samples).
        """
        derived = np.empty((len(self.terms), x.shape[1]))
        for terms, out in zip(self.terms, derived, strict=True):
            match terms:
                case ((row, 1),):
                    out[:] = x[row]
                case ((row, _),):
                    np.negative(x[row], out=out)
                case ((row, 1), (other, _)):
                    np.subtract(x[row], x[other], out=out)
                case ((row, _), (other, _)):
                    np.subtract(x[other], x[row], out=out)
        return derived


def create_montage(montage: str | Sequence[str]) -> Montage:
    """Create a montage.

    Args:
        montage: one of `CHANNELS` or `AS_RECORDED`, or the names of the channels.
    """
    if isinstance(montage, str):
        return Montage(montage, tuple(CHANNELS.get(montage, ())))
    return Montage("montage", tuple(montage))


def list_alternatives(channel: str) -> list[str]:
    """Return the channels of a recording that are taken for one of a montage, the first that is there.

    Args:
        channel: channel of a montage, such as ``BTEleft SD | BTEright SD``; most have one name.
    """
    return [name.strip() for name in channel.split(OR)]


def parse_label(label: str) -> Lead:
    """Return what a channel measures, by its label.

    ``EEG FP1-REF`` and ``EEG FP1-LE`` (TUSZ), ``Fp1.`` (PhysioNet), ``POL Fp1`` (Nihon Kohden), ``EEG Fp1:M2``
    (Compumedics), ``EEG Fp1 - REF`` and ``FP1`` are all of FP1; case does not matter. Names of today
    are replaced by the older ones: T7 by T3.

    Args:
        label: label of the channel.
    """
    text = _PREFIX.sub("", label.strip(), count=1).rstrip(".:").strip()
    parts = [part for part in _SEPARATOR.split(text.upper()) if part]
    # Two channels of one name are told apart by a number: T8-P8-0.
    if len(parts) == 3 and parts[2] in ("0", "1"):
        parts = parts[:2]
    names = [_SYNONYMS.get(part.rstrip("."), part.rstrip(".")) for part in parts]
    if not names:
        return Lead("")
    return Lead(names[0], "".join(names[1:]).replace("+", ""))


def is_place(name: str) -> bool:
    """Return whether a name is that of a place on the head."""
    return _PLACE.fullmatch(name) is not None


def find_derivation(labels: Sequence[str], montage: Montage) -> Derivation:
    """Return how the channels of a montage are derived from those of a file.

    Args:
        labels: labels of the channels of a file; those that are no signals are empty.
        montage: the montage.

    Raises:
        UnusableRecording: a channel cannot be derived, or an electrode is recorded twice.
    """
    leads = _Leads(labels, montage.name)
    if montage.name == AS_RECORDED:
        return leads.as_recorded()
    found = [leads.find_first(channel) for channel in montage.channels]
    missing = [channel for channel, terms in zip(montage.channels, found, strict=True) if not terms]
    if missing:
        raise UnusableRecording(leads.explain(missing, montage))
    leads.check_distinct(montage.channels, found)
    return leads.derivation(montage.channels, [terms for terms in found if terms])


class _Leads:
    """The leads of one file, by what they measure."""

    def __init__(self, labels: Sequence[str], montage: str) -> None:
        self.labels, self.montage = labels, montage
        self.notes: list[str] = []
        self.leads = [parse_label(label) for label in labels]
        self._name_references()
        self.numbers: dict[Lead, list[int]] = {}
        for number, lead in enumerate(self.leads):
            if lead.first:
                self.numbers.setdefault(lead, []).append(number)
        counted = Counter(lead.second for lead in self.leads if is_place(lead.first))
        #: References, the commonest first, those that are places last.
        self.references = sorted(counted, key=lambda name: (is_place(name), -counted[name]))
        #: Those that single electrodes may be against: the second electrode of a pair is no reference.
        self.common = [
            name
            for name in self.references
            if not is_place(name) or name in ("A1", "A2") or 2 * counted[name] > counted.total()
        ]

    def _name_references(self) -> None:
        """Take labels without a reference as against that of the others, if there is one only."""
        named = {lead.second for lead in self.leads if is_place(lead.first) and not is_place(lead.second)} - {""}
        bare = [lead.first for lead in self.leads if not lead.second and is_place(lead.first)]
        if bare and len(named) == 1:
            (reference,) = named
            self.leads = [
                Lead(lead.first, reference) if not lead.second and is_place(lead.first) else lead for lead in self.leads
            ]
            self.notes.append(f"{', '.join(bare)} without a reference; taken as against {reference}, as the others")

    def find_first(self, channel: str) -> tuple[tuple[int, int], ...] | None:
        """Return what `find` returns for the first alternative that is there, with a note if there are several."""
        names = list_alternatives(channel)
        for name in names:
            if terms := self.find(name):
                if len(names) > 1:
                    self.notes.append(f"{channel}: {name} is taken")
                return terms
        return None

    def check_distinct(self, channels: Sequence[str], found: Sequence[tuple[tuple[int, int], ...] | None]) -> None:
        """Refuse channels of the montage that are the same of the file: alternatives, or two names of one."""
        taken: dict[tuple[tuple[int, int], ...], str] = {}
        for channel, terms in zip(channels, found, strict=True):
            other = taken.setdefault(terms or (), channel)
            if other != channel:
                labels = " and ".join(self.labels[number] for number, _ in terms or ())
                raise UnusableRecording(
                    f"has only {labels} for both {other} and {channel}; its channels are {self._listed()}"
                )

    def find(self, channel: str) -> tuple[tuple[int, int], ...] | None:
        """Return the channels of the file, with signs, that give a channel of the montage; None if there are none."""
        # A channel under its very label needs no reading of it.
        exact = [number for number, label in enumerate(self.labels) if label.strip().upper() == channel.strip().upper()]
        wanted = parse_label(channel)
        if not wanted.second:
            for reference in self.common:
                if (number := self._only(Lead(wanted.first, reference))) is not None:
                    return ((number, 1),)
            number = self._only(wanted)
            return ((exact[0], 1),) if exact else None if number is None else ((number, 1),)
        pairs = [reference for reference in self.references if not is_place(reference)]
        places = [reference for reference in self.references if is_place(reference)]
        return (
            self._by(wanted, pairs)
            or self._direct(wanted)
            or self._by(wanted, places)
            or (((exact[0], 1),) if exact else None)
        )

    def _direct(self, wanted: Lead) -> tuple[tuple[int, int], ...] | None:
        for lead, sign in ((wanted, 1), (Lead(wanted.second, wanted.first), -1)):
            if lead in self.numbers:
                return ((self._first(lead), sign),)
        return None

    def _by(self, wanted: Lead, references: Sequence[str]) -> tuple[tuple[int, int], ...] | None:
        for reference in references:
            first, second = Lead(wanted.first, reference), Lead(wanted.second, reference)
            if first in self.numbers and second in self.numbers:
                return ((self._single(first), 1), (self._single(second), -1))
        return None

    def _only(self, lead: Lead) -> int | None:
        return self._single(lead) if lead in self.numbers else None

    def _single(self, lead: Lead) -> int:
        """Return the channel of a lead; of a pair of electrodes, the first."""
        if is_place(lead.second):
            return self._first(lead)
        numbers = self.numbers[lead]
        if len(numbers) > 1:
            twice = " and ".join(self.labels[number] for number in numbers)
            raise UnusableRecording(f"has {len(numbers)} channels {lead.first} ({twice})")
        return numbers[0]

    def _first(self, lead: Lead) -> int:
        numbers = self.numbers[lead]
        note = f"has {len(numbers)} channels {self.labels[numbers[0]]}; the first is used"
        if len(numbers) > 1 and note not in self.notes:
            self.notes.append(note)
        return numbers[0]

    def as_recorded(self) -> Derivation:
        """Return the channels of the file that are electrodes, sorted by their names."""
        found = {}
        for lead in self.numbers:
            if is_place(lead.first):
                name = f"{lead.first}-{lead.second}" if is_place(lead.second) else lead.first
                if name in found:
                    raise UnusableRecording(
                        f"has channels {name} against several references; {AS_RECORDED} cannot tell which is meant"
                    )
                found[name] = self._single(lead)
        if not found:
            raise UnusableRecording(
                f"has no channel of a known electrode; its channels are {self._listed()}. Name those that you want in "
                "a list as montage"
            )
        others = [label for label, lead in zip(self.labels, self.leads, strict=True) if lead.first]
        others = [label for label in others if not is_place(parse_label(label).first)]
        if others:
            more = f" and {len(others) - MAX_LISTED} more" if len(others) > MAX_LISTED else ""
            self.notes.append(
                f"has channels of no known electrode, which {AS_RECORDED} leaves out: "
                f"{', '.join(others[:MAX_LISTED])}{more}"
            )
        names = sorted(found)
        return self.derivation(names, [((found[name], 1),) for name in names])

    def derivation(self, names: Sequence[str], found: Sequence[tuple[tuple[int, int], ...]]) -> Derivation:
        """Return what was found, and notes about mixed references."""
        sources = tuple(dict.fromkeys(number for terms in found for number, _ in terms))
        row = {number: at for at, number in enumerate(sources)}
        # A derivation as recorded has no reference.
        pairs = {one[0][0] for one in found if len(one) == 1 and self.leads[one[0][0]].second not in self.common}
        used = Counter(self.leads[number].second or "none named" for number in sources if number not in pairs)
        notes = list(self.notes)
        if len(used) > 1:
            listed = ", ".join(f"{name} ({count})" for name, count in used.most_common())
            notes.append(f"mixed references: {listed}; no channel is a difference of two against different ones")
        terms = tuple(tuple((row[number], sign) for number, sign in one) for one in found)
        return Derivation(tuple(names), sources, terms, tuple(notes))

    def explain(self, missing: Sequence[str], montage: Montage) -> str:
        """Return why channels of a montage cannot be derived."""
        known = {name for lead in self.leads for name in (lead.first, lead.second)}
        needed = dict.fromkeys(name for channel in missing for name in self._names(channel))
        absent = [name for name in montage.electrodes if name in needed and name not in known]
        if absent:
            return f"has no channel {', '.join(absent)}, which {montage.name} needs; its channels are {self._listed()}"
        against = {
            name: sorted({lead.second or "an unnamed reference" for lead in self.leads if lead.first == name})
            for name in needed
        }
        described = [f"{name} against {' and '.join(found)}" for name, found in against.items() if found]
        pairs = sum(is_place(lead.first) and is_place(lead.second) for lead in self.leads)
        is_bipolar = montage.name in CHANNELS and not self.common and pairs > 1
        advice = ". They are pairs of electrodes: name those that you want in a list as montage" if is_bipolar else ""
        return (
            f"has no {', '.join(missing)}, which {montage.name} needs: neither as a channel nor as two channels with a "
            f"reference in common ({'; '.join(described[:MAX_LISTED])}); its channels are {self._listed()}{advice}"
        )

    def _names(self, channel: str) -> list[str]:
        leads = [parse_label(name) for name in list_alternatives(channel)]
        return [name for lead in leads for name in (lead.first, lead.second) if name]

    def _listed(self) -> str:
        labels = [label for label in self.labels if label]
        more = [f"and {len(labels) - MAX_LISTED} more"] if len(labels) > MAX_LISTED else []
        return ", ".join([*labels[:MAX_LISTED], *more]) or "none"
