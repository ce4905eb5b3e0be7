"""Runs whose jobs would not find their files are refused."""

import pytest

from blindtune.core.errors import UserError
from blindtune.core.shared_files import check_shared_files

ALL = ["persistence", "input-output", "software-deployment", "sources", "storage-local-copies", "source-cache"]


def test_shared_file_system_is_accepted() -> None:
    """What Snakemake assumes by default is what is needed; software may be elsewhere."""
    check_shared_files(None, ALL)
    check_shared_files(None, ["input-output", "sources"])


@pytest.mark.parametrize(
    ("provider", "shared", "cause"),
    [
        ("s3", ALL, "--default-storage-provider s3 carries nothing but the outputs"),
        (None, [], "do not share: input-output, sources"),
        (None, ["input-output"], "do not share: sources"),
    ],
)
def test_other_storage_is_refused(provider: str | None, shared: list[str], cause: str) -> None:
    """The message names the cause and says where blindtune runs."""
    with pytest.raises(UserError, match=cause) as caught:
        check_shared_files(provider, shared)
    assert "one POSIX file system" in str(caught.value)
