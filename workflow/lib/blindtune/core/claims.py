"""One writer: claims on files and folders, each held by one process at a time, on one machine or on many.

A claim on ``results/42`` is a small file next to it, ``results/.42.claim-1``, which says who holds it. It needs no lock
of the file system: ``flock`` fails or does nothing on some that clusters share. It needs only that a name can be
created exclusively, which holds on NFS too.

Taking a claim. A process reads all claim files of a path. If one has a living owner, the path is in use. Otherwise it
creates the file with the next number, exclusively and with its whole content, so that of two processes one fails. Then
it reads all files again: if they are not those that it had judged, it withdraws and begins again. Otherwise it removes
those of the dead and the path is its own. No file is ever replaced, so a process that was stopped in between and goes
on later cannot overwrite the claim of another.

Owners that are dead. The heartbeat of an owner is the modification time of its file. What decides, in this order:

| owner | dead |
|---|---|
| a process of this machine | if it is gone, or if its number now belongs to one that started at another time |
| on another machine, heartbeat older than `LIMIT` | yes, also of a running job: it may go on without this process |
| this job of Slurm, before it was started again | if the heartbeat is older than `SILENCE` |
| a job that Slurm tells has ended, or has started again | if the heartbeat is older than `SILENCE` |
| a job that Slurm tells is running or suspended | no |
| any other, or Slurm gives no answer | no |

Slurm alone is not believed. It ends the job of a node that it has lost (NODE_FAIL), and starts it again elsewhere,
while the processes on that node may go on; then their heartbeats go on too. A node that is cut off from the files as
well gives no heartbeat, and cannot write either: when it comes back, it is fenced. A job that was killed with its
processes, over memory or time, has had its last heartbeat at most half a minute before. So whoever finds the claim of
an ended job waits until `SILENCE` has passed, or until a heartbeat shows that it lives. A job that Slurm starts again
waits two minutes in the queue, so that it finds its former self silent and takes over at once.

Ages are differences of times that the file system gave, so clocks of machines do not matter. Where a file system takes
the times of its clients, their clocks may differ by a minute where Slurm is asked, by nine minutes elsewhere. A
claimant whose clock is further ahead takes a living owner for dead; the fence then ends that owner at its next write.

Fencing. An owner that was only stopped (a suspended machine, a network that was away) may be taken for dead.
`Claim.check` is called before each write, by `blindtune.core.files` and by what appends to records: if the file no
longer holds the owner's token, the process ends without writing.
"""

import json
import os
import re
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn, Self

from blindtune.core.errors import ClaimedError, LostClaimError, UserError
from blindtune.core.files import check_before_writes
from blindtune.core.schedulers import SchedulerJob, has_ended

#: Seconds between two heartbeats.
HEARTBEAT = 30.0

#: Seconds without a heartbeat after which an owner on another machine is dead: twenty heartbeats. Restarts of file
#: servers and their grace periods take one to five minutes, and no computation keeps Python's threads waiting as long.
LIMIT = 600.0

#: Seconds without a heartbeat after which the owner is dead if Slurm tells that its job has ended: three heartbeats.
#: Less would take an owner for dead whose heartbeat was late, more would let a job wait that Slurm has started again.
SILENCE = 3 * HEARTBEAT

#: Seconds after which nobody uses a draft of a claim file any more.
_DRAFT_LIMIT = 24 * 3600.0

#: The name of a claim file, with the name of what is claimed.
_CLAIM_NAME = re.compile(r"\.(.+)\.claim-[1-9]\d{0,17}")

#: Bytes of a claim file that are read; no owner's description is as long.
_LONGEST = 65_536


