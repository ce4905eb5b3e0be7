"""How fast EEG is prepared, against the plain MNE recipe on the same file, on one core.

    python workflow/benchmarks/eeg_speed.py               # one hour at 250 Hz, 21 electrodes, eight rounds in turns
    python workflow/benchmarks/eeg_speed.py --minutes 10

Plain is what a user of MNE writes: read the electrodes, `filter` with its default FIR, `resample`, cut; with the 20
bipolar channels derived as MNE does it, before the filter, and as a lower bound with no channels derived at all.
Also prints the peak of the memory above that of the libraries, each in a process of its own.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import edfio
import mne
import numpy as np
import scipy.signal  # noqa: F401 - loaded before the clock starts

from blindtune.datasets.base import Sizes
from blindtune.datasets.eeg import headers, montages, recordings
from blindtune.datasets.eeg.settings import Eeg

SETTINGS = Eeg(source="eeg", folder=".", sizes=Sizes(train=2, dev=2, eval=2))
MONTAGE = montages.montage("tcp20")
LABELS = [f"EEG {name}-REF" for name in MONTAGE.electrodes]
LENGTH = 500


def ours(path: Path) -> Any:
    """As the survey and the cut do it."""
    header = headers.read(path)
    wanted = montages.locate(header.labels, MONTAGE)
    headers.check(header, wanted, SETTINGS.rate)
    return _cut(recordings.condition(recordings.read(path, header, wanted), MONTAGE, SETTINGS))


def plain(path: Path) -> Any:
    """The plain recipe, bipolar channels first."""
    raw = mne.io.read_raw_edf(path, include=LABELS, preload=True, verbose="error")
    pairs = [[f"EEG {name}-REF" for name in channel.split("-")] for channel in MONTAGE.channels]
    first, second = ([pair[one] for pair in pairs] for one in (0, 1))
    return _filtered(mne.set_bipolar_reference(raw, first, second, copy=False, verbose="error"))


def electrodes(path: Path) -> Any:
    """The plain recipe without any derivation."""
    return _filtered(mne.io.read_raw_edf(path, include=LABELS, preload=True, verbose="error"))


def equal_band(path: Path) -> Any:
    """The same, with the edges that give its default FIR our band: -6 dB at 0.5 and 23 Hz."""
    return _filtered(mne.io.read_raw_edf(path, include=LABELS, preload=True, verbose="error"), 1.0, 20.44)


def _filtered(raw: Any, low: float = 0.5, high: float = 35.0) -> Any:
    raw.filter(low, high, verbose="error")
    raw.resample(50, verbose="error")
    return _cut(raw.get_data(units="uV"))


def _cut(x: Any) -> Any:
    segments = x.shape[1] // LENGTH
    return np.ascontiguousarray(x[:, : segments * LENGTH].reshape(len(x), segments, LENGTH).swapaxes(0, 1), np.float32)


WAYS = {
    "blindtune": ours,
    "plain, 20 channels": plain,
    "plain, 17 electrodes": electrodes,
    "the same, equal band": equal_band,
}


def main() -> int:
    """Print seconds, hours of EEG per second, and memory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--memory", nargs=2, metavar=("WAY", "FILE"), help="used by the script itself")
    arguments = parser.parse_args()
    if arguments.memory:
        before = _peak()
        WAYS[arguments.memory[0]](Path(arguments.memory[1]))
        print((_peak() - before) // 1024)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.edf"
        _write(path, arguments.minutes)
        times: dict[str, list[float]] = {name: [] for name in WAYS}
        for _ in range(arguments.rounds):
            for name, way in WAYS.items():
                begun = time.process_time()
                way(path)
                times[name].append(time.process_time() - begun)
        for name, seconds in times.items():
            command = [sys.executable, __file__, "--memory", name, str(path)]
            peak = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
            # What disturbs a round only ever adds to it.
            best, ratio = min(seconds), min(seconds) / min(times["blindtune"])
            hours = arguments.minutes / 60 / best
            typical = median(seconds)
            print(
                f"{name}: {best:.2f} s of CPU (median {typical:.2f}), {hours:.2f} h/s, {ratio:.2f} of ours, {peak} MiB"
            )
    return 0


def _peak() -> int:
    """The most memory that this program had so far, in KiB; `getrusage` would count what it was forked from."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))


def _write(path: Path, minutes: int) -> None:
    random = np.random.default_rng(0)
    signals = [
        edfio.EdfSignal(
            random.normal(0, 30, minutes * 60 * 250),
            250,
            label=f"EEG {name}-REF",
            physical_dimension="uV",
            physical_range=(-3276.7, 3276.7),
            digital_range=(-32767, 32767),
        )
        for name in montages.ELECTRODES
    ]
    edfio.Edf(signals, data_record_duration=1).write(path)


if __name__ == "__main__":
    sys.exit(main())
