"""Check that simulated EEG is neither trivial nor impossible to classify, and measure what a leaking split pretends.

    python workflow/benchmarks/simulated_eeg.py                # 70 patients x 2 x 300 s
    python workflow/benchmarks/simulated_eeg.py --patients 24  # smaller

Simulates a corpus in a temporary folder, prepares all its segments as a study does, balances the classes, and prints
the error in % of simple models on simple features: with five folds of whole patients, and with segments assigned at
random. The exit status is 1 if an error is outside its limits.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, KFold, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from blindtune.datasets.base import Sizes
from blindtune.datasets.eeg import features
from blindtune.datasets.eeg.config import CLASSES, EegConfig, SimulatedEegConfig
from blindtune.datasets.eeg.simulated.corpus import EegSimulator
from blindtune.datasets.eeg.source import EegSource

FEATURES = {
    "mean RMS": lambda x, rate: features.amplitudes(x).mean(axis=1, keepdims=True),
    "RMS, 20 channels": lambda x, rate: features.amplitudes(x),
    "line length, 20 channels": lambda x, rate: features.line_lengths(x),
    "band power, 20 x 6": lambda x, rate: features.band_powers(x, rate).reshape(len(x), -1),
    "band power, mean and max": features.band_summary,
}
MODELS = {
    "LR": lambda: make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)),
    "RF": lambda: RandomForestClassifier(300, random_state=0, n_jobs=-1),
    "kNN": lambda: make_pipeline(StandardScaler(), KNeighborsClassifier(5)),
}
#: Feature, model, split, minimum and maximum error in %.
LIMITS = [
    ("mean RMS", "RF", "by patient", 42, 58),
    ("RMS, 20 channels", "RF", "by patient", 40, 58),
    ("RMS, 20 channels", "RF", "at random", 0, 25),
    ("band power, 20 x 6", "RF", "by patient", 20, 40),
    ("band power, mean and max", "RF", "by patient", 20, 40),
]


def main() -> int:
    """Print the table; return the exit status."""
    arguments = _arguments()
    simulate = SimulatedEegConfig(
        patients=arguments.patients, recordings=2, seconds=arguments.seconds, seed=arguments.seed, faults=[]
    )
    config = EegConfig(source="eeg", stand_in=True, simulate=simulate, sizes=Sizes(train=2, dev=2, eval=2))
    with tempfile.TemporaryDirectory() as folder:
        x, y, patients = _segments(Path(folder), simulate, config)
    chosen = _balanced(y)
    x, y, patients = x[chosen], y[chosen], patients[chosen]
    print(f"{len(y)} segments of {len(set(patients))} patients; error in %, by patient / at random")
    errors: dict[tuple[str, str, str], float] = {}
    for feature, of in FEATURES.items():
        values = of(x, config.sfreq)
        for model, new in MODELS.items():
            for split, error in _errors(new, values, y, patients).items():
                errors[feature, model, split] = error
        cells = (
            f"{errors[feature, one, 'by patient']:.1f} / {errors[feature, one, 'at random']:.1f}" for one in MODELS
        )
        print(f"| {feature} | {' | '.join(cells)} |", flush=True)
    outside = [limit[:3] for limit in LIMITS if not limit[3] <= errors[limit[:3]] <= limit[4]]
    for feature, model, split in outside:
        print(f"outside its limits: {model} on {feature}, {split}: {errors[feature, model, split]:.1f}")
    return 1 if outside else 0


def _segments(folder: Path, simulate: SimulatedEegConfig, config: EegConfig) -> tuple[Any, Any, Any]:
    begun = time.process_time()
    source = EegSource(config, EegSimulator(simulate))
    raws = source.list_files()
    for raw in raws:
        source.simulate(raw.file, folder)
    written = time.process_time()
    x, y, patients = [], [], []
    for raw in raws:
        with source.open_file(folder, raw) as recording:
            survey = recording.survey()
            if survey.candidates:
                x.append(recording.cut(survey.candidates))
                y += [CLASSES.index(candidate.label) for candidate in survey.candidates]
                patients += [survey.group] * len(survey.candidates)
    done = time.process_time()
    hours = len(raws) * simulate.seconds / 3600
    print(f"{hours:.1f} h of EEG: {written - begun:.0f} s of CPU to simulate, {done - written:.0f} s to prepare")
    return np.concatenate(x), np.array(y), np.array(patients)


def _balanced(y: Any) -> Any:
    random = np.random.default_rng(0)
    least = np.bincount(y).min()
    return np.sort(np.concatenate([random.permutation(np.flatnonzero(y == label))[:least] for label in set(y)]))


def _errors(new: Any, values: Any, y: Any, patients: Any) -> dict[str, float]:
    folds = {
        "by patient": GroupKFold(5, shuffle=True, random_state=0).split(values, y, patients),
        "at random": KFold(5, shuffle=True, random_state=0).split(values),
    }
    return {
        split: 100 * float((cross_val_predict(new(), values, y, cv=list(fold)) != y).mean())
        for split, fold in folds.items()
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patients", type=int, default=70)
    parser.add_argument("--seconds", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
