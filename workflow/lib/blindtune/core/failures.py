"""Errors of the machine as one sentence each: a full disk, no permission, too little memory, too many open files."""

import errno
import os
import re
import subprocess
import sys
import traceback
from collections.abc import Iterator
from types import TracebackType

from blindtune.core.errors import UserError

#: Errors of file systems on a network while their server or the network is away.
_AWAY = (
    *(errno.ETIMEDOUT, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETDOWN, errno.ENETUNREACH, errno.ENETRESET),
    *(errno.ESHUTDOWN, errno.ENOTCONN, errno.EREMOTEIO, errno.ENOLINK),
)

_AGAIN = "then run again: everything recorded is kept."

#: What a user can do, by the number of the operating system's error.
_ADVICE = {
    **dict.fromkeys((errno.ENOSPC, errno.EFBIG), f"Make room there, {_AGAIN}"),
    errno.EDQUOT: f"Make room within your quota, {_AGAIN}",
    errno.EROFS: f"Make that file system writable, or work in another folder, {_AGAIN}",
    **dict.fromkeys((errno.EACCES, errno.EPERM), f"Allow it for the user that runs the workflow, {_AGAIN}"),
    **dict.fromkeys((errno.EIO, errno.ESTALE), f"Check the disk or the network file system, {_AGAIN}"),
    **dict.fromkeys(_AWAY, f"Check the network and the file systems on it, {_AGAIN}"),
    **dict.fromkeys((errno.EMFILE, errno.ENFILE), f"Allow more open files (ulimit -n), {_AGAIN}"),
    errno.EAGAIN: f"Allow more processes (ulimit -u), {_AGAIN}",
    errno.ENOMEM: f"Give the job more memory, or run fewer jobs at once (--cores), {_AGAIN}",
    **dict.fromkeys((errno.EISDIR, errno.ENOTDIR), f"Move what is in its place away, {_AGAIN}"),
}

#: Words by which libraries tell that the machine refused, without an error number.
_WORDS = {
    errno.ENOMEM: ("allocate memory", "out of memory", "failed to map segment", "std::bad_alloc"),
    errno.ENOSPC: ("no space left on device",),
    errno.EMFILE: ("too many open files",),
    errno.EAGAIN: ("can't start new thread", "resource temporarily unavailable"),
}


#: Words of errors of a GPU, of its driver or of its memory, which another node or attempt may not meet.
_GPU_WORDS = ("cuda", "cudnn", "cublas", "nccl", "hip error", "out of memory", "failed to allocate")

#: The class of TensorFlow's errors, and those of its kinds that say that something was used up or away.
_TENSORFLOW, _TENSORFLOW_KINDS = "OpError", ("ResourceExhaustedError", "UnavailableError", "AbortedError")

#: What NumPy raises when a disk is full, without an error number.
_SHORT_WRITE = re.compile(r"^\d+ requested and \d+ written$")

#: Errors in which libraries pass on what the machine said; words in others are their own.
_CARRIERS = (OSError, RuntimeError, ImportError)

#: Errors of a program. What was handled when one of them was raised is not its cause.
_BUGS = (KeyError, IndexError, TypeError, AttributeError, NameError, AssertionError)


def explain(error: BaseException) -> str | None:
    """Return a sentence about an error that the machine caused, or None for any other error.

    Args:
        error: what was raised; errors that it came from count too.
    """
    for one in _chain(error):
        number = _number(one)
        if number is not None:
            return f"{_what(one, number)}. {_ADVICE[number]}"
    return None


def is_machine_error(error: BaseException) -> bool:
    """Return whether the machine refused something that the next attempt of anything would meet too; memory apart."""
    numbers = {_number(one) for one in _chain(error)}
    return bool(numbers - {None, errno.ENOMEM, errno.EISDIR, errno.ENOTDIR})


def may_pass(error: BaseException) -> bool:
    """Return whether another attempt may not meet an error: it is about the machine, a file, a command or a GPU.

    Any other that nobody foresaw is one of a program, which does the same again.

    Args:
        error: what was raised; errors that it came from count too.
    """
    return explain(error) is not None or any(
        isinstance(one, OSError | EOFError | subprocess.SubprocessError) or _is_of_gpu(one) for one in _chain(error)
    )


def _is_of_gpu(error: BaseException) -> bool:
    # TensorFlow is not imported to look at its errors, which are no RuntimeErrors.
    classes = [one.__name__ for one in type(error).__mro__]
    if any(name in _TENSORFLOW_KINDS for name in classes):
        return True
    carries = isinstance(error, RuntimeError) or _TENSORFLOW in classes
    return carries and any(word in _text(error).lower() for word in _GPU_WORDS)


def describe_bug(error: BaseException, where: str) -> str:
    """Return a sentence about an error that nobody foresaw.

    Args:
        error: what was raised.
        where: where its traceback is.
    """
    what = " ".join(f"{type(error).__name__}: {_text(error)}".split())
    return f"this is a bug in blindtune ({what}). Please report it with its traceback, which is {where}."


def show_last_word(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Show an error that nothing caught: its traceback unless the machine caused it, and one sentence as the last."""
    try:
        if issubclass(kind, KeyboardInterrupt):
            sys.stderr.write("blindtune: stopped; run the same command again\n")
            return
        sentence = explain(error)
        if sentence is None and not isinstance(error, UserError):
            traceback.print_exception(kind, error, trace)
            sentence = describe_bug(error, "above")
        sys.stderr.write(f"\nblindtune: {sentence or error}\n\n")
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError, MemoryError):
        pass  # there is nowhere to show it


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and those that it came from."""
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield one
        hidden = one.__suppress_context__ or isinstance(one, _BUGS)
        one = one.__cause__ or (None if hidden else one.__context__)


def _number(error: BaseException) -> int | None:
    """Return the number of the operating system's error that an error is about."""
    if isinstance(error, MemoryError):
        return errno.ENOMEM
    if isinstance(error, OSError) and error.errno in _ADVICE:
        return error.errno
    if not isinstance(error, _CARRIERS):
        return None
    if isinstance(error, OSError) and _SHORT_WRITE.match(_text(error)):
        return errno.ENOSPC
    text = _text(error).lower()
    return next((number for number, words in _WORDS.items() if any(word in text for word in words)), None)


def _what(error: BaseException, number: int) -> str:
    """Return what failed and why, with the file if the error names one."""
    file = error.filename if isinstance(error, OSError) else None
    if isinstance(file, str | bytes):
        return f"{os.fsdecode(file)}: cannot be used ({os.strerror(number)})"
    detail = " ".join(_text(error).split())
    if isinstance(error, OSError) or not detail:
        return f"the machine refused: {os.strerror(number)}"
    return f"the machine refused: {os.strerror(number)} ({detail})"


def _text(error: BaseException) -> str:
    """Return the message of an error; some errors of libraries cannot say theirs."""
    try:
        return str(error)
    except Exception:
        return ""
