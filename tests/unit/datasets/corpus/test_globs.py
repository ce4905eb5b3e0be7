"""Patterns of paths."""

import pytest

from blindtune.datasets.corpus.globs import check_glob, matches_glob


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("**/*.edf", "a.edf", True),
        ("**/*.edf", "a/b/c.EDF", True),
        ("*.edf", "a/b.edf", False),
        ("sub-*/**/*_eeg.edf", "sub-01/eeg/sub-01_eeg.edf", True),
        ("sub-*/**/*_eeg.edf", "sub-01/sub-01_ecg.edf", False),
        ("a/**", "a/b/c", True),
        ("a?.edf", "a1.edf", True),
        ("a?.edf", "a/.edf", False),
        ("a[1].edf", "a[1].edf", True),
        ("a.edf", "aXedf", False),
    ],
)
def test_matches_glob(pattern: str, path: str, matches: bool) -> None:
    """Stars are texts without a slash, two of them any folders, and nothing else is special."""
    assert matches_glob(pattern, path) == matches


@pytest.mark.parametrize("pattern", ["", "/a", "../a", "a/../b", "a\\b", "x" * 2000])
def test_check_glob_refuses_what_is_not_below(pattern: str) -> None:
    """A pattern that no path below the folder can match is refused."""
    with pytest.raises(ValueError, match="files: "):
        check_glob("files", pattern)
