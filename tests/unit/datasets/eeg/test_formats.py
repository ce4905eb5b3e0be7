"""The suffixes of recordings."""

import pytest

from blindtune.datasets.eeg.formats import name_of, split_suffix


@pytest.mark.parametrize(
    ("file", "base", "suffix", "name"),
    [
        ("a/b.EDF", "a/b", ".edf", "b"),
        ("a/b.edf.gz", "a/b", ".edf.gz", "b"),
        ("a.b/PN10-4.5.6.edf", "a.b/PN10-4.5.6", ".edf", "PN10-4.5.6"),
        ("a.b/c", "a.b/c", "", "c"),
        (".edf", ".edf", "", ".edf"),
        (".", ".", "", "."),
        ("", "", "", ""),
    ],
)
def test_split_suffix(file: str, base: str, suffix: str, name: str) -> None:
    """A suffix may have two dots; any text has a name, since annotations may hold any."""
    assert (*split_suffix(file), name_of(file)) == (base, suffix, name)
