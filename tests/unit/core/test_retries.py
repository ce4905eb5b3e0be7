"""Which failed jobs are worth another attempt."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from blindtune.core.claims import claim
from blindtune.core.errors import ClaimedError, LostClaimError, RepeatedDecodeError, TransientError, UserError
from blindtune.core.job_log import run_job
from blindtune.core.retries import (
    TRY_AGAIN_STATUS,
    explain_unstarted,
    has_final_message,
    list_cluster_logs,
    read_message,
)


@pytest.mark.parametrize(
    ("error", "status", "is_final"),
    [
        (UserError("rows.csv: row 3 has no label."), 65, True),
        (RepeatedDecodeError("was decoded before."), 65, True),
        (ClaimedError("another run writes here."), 75, False),
        (LostClaimError("another run took over."), 75, False),
        (TransientError("https://example.org: cannot be fetched."), 75, False),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "weights.npz"), 1, False),
        (MemoryError(), 1, False),
        (FileNotFoundError(errno.ENOENT, "is not on this node yet", "train.npy"), 1, False),
        (ConnectionResetError("the server went away"), 1, False),
        (EOFError("the file is cut off"), 1, False),
        (subprocess.TimeoutExpired("git", 10), 1, False),
        (RuntimeError("CUDA error: uncorrectable ECC error encountered"), 1, False),
        (IndexError("list index out of range"), 1, True),
        (ValueError("negative dimension"), 1, True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), 1, True),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_run_job_leaves_a_final_message_of_errors_that_come_again(
    tmp_path: Path, error: Exception, status: int, is_final: bool
) -> None:
    """The exit status tells the kinds of errors apart; what another attempt would meet too ends the attempts."""
    log = tmp_path / "logs" / "study.log"
    with pytest.raises(SystemExit) as ended, run_job(log, {}):
        raise error
    assert ended.value.code == status
    assert has_final_message(log) == is_final
    message = read_message(log)
    assert message and log.read_text(encoding="utf-8").endswith(f"ERROR {message}\n")


class OpError(Exception):
    """As the base class of TensorFlow's errors."""


class ResourceExhaustedError(OpError):
    """As that of TensorFlow for memory that cannot be had."""


@pytest.mark.parametrize(
    ("error", "is_final"),
    [
        (ResourceExhaustedError("OOM when allocating tensor"), False),
        (OpError("Failed to allocate 4 GB"), False),
        (OpError("CUDA_ERROR_LAUNCH_FAILED"), False),
        (OpError("Matrix size-incompatible"), True),
    ],
)
def test_run_job_tries_again_what_tensorflow_could_not_allocate(
    tmp_path: Path, error: Exception, is_final: bool
) -> None:
    """TensorFlow's errors are no RuntimeErrors; another attempt has more memory, or another GPU."""
    log = tmp_path / "decode.log"
    with pytest.raises(SystemExit), run_job(log, {}):
        raise error
    assert has_final_message(log) == is_final


def test_file_that_the_network_refuses_keeps_its_status(tmp_path: Path) -> None:
    """A download that may succeed later ends with the status for that, whichever number of the system caused it."""
    log = tmp_path / "fetch.log"
    with pytest.raises(SystemExit) as ended, run_job(log, {}):
        try:
            raise OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
        except OSError as error:
            raise TransientError("set_10.zip cannot be downloaded.") from error
    assert ended.value.code == TRY_AGAIN_STATUS
    assert not has_final_message(log)


def test_run_job_may_pass_what_a_file_caused(tmp_path: Path) -> None:
    """An error of a library that came from one of a file may pass, as that one may."""
    log = tmp_path / "study.log"
    with pytest.raises(SystemExit), run_job(log, {}):
        try:
            raise FileNotFoundError(errno.ENOENT, "is not on this node yet", "train.npy")
        except OSError as error:
            raise ValueError("no data") from error
    assert not has_final_message(log)


def test_run_job_does_not_mark_a_full_disk_in_an_error_of_the_user(tmp_path: Path) -> None:
    """A full disk that a message for the user came from is worth another attempt."""
    log = tmp_path / "study.log"
    with pytest.raises(SystemExit) as ended, run_job(log, {}):
        try:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "weights.npz")
        except OSError as error:
            raise UserError("weights.npz: cannot be written.") from error
    assert ended.value.code == 1
    assert not has_final_message(log)


@pytest.mark.parametrize("number", [errno.ETIMEDOUT, errno.ESHUTDOWN, errno.EHOSTDOWN, errno.ENETUNREACH, errno.ESTALE])
def test_claim_that_the_network_keeps_from_being_checked_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """A file server that is away for a while ends no job for good."""
    log = tmp_path / "study.log"

    def fail(path: Path) -> bytes:
        raise OSError(number, os.strerror(number), str(path))

    with pytest.raises(SystemExit) as ended, run_job(log, {}), claim(tmp_path / "42", "the study") as held:
        monkeypatch.setattr(Path, "read_bytes", fail)
        held.check()
    assert ended.value.code == 1
    assert not has_final_message(log)


def test_run_job_removes_the_message_of_an_attempt_before(tmp_path: Path) -> None:
    """A job that starts again has no message until it ends with an error again; a claim that it waited for may pass."""
    log = tmp_path / "study.log"
    for error in (UserError("rows.csv: is empty."), ClaimedError("rows.csv: is in use.")):
        with pytest.raises(SystemExit), run_job(log, {}):
            raise error
        assert read_message(log) == str(error)
    with run_job(log, {}):
        assert read_message(log) is None


def test_has_final_message_without_a_folder_is_false(tmp_path: Path) -> None:
    """A job that never started has no log folder and no marker."""
    assert not has_final_message(tmp_path / "none" / "study.log")


def test_last_word_ends_with_the_status_of_the_error() -> None:
    """An error of the user before the job begins is one sentence, with the exit status of such errors."""
    code = (
        "import blindtune.core.last_word\n"
        "from blindtune.core.errors import UserError\n"
        "raise UserError('rows.csv: is empty.')"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 65
    assert ended.stderr == "\nblindtune: rows.csv: is empty.\n\n"


def test_jobs_that_a_cluster_never_started_are_named(tmp_path: Path) -> None:
    """A job, or a group, is named if none of its logs has a line; one job of a group may wait for another in vain."""
    started, other, third = (tmp_path / "knn" / f"{seed}.log" for seed in (42, 43, 44))
    started.parent.mkdir()
    started.write_text("a line\n", encoding="utf-8")
    assert explain_unstarted([[started], [started, other], []]) is None
    message = explain_unstarted([[third, other], [started]])
    assert message is not None
    assert f"wrote nothing: 1, such as {tmp_path / 'knn' / '43'}." in message
    assert "mem_mb" in message
    other.touch()
    assert explain_unstarted([[third, other], [started]]) == message


def test_list_cluster_logs_names_the_folders_that_are_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run on one machine has none; each profile has its own."""
    monkeypatch.chdir(tmp_path)
    assert list_cluster_logs() == ""
    (tmp_path / ".snakemake" / "cluster_logs").mkdir(parents=True)
    assert list_cluster_logs() == ".snakemake/cluster_logs"
    (tmp_path / ".snakemake" / "slurm_logs").mkdir()
    assert list_cluster_logs() == ".snakemake/slurm_logs/<rule or group>/<wildcards> or .snakemake/cluster_logs"
