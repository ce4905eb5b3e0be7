"""A frozen model: its card, its weights, and the data that it was made with, from which it is rebuilt."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from blindtune.config.systems import System
from blindtune.config.training import Training
from blindtune.core.errors import UserError
from blindtune.core.weights import read_weights
from blindtune.datasets.prepared import Prepared
from blindtune.records.model_card import ModelCard
from blindtune.study.model_code import digest_model_code
from blindtune.study.rebuild import rebuild_model
from blindtune.training.base import Model, TrainingTask
from blindtune.training.registry import create_trainer
from blindtune.views.apply import collect_inputs, make_view, show_split
from blindtune.views.base import StoredView, ViewFunction, ViewInputs


@dataclass(frozen=True)
class FrozenModel:
    """A frozen model and the data that it was made with.

    Attributes:
        card: the description of the model.
        folder: the folder of the card and the weights.
        data: train and dev of its dataset, as they are stored.
        workers: number of cores that a reference model may use; changes no prediction.
    """

    card: ModelCard
    folder: Path
    data: Prepared
    workers: int = 1

    @property
    def settings(self) -> System:
        """The config of its system.

        Raises:
            UserError: the card is of an older version, whose keys have other names now.
        """
        try:
            return TypeAdapter[System](System).validate_python(self.card.settings)
        except ValidationError as error:
            raise UserError(
                f"{self.folder / 'card.json'}: was written by another version of blindtune, with other keys. Remove it "
                "and run again."
            ) from error

    def check_data(self) -> None:
        """Refuse other data or other code than the model was frozen with.

        Raises:
            UserError: train, dev, what the view takes of the dataset, or the code have changed.
        """
        if self.data.sha256 != self.card.data_sha256:
            raise UserError(
                f"{self.card.study}: was frozen on other train and dev data. Remove its card and run again."
            )
        if self.card.preprocessing is None:
            return  # a card of before; its identity does not say
        if self.card.preprocessing != self.view_inputs.identity():
            what = "other settings of the preparation that its view takes"
            if "features" in self.card.preprocessing:
                what = "another extractor (its code, weights or arguments), or other features of train and dev"
            raise UserError(f"{self.card.study}: was frozen with {what}. Remove its card and run again.")
        if self.card.code_sha256 != digest_model_code(self.settings, self.data.manifest["source"]["source"]):
            raise UserError(
                f"{self.card.study}: was frozen with other code than runs now. Remove its card and run again."
            )

    def predict(self, x: NDArray[Any]) -> NDArray[np.int64]:
        """Return the labels of stored samples, (n_samples,).

        Args:
            x: samples as they are stored, (n_samples, ...).

        Raises:
            UserError: as `model`.
        """
        return self.model.predict(x)

    @cached_property
    def view_inputs(self) -> ViewInputs:
        """What its view takes of the dataset besides samples."""
        return collect_inputs(self.settings.view, self.data)

    @cached_property
    def view(self) -> ViewFunction:
        """The view of its system, from stored samples to what the model gets."""
        return make_view(self.settings.view, self.data, self.view_inputs)

    @property
    def task(self) -> TrainingTask:
        """The training that gave the model; its settings are the default ones where they change nothing."""
        card = self.card
        return TrainingTask(
            card.blueprint, card.training or Training(), card.hyperparameters, card.model_seed, card.classes
        )

    def check_view(self) -> None:
        """Refuse a view whose code fails, or gives other features of train than it gave; called before a decode begins.

        Raises:
            UserError: the message names the code.
        """
        if isinstance(self.view, StoredView):
            self.view.check()

    def show_sealed(self, x: NDArray[Any], sha256: str, folder: Path) -> Any:
        """Return what the model gets of eval; called by a decode after its ledger has its line.

        Args:
            x: samples of eval as they are stored, (n_samples, ...).
            sha256: identifies eval.
            folder: its sealed folder, where a view that takes long keeps what it computed.
        """
        view = self.view
        return view.show_sealed(x, sha256, folder / "features") if isinstance(view, StoredView) else view(np.asarray(x))

    @cached_property
    def model(self) -> Model:
        """The model, which takes stored samples; rebuilt and verified on dev when it is first used.

        Raises:
            UserError: as `viewed_model`.
        """
        model, view = self.viewed_model, self.view
        labels, answer = model.predict, model.answer
        return Model(
            lambda x: answer(view(np.asarray(x))), lambda x: labels(view(np.asarray(x))), get_network=model.get_network
        )

    @cached_property
    def viewed_model(self) -> Model:
        """The model, which takes samples with the view applied; rebuilt and verified on dev when it is first used.

        Raises:
            UserError: the data or the weights are not those of the card, or the rebuilt model has another dev error.
        """
        self.check_data()
        card, train, dev = self.card, self.data.train, self.data.dev
        view = self.view
        weights = {}
        if card.weights:
            weights = read_weights(self.folder / card.weights, str(card.weights_sha256))
        else:
            # A reference model is fitted again; only then is it worth the time to apply the view to all of train.
            train = replace(train, x=show_split(view, self.data, "train"))
        return rebuild_model(
            create_trainer(self.settings.trainer_name, self.workers),
            self.task,
            weights,
            train=train,
            dev=replace(dev, x=show_split(view, self.data, "dev")),
            dev_error=card.dev_error,
            what=f"{card.study}: the frozen model",
            metric=card.metric,
            dev_metric=card.dev_metric,
        )
