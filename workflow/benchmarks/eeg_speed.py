"""Measure how fast EEG is prepared, against the plain MNE recipe on the same files, on one core and on all.

    python workflow/benchmarks/eeg_speed.py               # hours at 250 Hz, 21 electrodes, eight rounds in turns
    python workflow/benchmarks/eeg_speed.py --minutes 10
    python workflow/benchmarks/eeg_speed.py --file recording.edf

The plain recipe is what a user of MNE writes: read the electrodes, derive the 20 bipolar channels, `filter` with its
default FIR, `resample`, cut. It is measured with its default edges, with edges that give it the band of blindtune
(-6 dB at 0.5 and 23 Hz), and, as a lower bound, without deriving channels. Blindtune is measured as the signal path
alone, which is what the recipe does, and as the whole job: hash, header, checks of each segment's raw signal, and cut.

On all cores, one process per core prepares separate files, like the jobs of the workflow. Libraries are loaded before
the clock starts. Memory is the peak of one file, without the libraries.
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import edfio
import measure
import mne
import numpy as np
import scipy.signal  # noqa: F401 - loaded before the clock starts

from blindtune.datasets.base import Sizes
from blindtune.datasets.corpus.base import RawFile
from blindtune.datasets.eeg import edf_header, montages, preprocessing
from blindtune.datasets.eeg.config import EegConfig
from blindtune.datasets.eeg.recording_file import RecordingFile
from blindtune.datasets.eeg.source import EegSource

MONTAGE = montages.create_montage("tcp20")
LENGTH = 500


def path_alone(path: Path) -> Any:
    """Read and check the header, read and filter the signal, cut segments."""
    config = _config(path)
    file = RecordingFile(path)
    header = file.header
    derivation = montages.find_derivation(header.signal_labels, MONTAGE)
    edf_header.check_header(header, list(derivation.sources), config.sfreq)
    (whole,), _ = edf_header.find_stretches(header, file.peek, Fraction(config.sfreq))
    signals = preprocessing.Signals(file, derivation.sources)
    return _cut(preprocessing.filter_recording(signals, derivation, whole, config))


def whole_job(path: Path) -> Any:
    """Do what the workflow does with a recording of which every segment is used."""
    raw = RawFile(path.name, (f"{path.stem}.tse",), "train")
    with EegSource(_config(path)).open_file(path.parent, raw) as recording:
        survey = recording.survey()
        if survey.bad is not None:
            raise SystemExit(f"{path}: {survey.bad}")
        return recording.cut(survey.candidates)


def plain(path: Path, low: float = 0.5, high: float = 35.0, derived: bool = True) -> Any:
    """Run the plain recipe.

    Args:
        path: The recording.
        low: Lower edge of the filter, in Hz.
        high: Upper edge, in Hz.
        derived: Whether bipolar channels are derived.
    """
    labels = edf_header.parse_header(path.read_bytes()).labels
    of = {montages.parse_label(label).first: label for label in labels}
    of = {name: of[name] for name in MONTAGE.electrodes}
    raw = mne.io.read_raw_edf(path, include=list(of.values()), preload=True, verbose="error")
    if derived:
        pairs = [[of[name] for name in channel.split("-")] for channel in MONTAGE.channels]
        first, second = ([pair[one] for pair in pairs] for one in (0, 1))
        raw = mne.set_bipolar_reference(raw, first, second, copy=False, verbose="error")
    raw.filter(low, high, verbose="error")
    raw.resample(50, verbose="error")
    return _cut(raw.get_data(units="uV"))


WAYS: dict[str, Callable[[Path], Any]] = {
    "blindtune, signal path": path_alone,
    "blindtune, whole job": whole_job,
    "plain, 20 channels": plain,
    "plain, 20 channels, equal band": partial(plain, low=1.0, high=20.44),
    "plain, 17 electrodes": partial(plain, derived=False),
    "plain, 17 electrodes, equal band": partial(plain, low=1.0, high=20.44, derived=False),
}


def main() -> int:
    """Print seconds, hours of EEG per second, and memory; return the exit status."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"{number}.edf" for number in range(2 * measure.CORES)]
        if arguments.file:
            shutil.copy(arguments.file, files[0])
        else:
            _write(files[0], arguments.minutes)
        for path in files:
            if path != files[0]:
                shutil.copy(files[0], path)
            path.with_suffix(".tse").write_text("version = tse_v1.0.0\n\n0.0000 0.0000 bckg 1.0000\n", encoding="ascii")
        hours = float(edf_header.parse_header(files[0].read_bytes()).seconds) / 3600
        print(f"{files[0].stat().st_size / 2**20:.1f} MiB, {hours:.3f} h; {measure.CORES} cores")
        _one_core(files[0], hours, arguments.rounds)
        _all_cores(files, hours, arguments.rounds)
    return 0


def _one_core(path: Path, hours: float, rounds: int) -> None:
    took = measure.time_in_turns({name: partial(way, path) for name, way in WAYS.items()}, rounds)
    ours = min(cpu for _, cpu in took["blindtune, signal path"])
    for name, times in took.items():
        cpu = [one for _, one in times]
        peak = measure.measure_peak(WAYS[name], path)
        print(
            f"one core, {name}: {min(cpu):.3f} s of CPU (median {median(cpu):.3f}), {hours / min(cpu):.2f} h/s, "
            f"{min(cpu) / ours:.2f} of the first, {peak:.0f} MiB"
        )
    least = {name: min(cpu for _, cpu in times) for name, times in took.items()}
    for name in ("plain, 20 channels, equal band", "plain, 17 electrodes, equal band"):
        print(f"the whole job takes 1/{least[name] / least['blindtune, whole job']:.2f} of the CPU of: {name}")


def _all_cores(files: list[Path], hours: float, rounds: int) -> None:
    ways = ("blindtune, signal path", "blindtune, whole job", "plain, 20 channels, equal band")
    pools = {
        processes: measure.WarmProcesses(processes, partial(_all_ways, files[0])) for processes in (1, measure.CORES)
    }
    calls = {
        f"{name}|{processes}": partial(pool.call, WAYS[name], files)
        for name in ways
        for processes, pool in pools.items()
    }
    walls = {name: min(wall for wall, _ in times) for name, times in measure.time_in_turns(calls, rounds).items()}
    for pool in pools.values():
        pool.close()
    for name in ways:
        one, many = walls[f"{name}|1"], walls[f"{name}|{measure.CORES}"]
        print(
            f"{name}: {len(files) * hours / one:.2f} h/s by one process, {len(files) * hours / many:.2f} by "
            f"{measure.CORES}, {one / many:.2f} times"
        )


def _all_ways(path: Path) -> None:
    for way in WAYS.values():
        way(path)


def _config(path: Path) -> EegConfig:
    return EegConfig(source="eeg", folder=str(path.parent), patient="(.+)", sizes=Sizes(train=2, dev=2, eval=2))


def _cut(x: Any) -> Any:
    segments = x.shape[1] // LENGTH
    return np.ascontiguousarray(x[:, : segments * LENGTH].reshape(len(x), segments, LENGTH).swapaxes(0, 1), np.float32)


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


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=int, default=60)
    parser.add_argument("--file", type=Path, help="a recording of your own instead")
    parser.add_argument("--rounds", type=int, default=8)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
