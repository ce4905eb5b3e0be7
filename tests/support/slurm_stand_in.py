"""A stand-in for an allocation of Slurm: `srun` and `scontrol` as scripts, whose nodes are all this machine."""

from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from blindtune.training.pool.launcher import WORKER_MODULE

#: Starts the command as srun does: it gets the standard input, SIGINT ends it, and its end is that of srun.
_SRUN = """\
#!/bin/sh
for argument in "$@"; do
    case $argument in
        --nodelist=*) node=${argument#--nodelist=}; shift ;;
        -*) shift ;;
        *) break ;;
    esac
done
echo "$node" >> "$STAND_IN/started"
env | grep ^SLURM_ > "$STAND_IN/environment"
if [ -e "$STAND_IN/$node.lost" ]; then exec sleep 600 < /dev/null; fi
if [ -e "$STAND_IN/$node.refuses" ]; then exit 1; fi
exec 3<&0
"$@" <&3 3<&- &
child=$!
trap 'kill -KILL $child' INT
wait $child
code=$?
if [ -e "$STAND_IN/$node.lost" ]; then trap '' INT; sleep 600 < /dev/null; fi
exit $code
"""

_SCONTROL = """\
#!/bin/sh
case "$2" in
    job) echo "JobId=$3 ReqNodeList=(null) ExcNodeList=(null) NodeList=n[1-3] BatchHost=n1" ;;
    hostnames) printf 'n1\\nn2\\nn3\\n' ;;
    node) echo "NodeName=$3 NodeAddr=127.0.0.1 NodeHostName=$3" ;;
esac
"""


class SlurmStandIn:
    """A job of three nodes, of which this process is on n1.

    A file ``<node>.lost`` in the folder makes srun hang without an end from then on, ``<node>.refuses`` makes it fail.

    Attributes:
        folder: of its files.
    """

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        """Put the commands in front of those of the system.

        Args:
            folder: an empty folder.
            patch: changes the environment.
        """
        self.folder = folder
        for name, text in (("srun", _SRUN), ("scontrol", _SCONTROL)):
            path = folder / name
            path.write_text(text, encoding="utf-8")
            path.chmod(0o755)
        patch.setenv("PATH", str(folder), prepend=":")
        patch.setenv("STAND_IN", str(folder))
        patch.setenv("SLURM_JOB_ID", "7")
        patch.setenv("SLURM_NTASKS", "1")
        patch.setenv("SLURMD_NODENAME", "n1")

    def started(self) -> list[str]:
        """Return the node of every worker that srun has started, in order."""
        path = self.folder / "started"
        return path.read_text(encoding="utf-8").split() if path.exists() else []


def kill_stopped_workers(folder: Path) -> None:
    """End the stopped workers of an allocation, as Slurm ends all processes of a step: they cannot end by themselves.

    Args:
        folder: of its `SlurmStandIn`.
    """
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            is_worker = WORKER_MODULE in process.cmdline() and process.environ().get("STAND_IN") == str(folder)
            if is_worker and process.status() == psutil.STATUS_STOPPED:
                process.kill()


def find_remote_workers(process: int) -> list[psutil.Process]:
    """Return the workers that the stand-ins of srun of a process have started.

    Args:
        process: its number.
    """
    return [
        worker
        for srun in psutil.Process(process).children()
        for worker in srun.children()
        if WORKER_MODULE in worker.cmdline()
    ]
