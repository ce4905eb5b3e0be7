"""The results of a run for a notebook: trials as a table, the frozen model as an object, and its recorded decode.

Everything is read from records; nothing is changed, and no sealed data are opened.

    from blindtune import open_results

    for study in open_results("results/mine"):
        print(study.id, study.best().score)
    study = open_results("results/mine")["wine/mlp_a1/42"]
    study.trials().sort_values("score")
    model = study.model()
    model.predict(x)
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from blindtune.core.arrays import read_npz
from blindtune.core.errors import UserError
from blindtune.core.files import read_json
from blindtune.core.paths import ResultPaths, find_results
from blindtune.exports.stored_study import StoredStudy, find_studies
from blindtune.records.decode_result import DecodeResult, check_result, parse_decode_result
from blindtune.records.trial import Trial, find_best
from blindtune.views.base import SampleView

if TYPE_CHECKING:
    import pandas as pd

    from blindtune.decoding.frozen_model import FrozenModel

#: What to do with a decode that contradicts itself.
_AGAIN = "Remove result.json there and run again."

#: Fields of a trial that are columns of the table of trials, in their order.
_COLUMNS = (
    "number",
    "status",
    "score",
    "metric",
    "metric_value",
    "epochs",
    "best_epoch",
    "scored_epoch",
    "n_parameters",
    "reason",
    "parent",
    "fold",
    "started",
)


def open_results(folder: str | Path) -> "Results":
    """Open the studies in and below a folder.

    Args:
        folder: ``results/<name>`` of a run, the folder of one study, or any folder above it.

    Raises:
        UserError: the folder holds no study with trials, is sealed, or holds a damaged study.
    """
    return Results([StudyResults(stored) for stored in find_studies([Path(folder)])])


@dataclass(frozen=True)
class Results:
    """The studies of a folder.

    Attributes:
        studies: sorted by id; estimates of the Bayes error, which have no trials, are not among them.
    """

    studies: "list[StudyResults]"

    def __iter__(self) -> "Iterator[StudyResults]":
        """Return an iterator over the studies."""
        return iter(self.studies)

    def __len__(self) -> int:
        """Return the number of studies."""
        return len(self.studies)

    def __getitem__(self, name: str) -> "StudyResults":
        """Return the study whose id is, or ends with, a name such as ``wine/mlp_a1/42``.

        Args:
            name: the whole id, or its last parts.

        Raises:
            KeyError: no study or several have this name; the message lists studies.
        """
        found = [study for study in self.studies if f"/{study.id}".endswith(f"/{name}")]
        if len(found) != 1:
            known = ", ".join(study.id for study in found or self.studies)
            raise KeyError(f"{name!r} is the name of {len(found)} studies; take one of {known}")
        return found[0]


@dataclass(frozen=True)
class StudyResults:
    """One study: its trials, its frozen model and its decode.

    Attributes:
        stored: its records.
    """

    stored: StoredStudy

    @property
    def id(self) -> str:
        """``<config name>/<dataset>/<system>/<seed>``."""
        return self.stored.study.id

    def trials(self) -> "pd.DataFrame":
        """Return a table with a row for each trial, in the order of the proposals.

        Its columns are those of the record, such as ``number``, ``status`` and ``score`` (the dev error), then
        ``seconds`` (wall time of all parts), and one column for each hyperparameter with ``params_`` before its name.
        A hyperparameter that was not active in a trial is missing there.
        """
        import pandas as pd

        columns: dict[str, list[Any]] = {
            name: [getattr(trial, name) for trial in self.stored.trials] for name in _COLUMNS
        }
        columns["seconds"] = [sum(part.wall for part in trial.seconds.values()) for trial in self.stored.trials]
        names = dict.fromkeys(name for trial in self.stored.trials for name in trial.hyperparameters)
        for name in names:
            columns[f"params_{name}"] = [trial.hyperparameters.get(name) for trial in self.stored.trials]
        return pd.DataFrame({name: pd.Series(values, dtype=_find_dtype(values)) for name, values in columns.items()})

    def best(self) -> Trial | None:
        """Return the trial that is frozen: the best on dev, the earliest of equal ones; None if none completed."""
        return find_best(self.stored.trials)

    def model(self, manifest: str | Path | None = None) -> "TrainedModel":
        """Return the frozen model, rebuilt from its records and proved by its dev error.

        Args:
            manifest: of the data of the study; None: where the study's config has put it.

        Raises:
            UserError: the study is not finished, its data are not found, or the code or the records have changed.
        """
        from blindtune.decoding.open_model import open_frozen

        frozen = open_frozen(self.stored.folder, None if manifest is None else Path(manifest))
        _ = frozen.model
        return TrainedModel(frozen)

    def decode_result(self) -> DecodeResult | None:
        """Return the recorded result on eval; None if the model was not decoded. This method never decodes.

        Raises:
            UserError: the result contradicts the recorded predictions.
        """
        study = self.stored.study
        place = (study.dataset, study.system, study.seed)
        paths = find_results(self.stored.folder, ResultPaths("").study(*place))
        path = None if paths is None else Path(paths.decode(*place)) / "result.json"
        if path is None or not path.exists():
            return None
        result = parse_decode_result(read_json(path), str(path))
        if result.study != study.id:
            raise UserError(f"{path}: is the result of {result.study}, not of {study.id}. Remove it and run again.")
        source = path.with_name("predictions.npz")
        return check_result(result, read_npz(source, _AGAIN), str(path), str(source), _AGAIN)


def _find_dtype(values: list[Any]) -> str | None:
    """Return the type of a column of pandas: whole numbers and booleans stay what they are where some are missing."""
    kinds = {type(value) for value in values if value is not None}
    if kinds == {int}:
        return "Int64"
    if kinds == {bool}:
        return "boolean"
    return "float64" if kinds and kinds <= {int, float} else "object"


@dataclass(frozen=True)
class TrainedModel:
    """A frozen model that answers new samples.

    Samples have the form in which the dataset is stored: what `blindtune.datasets.prepared` wrote to ``train/x.npy``,
    (n_samples, ...). The view of the system, such as a standardisation, is applied here.

    Attributes:
        frozen: the model with its card and its data.
    """

    frozen: "FrozenModel"

    @property
    def classes(self) -> list[str]:
        """A name for each label."""
        return self.frozen.data.classes

    @property
    def network(self) -> Any:
        """The module of PyTorch, the model of Keras or the estimator of scikit-learn; it takes what `view` returns.

        A network that was trained with cross-entropy gives logits, unless it is one of your own code.
        """
        get_network = self.frozen.model.get_network
        return None if get_network is None else get_network()

    def view(self, x: NDArray[Any]) -> NDArray[np.float32]:
        """Return samples as the network gets them in scoring, (n_samples, ...) float32.

        Args:
            x: samples as they are stored.
        """
        shown = self.frozen.view(np.asarray(x))
        return shown.eval_batch(slice(None)) if isinstance(shown, SampleView) else shown

    def predict(self, x: NDArray[Any]) -> NDArray[np.int64]:
        """Return the label of each sample, (n_samples,).

        Args:
            x: samples as they are stored.
        """
        return self.frozen.predict(self._check(x))

    def predict_proba(self, x: NDArray[Any]) -> NDArray[np.float32]:
        """Return the probability of each class, (n_samples, n_classes).

        Args:
            x: samples as they are stored.

        Raises:
            UserError: the model gives labels alone.
        """
        probabilities = self.frozen.model.answer(self._check(x)).probabilities
        if probabilities is None:
            raise UserError(f"{self.frozen.card.study}: this model gives labels alone, no probabilities.")
        return probabilities

    def __call__(self, x: NDArray[Any]) -> NDArray[np.int64]:
        """Return the label of each sample, as `predict`."""
        return self.predict(x)

    def _check(self, x: NDArray[Any]) -> NDArray[Any]:
        x, shape = np.asarray(x), self.frozen.data.sample_shape
        if x.shape[1:] != shape:
            raise UserError(
                f"{self.frozen.card.study}: takes samples of the shape (n_samples, {', '.join(map(str, shape))}), not "
                f"{x.shape}."
            )
        return x
