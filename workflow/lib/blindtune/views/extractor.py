"""Runs a user's function that computes features of samples, and checks all that it returns."""

import os
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blindtune.core.bounds import MAX_FEATURES
from blindtune.core.errors import UserError
from blindtune.core.failures import is_machine_error
from blindtune.models.own_code import LoadedCode, OwnCodeError, load_code
from blindtune.views.base import Floats
from blindtune.views.config import ExtractedView
from blindtune.views.extractor_code import identify, read_extractor, split_build

#: Samples on which an extractor is tried, and which are computed again to compare.
PROBE_ROWS = 8


@dataclass(frozen=True)
class _Tolerance:
    """How far a feature may differ between two computations of the same samples.

    Attributes:
        share: of the largest value of this feature.
        floor: of the largest value of all features: a feature near zero has rounding errors of what it is a sum of.
    """

    share: float
    floor: float


#: Another batch size, another machine and half precision (it rounds to 0.001) change less; dropout, other weights and
#: batch normalization in training more.
_OTHER_BATCH = _Tolerance(share=0.01, floor=0.001)

#: The same batch, computed twice in a row; the floor is that of rounding to 32 bits.
_SAME_BATCH = _Tolerance(share=1e-4, floor=1e-6)


class Extractor:
    """A function of a user, called with a view's settings; it runs when features are first asked for.

    Args:
        config: of the view.
        dataset: name of the dataset, for messages.
        input_shape: shape of one stored sample.
    """

    def __init__(self, config: ExtractedView, dataset: str, input_shape: tuple[int, ...]) -> None:
        """Keep what is needed; nothing runs yet."""
        path, function = split_build(config)
        self._config, self._function = config, function
        self._where = f"dataset {dataset}, view: build: {path}:{function}"
        self._path, self._input_shape = path, input_shape
        self._built: tuple[LoadedCode, Callable[..., Any]] | None = None
        self._n_features: int | None = None
        self._identity: dict[str, Any] | None = None

    def identity(self) -> dict[str, Any]:
        """Return what identifies the code and the weights, as they were when they were first asked for or loaded."""
        if self._identity is None:
            self._identity = identify(self._config)
        return self._identity

    def check_unchanged(self) -> None:
        """Refuse features of code or weights that were saved meanwhile: a computation may take hours.

        Raises:
            UserError: the files are others now than those that were loaded.
        """
        if identify(self._config) != self.identity():
            raise UserError(f"{self._where}: the code or the weights changed meanwhile. Run again.")

    def iterate(self, x: NDArray[Any], notify: Callable[[int], None] = lambda done: None) -> Iterator[Floats]:
        """Yield the features of samples, batch by batch, in their order; each batch begins at a multiple of its size.

        The first samples are computed again before the others, and once more at the end.

        Args:
            x: stored samples, (n_samples, ...).
            notify: takes the number of samples that are done.

        Yields:
            (n_rows, n_features) float32.

        Raises:
            UserError: the code fails or breaks its contract; the message names the file and the function.
        """
        if not len(x):
            return
        size = self._config.batch_size
        first = self.extract(x[: min(size, PROBE_ROWS)])
        self._check_repeatable(x, first)
        for start in range(0, len(x), size):
            yield self.extract(x[start : start + size])
            notify(min(start + size, len(x)))
        self._compare(
            self.extract(x[: len(first)]),
            first,
            _OTHER_BATCH,
            "other features for the first samples after all samples than before",
            "Keep nothing of one batch for the next one; in PyTorch, call model.eval()",
        )

    def extract(self, x: NDArray[Any]) -> Floats:
        """Return the features of one batch.

        Args:
            x: stored samples, (n_rows, ...).

        Returns:
            (n_rows, n_features) float32.

        Raises:
            UserError: as `iterate`.
        """
        loaded, call = self._build()
        # A copy: the code may write into it, and does not get the file that is mapped.
        with self._explaining(loaded):
            found = call(np.array(x))
        return self._checked(found, len(x))

    def check_same(self, x: NDArray[Any], features: Floats, what: str) -> None:
        """Refuse an extractor that gives other features than it gave before.

        Args:
            x: some stored samples, (n_rows, ...).
            features: what it gave for them, (n_rows, n_features).
            what: names them in the message.

        Raises:
            UserError: it gives others.
        """
        self._compare(
            self.extract(x),
            features,
            _OTHER_BATCH,
            f"other features for {what} now than it gave before",
            "It depends on more than its code, weights and arguments, such as a version of a library or another file. "
            "Restore that, or remove the folder of the features and run again",
        )

    def _build(self) -> tuple[LoadedCode, Callable[..., Any]]:
        if self._built is None:
            self.identity()  # before the files are read
            code, config = read_extractor(self._config), self._config
            with self._explaining(None):
                loaded = load_code(code)
            function = getattr(loaded.module, self._function, None)
            if not callable(function):
                raise UserError(f"{self._where}: is not a function. Give one that returns a callable.")
            weights = None if config.weights is None else Path(config.weights).absolute()
            with self._explaining(loaded):
                _seed_generators()
                call = function(self._input_shape, dict(config.arguments), weights)
            if not callable(call):
                raise UserError(
                    f"{self._where}: returned {_type_name(call)}. Return a callable from samples, (n, "
                    f"{', '.join(map(str, self._input_shape))}), to features, (n, n_features)."
                )
            self._built = loaded, call
        return self._built

    @contextmanager
    def _explaining(self, loaded: LoadedCode | None) -> Iterator[None]:
        """Name file and function of errors of the code, and go back to the working folder, which it may change."""
        folder = Path.cwd()
        try:
            if loaded is None:
                yield
            else:
                with loaded.running():
                    yield
        except UserError:
            raise
        except OwnCodeError as error:
            raise UserError(f"{self._where}: {error}. Correct the code or its arguments.") from error
        except MemoryError:
            raise
        except (Exception, SystemExit) as error:
            if is_machine_error(error):
                raise
            reason = (str(error).strip() or "no message").splitlines()[0][:300]
            raise UserError(
                f"{self._where}: {type(error).__name__}: {reason}. Correct the code or its arguments."
            ) from error
        finally:
            if Path.cwd() != folder:
                os.chdir(folder)

    def _checked(self, found: Any, n_rows: int) -> Floats:
        """Return what the code gave for a batch as float32."""
        if not isinstance(found, np.ndarray):
            hint = ", such as tensor.cpu().numpy()" if hasattr(found, "numpy") else ""
            raise UserError(f"{self._where}: its callable returned {_type_name(found)}. Return a NumPy array{hint}.")
        if isinstance(found, np.ma.MaskedArray):
            raise UserError(
                f"{self._where}: its callable returned a masked array, of which the mask would be lost. Return "
                "numbers for all features."
            )
        if found.ndim != 2 or len(found) != n_rows:
            raise UserError(
                f"{self._where}: its callable returned the shape {found.shape} for {n_rows} samples. Return one row of "
                f"features for each sample, ({n_rows}, n_features)."
            )
        if found.dtype.kind != "f":
            raise UserError(f"{self._where}: its callable returned numbers of type {found.dtype}. Return float32.")
        n_features = found.shape[1]
        if not 1 <= n_features <= MAX_FEATURES:
            raise UserError(
                f"{self._where}: its callable returned {n_features:,} features of a sample. Return 1 to "
                f"{MAX_FEATURES:,}."
            )
        if self._n_features not in (None, n_features):
            raise UserError(
                f"{self._where}: its callable returned {n_features:,} features of a sample, and {self._n_features:,} "
                "before. Return as many for every batch."
            )
        self._n_features = n_features
        with np.errstate(over="ignore"):
            features = np.ascontiguousarray(found, dtype=np.float32)
        if not np.isfinite(features).all():
            row = int(np.flatnonzero(~np.isfinite(features).all(axis=1))[0])
            raise UserError(
                f"{self._where}: its callable returned a feature that is not a finite number of 32 bits, for row {row} "
                f"of a batch of {n_rows}. Correct the code, or scale its input."
            )
        return features

    def _check_repeatable(self, x: NDArray[Any], first: Floats) -> None:
        """Refuse features that are random, or that depend on the other samples of the batch."""
        self._compare(
            self.extract(x[: len(first)]),
            first,
            _SAME_BATCH,
            "other features for the same batch a second time",
            "Switch off what is random: in PyTorch call model.eval(), in Keras call model(x, training=False)",
        )
        if len(first) > 1:
            half = len(first) // 2
            self._compare(
                self.extract(x[:half]),
                first[:half],
                _OTHER_BATCH,
                "other features for a sample in another batch",
                "A feature depends on its own sample alone: normalise by constants, and in PyTorch call model.eval()",
            )

    def _compare(self, found: Floats, expected: Floats, tolerance: _Tolerance, what: str, advice: str) -> None:
        """Refuse features of the same samples, (n_rows, n_features) each, if one of them differs."""
        shown = ""
        if found.shape == expected.shape:
            difference = np.abs(found.astype(np.float64) - expected).max(axis=0)
            largest = np.abs(expected).max(axis=0)
            excess = difference - (tolerance.share * largest + tolerance.floor * largest.max())
            worst = int(excess.argmax())
            if excess[worst] <= 0:
                return
            shown = f" (feature {worst} differs by up to {difference[worst]:.3g})"
        raise UserError(f"{self._where}: its callable gives {what}{shown}. {advice}.")


def _seed_generators() -> None:
    """Give the global generators a seed: initial weights that no file replaces are the same in each process."""
    random.seed(0)
    np.random.seed(0)
    torch, keras = sys.modules.get("torch"), sys.modules.get("keras")
    if torch is not None:
        torch.manual_seed(0)
    if keras is not None:
        keras.utils.set_random_seed(0)


def _type_name(value: Any) -> str:
    kind = type(value)
    name = kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
    return "None" if value is None else f"an object of type {name}"