@dataclass(frozen=True)
class Owner:
    """Who holds a claim.

    Attributes:
        token: a random text; no two claims have the same.
        host: name of the machine, for people.
        machine: identifies the machine since it was started, and the container on it; process ids are compared only
            where it is equal.
        pid: id of the process.
        started: when the process started, in clock ticks; None if that is unknown.
        job: the job of a scheduler, for people; empty if there is none.
        since: UTC, ISO 8601.
        scheduler: with the following fields, as those of `SchedulerJob`; claims of older versions lack them.
        job_id: see there.
        restart: see there.
        cluster: see there.
        node: see there.
    """

    token: str
    host: str
    machine: str
    pid: int
    started: int | None
    job: str
    since: str
    scheduler: str = ""
    job_id: str = ""
    restart: int = 0
    cluster: str = ""
    node: str = ""

    @classmethod
    def this_process(cls) -> Self:
        """Describe this process, with a new token."""
        job = SchedulerJob.of_environment(os.environ)
        return cls(
            token=secrets.token_hex(16),
            host=socket.gethostname(),
            machine=identify_machine(),
            pid=os.getpid(),
            started=_start_of(os.getpid()),
            job=str(job),
            since=datetime.now(UTC).isoformat(timespec="seconds"),
            scheduler=job.scheduler,
            job_id=job.id,
            restart=job.restart,
            cluster=job.cluster,
            node=job.node,
        )

    @property
    def scheduler_job(self) -> SchedulerJob:
        """The job that the process runs in."""
        return SchedulerJob(self.scheduler, self.job_id, self.restart, self.cluster, self.node)

    def end_command(self) -> str:
        """Return the command that ends the process, with the machine if it is another one.

        It is never the one that ends the job of this process, in which it would end too.
        """
        if self.scheduler and not self._is_in_own_job() and not self._has_ended_job():
            return f"`{self.scheduler_job.end_command()}`"
        return f"`kill {self.pid}`" + ("" if self.machine == identify_machine() else f" on {self.host}")

    def _is_in_own_job(self) -> bool:
        """Return whether it runs in the job of this process, as in a shell of ``salloc`` or ``srun --pty bash``."""
        job = SchedulerJob.of_environment(os.environ)
        return (self.scheduler, self.job_id, self.cluster) == (job.scheduler, job.id, job.cluster)

    def _has_ended_job(self) -> bool:
        """Return whether its job has ended by Slurm's account, or is this job before it was started again."""
        job = self.scheduler_job
        return job.was_before(SchedulerJob.of_environment(os.environ)) or has_ended(job) is True

    def is_dead(self, age: float) -> bool:
        """Return whether the process can be taken for dead; see the module.

        Args:
            age: seconds since its last heartbeat.
        """
        running = _is_running(self) if self.machine == identify_machine() else None
        if running is not None:
            return not running
        return age > LIMIT or (age > SILENCE and self._has_ended_job())

    def may_be_dead(self, age: float, watched: float) -> bool:
        """Return whether to wait for the silence of a process that is not dead yet: its job has ended.

        Args:
            age: seconds since its last heartbeat.
            watched: seconds for which it was watched; a heartbeat in that time shows that it lives.
        """
        # Times of some file systems are whole seconds.
        return self.machine != identify_machine() and age > watched - 2 and self._has_ended_job()

    def __str__(self) -> str:
        """Name the process, for a message."""
        job = f", {self.job}" if self.job else ""
        return f"process {self.pid} on {self.host}{job}, since {self.since}"


@dataclass(frozen=True)
class _Entry:
    """One claim file, as it was read.

    Attributes:
        path: the file.
        number: the number at the end of its name.
        owner: None if its content cannot be read, or was not written yet.
        age: seconds since its last heartbeat, by the clock of the file system.
    """

    path: Path
    number: int
    owner: Owner | None
    age: float

    def is_dead(self) -> bool:
        return self.age > LIMIT if self.owner is None else self.owner.is_dead(self.age)

    def may_be_dead(self, watched: float) -> bool:
        return self.owner is not None and self.owner.may_be_dead(self.age, watched)

    def __str__(self) -> str:
        return str(self.owner) if self.owner else f"an unknown process (its claim {self.path} cannot be read)"


