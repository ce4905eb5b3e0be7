"""The order of the test files."""

import conftest


def test_longest_files_exist() -> None:
    """A file that was renamed is renamed in the list of the longest files, too."""
    assert [path for path in conftest.LONGEST if not path.is_file()] == []
