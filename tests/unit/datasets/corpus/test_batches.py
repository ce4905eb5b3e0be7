"""Which job reads which raw files."""

from collections.abc import Callable, Sequence

from hypothesis import given
from hypothesis import strategies as st

from blindtune.datasets.corpus.batches import divide_files, select_files


def at_most(count: int) -> Callable[[Sequence[str]], bool]:
    """Return what allows so many files in a group."""
    return lambda files: len(files) <= count


@given(st.sets(st.text(max_size=8), min_size=1, max_size=60), st.text(max_size=8), st.integers(1, 9))
def test_a_new_file_changes_one_group(files: set[str], new: str, count: int) -> None:
    """All groups but the one that a new file joins, or divides, stay as they are; each file is in one of them."""
    before, after = (divide_files(list(some), at_most(count)) for some in (files - {new}, files | {new}))
    changed = {number for number, some in before.items() if after.get(number) != some}
    assert len(changed) <= 1
    assert sorted(file for some in after.values() for file in some) == sorted(files | {new})
    assert all(0 < len(some) <= count for some in after.values())


@given(st.sets(st.text(max_size=8), min_size=1, max_size=60), st.integers(1, 9))
def test_the_number_of_a_group_selects_its_files(files: set[str], count: int) -> None:
    """A job finds its files by the number alone, however the others are divided."""
    for number, some in divide_files(list(files), at_most(count)).items():
        assert select_files(list(files), number) == some


def test_few_files_are_one_group() -> None:
    """Files that are small together are group 0, sorted; a number that no division gives has no file."""
    assert divide_files(["b", "a"], at_most(2)) == {0: ["a", "b"]}
    assert divide_files([], at_most(2)) == {}
    assert select_files(["b", "a"], 0) == ["a", "b"] and select_files(["b", "a"], 2**90) == []
    assert divide_files(["b", "a"], lambda files: False).keys() == divide_files(["a", "b"], at_most(1)).keys()