class Claim:
    """A claim that this process holds, or has lost."""

    def __init__(self, target: Path, what: str, entry: Path, owner: Owner) -> None:
        self._target = target
        self._what = what
        self._entry = entry
        self._owner = owner
        self._released = threading.Event()

    def check(self) -> None:
        """Check that the claim is still held; called before each write to what is claimed.

        Raises:
            LostClaimError: another process has taken it over, or its file was removed. Nothing may be written.
        """
        if not self._is_held():
            raise LostClaimError(
                f"{self._target}: {self._what} was taken over by {self._successor()}: this process gave no sign of "
                f"life for {LIMIT / 60:.0f} minutes, or for {SILENCE:.0f} s after its job had ended, or its claim was "
                "removed. It ends without writing; what was recorded before is kept."
            )

    def beat(self) -> None:
        """Give a sign of life, if the claim is still held."""
        with suppress(OSError), self._entry.open("rb") as stream:
            # Through the open file: a file of the same name may be another's by now.
            if stream.read() == _encode(self._owner):
                os.utime(stream.fileno())

    def _is_held(self) -> bool:
        try:
            # Opening a file asks the server of a network file system; a look at its attributes may not.
            return self._entry.read_bytes() == _encode(self._owner)
        except FileNotFoundError:
            return False
        except OSError as error:
            _refuse(self._target, error)

    def _successor(self) -> str:
        with suppress(OSError):
            entries = _read_entries(self._target, time.time())
            if entries:
                return str(entries[-1])
        return "another process"

    def keep_alive(self) -> None:
        """Beat until the claim is released; runs in a thread."""
        while not self._released.wait(HEARTBEAT):
            self.beat()

    def release(self) -> None:
        """Give the claim back, unless another process has taken it over."""
        self._released.set()
        if os.getpid() == self._owner.pid:  # not in a fork of the owner
            with suppress(OSError, UserError):
                if self._is_held():
                    self._entry.unlink()


def _ignore(line: str) -> None:
    """Drop a message."""


@contextmanager
def claim(
    path: Path, what: str, *, wait_seconds: float = 0.0, notify: Callable[[str], None] = _ignore
) -> Iterator[Claim]:
    """Hold the claim on a file or folder during a ``with`` block; no other process holds it in this time.

    A claim of a dead owner is taken over. The claim is released at the end, also after an error; only a kill leaves it.

    Args:
        path: what is claimed. It need not exist; the claim is a file next to it.
        what: names it in messages, such as "the study toy/mlp/42".
        wait_seconds: how long to wait for a living owner.
        notify: takes a line if the claim is taken over or waited for.

    Yields:
        The claim. `blindtune.core.files` calls its `Claim.check`; who writes otherwise calls it before each write.

    Raises:
        ClaimedError: a living process holds it; the message names the process.
        UserError: the claim cannot be written.
    """
    owner = Owner.this_process()
    held = Claim(path, what, _acquire(path, what, owner, wait_seconds, notify), owner)
    threading.Thread(target=held.keep_alive, name=f"claim on {path}", daemon=True).start()
    try:
        with check_before_writes(held.check):
            yield held
    finally:
        held.release()


def refuse_held(paths: Iterable[Path], what: str, *, wait_seconds: float, notify: Callable[[str], None]) -> None:
    """Refuse to go on while a living process holds the claim on any of ``paths``; nothing is claimed.

    Args:
        paths: files and folders that need not exist. The folder of each is read once.
        what: names each of them in messages.
        wait_seconds: how long to wait for a living owner.
        notify: takes a line if it is waited for.

    Raises:
        ClaimedError: a living process holds one; the message names the process.
    """
    names: dict[Path, set[str]] = {}
    for path in paths:
        names.setdefault(path.parent, set()).add(path.name)
    patience = _Patience(what, wait_seconds, notify)
    while (found := _find_living(names)) is not None:
        patience.check(*found)
        time.sleep(1.0)


