"""One sentence for each error of the machine."""

import errno
import os

import pytest

from blindtune.core.failures import describe_bug, explain


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOSPC, "Make room there"),
        (errno.EFBIG, "Make room there"),
        (errno.EDQUOT, "quota"),
        (errno.EROFS, "writable"),
        (errno.EACCES, "Allow it"),
        (errno.EPERM, "Allow it"),
        (errno.EIO, "Check the disk"),
        (errno.ETIMEDOUT, "Check the network"),
        (errno.ESHUTDOWN, "Check the network"),
        (errno.EHOSTDOWN, "Check the network"),
        (errno.ENETUNREACH, "Check the network"),
        (errno.ENOTCONN, "Check the network"),
        (errno.EMFILE, "ulimit -n"),
        (errno.ENFILE, "ulimit -n"),
        (errno.ENOMEM, "more memory"),
        (errno.EISDIR, "away"),
    ],
)
def test_explain_names_the_file_the_reason_and_what_to_do(number: int, advice: str) -> None:
    """An error of the operating system is one sentence with its file, its reason and what to do."""
    sentence = explain(OSError(number, os.strerror(number), "results/x.json"))
    assert sentence is not None
    assert sentence.startswith(f"results/x.json: cannot be used ({os.strerror(number)}). ")
    assert advice in sentence and sentence.endswith("then run again: everything recorded is kept.")
    assert "\n" not in sentence


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError(), "Cannot allocate memory"),
        (MemoryError("Unable to allocate 3.7 GiB"), "Unable to allocate 3.7 GiB"),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:118] can't allocate memory"), "more memory"),
        (ImportError("libtorch.so: failed to map segment from shared object"), "more memory"),
        (RuntimeError("can't start new thread"), "ulimit -u"),
        (OSError(errno.ENOSPC, "No space left on device"), "Make room there"),
        (OSError("4096 requested and 100 written"), "Make room there"),
    ],
)
def test_explain_knows_what_libraries_raise(error: Exception, words: str) -> None:
    """Errors without a number or a file are known by their kind or their words."""
    assert words in (explain(error) or "")


def test_explain_finds_where_an_error_came_from() -> None:
    """An error that a library made of a full disk is about the full disk."""
    with pytest.raises(ValueError, match="broken") as caught:
        try:
            raise OSError(errno.ENOSPC, "No space left on device", "cache/x")
        except OSError as error:
            raise ValueError("broken") from error
    assert (explain(caught.value) or "").startswith("cache/x: cannot be used")


def test_explain_leaves_other_errors_alone() -> None:
    """An error that the machine did not cause has no such sentence, not even if one was handled before."""
    assert explain(ValueError("negative dimension")) is None
    assert explain(FileNotFoundError(errno.ENOENT, "No such file", "x")) is None
    with pytest.raises(ValueError, match="own") as caught:
        try:
            raise OSError(errno.EACCES, "Permission denied", "x")
        except OSError:
            raise ValueError("own") from None
    assert explain(caught.value) is None


def test_describe_bug_is_one_line() -> None:
    """A bug is one line that names the error and where its traceback is."""
    sentence = describe_bug(ValueError("one\ntwo"), "in logs/a.log")
    assert sentence.count("\n") == 0
    assert "ValueError: one two" in sentence and "logs/a.log" in sentence