@dataclass(frozen=True)
class LivingClaim:
    """A claim whose owner is not known to be dead.

    Attributes:
        path: what is claimed.
        owner: the process; None if its claim cannot be read.
        age: seconds since its last sign of life.
    """

    path: Path
    owner: Owner | None
    age: float


def find_living(folder: Path) -> list[LivingClaim]:
    """Return the claims on everything in a folder, at any depth, whose owners are not known to be dead.

    Args:
        folder: links in it are followed. It need not exist.
    """
    found, known = [], set()
    for place, folders, files in os.walk(folder, followlinks=True):
        real = Path(os.path.realpath(place))
        if real in known:
            folders.clear()  # a link leads here again
            continue
        known.add(real)
        names = sorted({match[1] for name in files if (match := _CLAIM_NAME.fullmatch(name))})
        now = _time_of(real) if names else 0.0
        entries = [(Path(place) / name, entry) for name in names for entry in _read_entries(real / name, now)]
        found += [LivingClaim(path, entry.owner, entry.age) for path, entry in entries if not entry.is_dead()]
    return sorted(found, key=lambda claim: claim.path)


class _Patience:
    """How long a process waits for the living owner of a claim."""

    def __init__(self, what: str, seconds: float, notify: Callable[[str], None]) -> None:
        self._what, self._seconds, self._notify = what, seconds, notify
        self._begun = time.monotonic()
        self._announced = False

    def check(self, path: Path, living: _Entry) -> None:
        """Refuse to wait longer, or say once for whom this process waits.

        Raises:
            ClaimedError: the time is over, and nothing tells that the owner has ended.
        """
        waited = time.monotonic() - self._begun
        reason = f"waiting for up to {self._seconds:g} s"
        if waited >= self._seconds:
            if not living.may_be_dead(waited - self._seconds):
                raise ClaimedError(_explain_refusal(path, self._what, living, self._seconds))
            reason = f"its job has ended: waiting until {SILENCE:.0f} s have passed since its last sign of life"
        if not self._announced and (waited >= self._seconds or self._seconds >= 1):
            self._announced = True
            self._notify(f"{path}: {self._what} is in use by {living}; {reason}")


def _find_living(names: Mapping[Path, set[str]]) -> tuple[Path, _Entry] | None:
    """Return one of the paths, given as names by folder, that a living process has claimed, and its claim."""
    for folder, wanted in names.items():
        try:
            files = [file.name for file in folder.iterdir()]
        except (FileNotFoundError, NotADirectoryError):
            continue
        claimed = {found[1] for name in files if (found := _CLAIM_NAME.fullmatch(name))}
        for name in sorted(claimed & wanted):
            living = [entry for entry in _read_entries(folder / name, _time_of(folder)) if not entry.is_dead()]
            if living:
                return folder / name, living[-1]
    return None


def _time_of(folder: Path) -> float:
    """Return the time of the file system of a folder; that of this machine if nothing can be written there."""
    draft = folder / f".time.{secrets.token_hex(16)}.part"
    try:
        draft.touch(exist_ok=False)
        return _touch(draft)
    except OSError:
        return time.time()
    finally:
        with suppress(OSError):
            draft.unlink()


def _acquire(path: Path, what: str, owner: Owner, wait_seconds: float, notify: Callable[[str], None]) -> Path:
    """Take the claim, waiting for a living owner; return its file."""
    draft = _base(path).with_name(f"{_base(path).name}.{owner.token}.part")
    patience, pause = _Patience(what, wait_seconds, notify), 0.005
    try:
        _write_draft(draft, owner)
        while True:
            entries = _read_entries(path, _touch(draft))
            living = [entry for entry in entries if not entry.is_dead()]
            if not living:
                mine = _enter(path, entries, draft, owner)
                if mine is not None:
                    for entry in entries:
                        notify(f"{path}: {what} is taken over from {entry}, which has ended or is lost")
                    return mine
            else:
                patience.check(path, living[-1])
            # A little at random, so that two processes that withdraw for each other do not do so for ever.
            time.sleep(pause * (1 + secrets.randbelow(1000) / 1000))
            pause = min(2 * pause, 1.0)
    except OSError as error:
        _refuse(path, error)
    finally:
        with suppress(OSError):
            draft.unlink()


def _enter(path: Path, judged: list[_Entry], draft: Path, owner: Owner) -> Path | None:
    """Try to follow dead owners.

    Args:
        path: what is claimed.
        judged: the claim files that were read; all their owners are dead.
        draft: a file with the content of the new one.
        owner: this process.

    Returns:
        The new claim file; None if another process was faster.
    """
    number = judged[-1].number + 1 if judged else 1
    mine = _base(path).with_name(f"{_base(path).name}-{number}")
    if not _create(mine, draft, owner):
        return None
    try:
        if _supersede(path, judged, mine, _touch(draft), owner):
            return mine
    except OSError:
        _remove(mine, owner)
        raise
    _remove(mine, owner)
    return None


def _supersede(path: Path, judged: list[_Entry], mine: Path, now: float, owner: Owner) -> bool:
    """Remove the claim files of the dead if nothing has changed since they were judged; return whether that was so."""
    others = [entry for entry in _read_entries(path, now) if entry.path != mine]
    same = [(entry.path, entry.owner) for entry in others] == [(entry.path, entry.owner) for entry in judged]
    if not same or not all(entry.is_dead() for entry in others):
        return False
    for entry in judged:
        # Another process may have taken this one for dead meanwhile, if it was stopped for long.
        if not _holds(mine, owner):
            return False
        entry.path.unlink(missing_ok=True)
    return _holds(mine, owner)


def _create(mine: Path, draft: Path, owner: Owner) -> bool:
    """Create a claim file that must not exist yet; return whether this process did."""
    try:
        mine.hardlink_to(draft)  # with its whole content from the first moment
        return True
    except FileExistsError:
        return _holds(mine, owner)  # over a network the answer to a successful call may be lost
    except OSError:
        pass  # this file system has no hard links
    try:
        with mine.open("xb") as stream:
            stream.write(_encode(owner))
            stream.flush()
            os.fsync(stream.fileno())
        return True
    except FileExistsError:
        return _holds(mine, owner)
    except OSError:
        _remove(mine, None)
        raise


def _holds(file: Path, owner: Owner) -> bool:
    try:
        return file.read_bytes() == _encode(owner)
    except FileNotFoundError:
        return False


def _remove(file: Path, owner: Owner | None) -> None:
    """Remove a claim file of this process; without an owner, one that it could not finish."""
    with suppress(OSError):
        if owner is None or _holds(file, owner):
            file.unlink()


def _read_entries(path: Path, now: float) -> list[_Entry]:
    """Return the claim files of a path by number; ``now`` is the time of the file system."""
    base = _base(path)
    pattern = re.compile(re.escape(base.name) + r"-([1-9]\d{0,17})")
    try:
        names = [file.name for file in base.parent.iterdir()]
    except FileNotFoundError:
        return []
    numbers = sorted(int(found[1]) for name in names if (found := pattern.fullmatch(name)))
    entries = [_read_entry(base.with_name(f"{base.name}-{number}"), number, now) for number in numbers]
    return [entry for entry in entries if entry is not None]


def _read_entry(file: Path, number: int, now: float) -> _Entry | None:
    """Return what a claim file says; None if it is gone."""
    try:
        # A pipe in its place is not waited for, nor a device read for ever; they name no owner.
        with os.fdopen(os.open(file, os.O_RDONLY | os.O_NONBLOCK), "rb") as stream:
            content, modified = stream.read(_LONGEST), os.fstat(stream.fileno()).st_mtime
    except FileNotFoundError:
        return None
    except PermissionError:
        try:
            content, modified = b"", file.stat().st_mtime
        except FileNotFoundError:
            return None
    return _Entry(file, number, _decode(content), now - modified)


def _write_draft(draft: Path, owner: Owner) -> None:
    """Write the content of a claim file under a name of its own, and remove such drafts that kills have left."""
    draft.parent.mkdir(parents=True, exist_ok=True)
    with draft.open("xb") as stream:
        stream.write(_encode(owner))
        stream.flush()
        os.fsync(stream.fileno())
    now = _touch(draft)
    stem = draft.name.removesuffix(".part").rpartition(".")[0]
    for old in draft.parent.iterdir():
        if re.fullmatch(re.escape(stem) + r"\.[0-9a-f]{32}\.part", old.name):
            with suppress(OSError):
                if now - old.stat().st_mtime > _DRAFT_LIMIT:
                    old.unlink()


def _touch(draft: Path) -> float:
    """Return the time of the file system."""
    os.utime(draft)
    return draft.stat().st_mtime


def _base(path: Path) -> Path:
    """Return what the names of the claim files of a path begin with.

    They are next to what is claimed, links resolved: a folder that is linked in two places has one claim.
    """
    real = Path(os.path.realpath(path))  # unlike Path.resolve, it takes a link that leads to itself
    return real.with_name(f".{real.name}.claim")


def _encode(owner: Owner) -> bytes:
    return (json.dumps(asdict(owner)) + "\n").encode()


def _decode(content: bytes) -> Owner | None:
    """Return the owner that a claim file names; None if it is none."""
    try:
        owner = Owner(**json.loads(content))
        valid = isinstance(owner.pid, int) and isinstance(owner.started, int | None)
        return owner if valid and owner.scheduler_job.is_valid() else None
    except (ValueError, TypeError, RecursionError):
        return None


def _explain_refusal(path: Path, what: str, entry: _Entry, waited: float) -> str:
    advice = f"Let it end, or end it ({entry.owner.end_command()})" if entry.owner else "Let it end or stop it"
    advice += ", then run again"
    advice += f"; this run waited for {waited:g} s." if waited else ", or set wait_for_owner to the seconds to wait."
    return (
        f"{path}: {what} is in use by {entry}; last sign of life {max(0, entry.age):.0f} s ago. {advice} If it was "
        f"lost with its machine, the next run takes over {LIMIT / 60:.0f} minutes after its last sign of life."
    )


def _refuse(path: Path, error: OSError) -> NoReturn:
    raise UserError(
        f"{path}: cannot be claimed ({error.strerror or error}). Make room or allow writing there, or check the "
        "file system, then run again."
    ) from error


def identify_machine() -> str:
    """Return what identifies this machine since it was started, and the container on it."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    parts = [socket.gethostname()]
    with suppress(OSError):
        # Containers on one machine have its boot id, but each counts its own processes.
        parts += [boot.read_text().strip(), str(Path("/proc/self/ns/pid").readlink())]
    return " ".join(parts)


def _is_running(owner: Owner) -> bool | None:
    """Return whether the process of an owner on this machine still runs; None if that is unknown."""
    try:
        os.kill(owner.pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass
    started = _start_of(owner.pid)
    if started is None or owner.started is None:
        return None
    return started == owner.started and not _has_ended(owner.pid)


def _start_of(pid: int) -> int | None:
    """Return when a process started, in clock ticks since the machine did; None if that is unknown."""
    try:
        return int(_stat(Path(f"/proc/{pid}"))[19])
    except (OSError, ValueError, IndexError):
        return None


def _has_ended(pid: int) -> bool:
    """Return whether a process has ended and only waits to be collected: it and all its threads."""
    try:
        return all(_stat(task)[0] in "ZX" for task in Path(f"/proc/{pid}/task").iterdir())
    except (OSError, IndexError):
        return False


def _stat(process: Path) -> list[str]:
    """Return the fields of a process or thread after its name, which may hold anything; the state is the first."""
    return (process / "stat").read_text(errors="replace").rpartition(")")[2].split()
