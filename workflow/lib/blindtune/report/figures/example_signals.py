"""Draw example signals of each class, one channel below the other."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from blindtune.core.colors import CLASSES
from blindtune.report.figures.style import WIDTH, escape_dollars, new_figure
from blindtune.report.records import DatasetRecords

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SECONDS = 2.0
#: Segments per class that fit side by side.
EACH = 2


def draw_signals(dataset: DatasetRecords) -> "Figure":
    """Draw two segments of each class side by side, all on the same scale."""
    shown, classes = dataset.examples, dataset.manifest.classes
    rate = float(dataset.manifest.source["sfreq"])
    chosen = [int(at) for label in range(len(classes)) for at in np.flatnonzero(shown["y"] == label)[:EACH]]
    signals = [_middle(shown["x"][at], rate) for at in chosen]
    step = _round(3.0 * float(np.quantile(np.abs(signals), 0.95)))
    with new_figure(WIDTH, 6.2) as figure:
        panels: Any = figure.subplots(1, len(chosen), sharex=True, sharey=True, squeeze=False)
        for axes, at, signal in zip(panels[0], chosen, signals, strict=True):
            label = int(shown["y"][at])
            seconds = np.arange(signal.shape[1]) / rate
            axes.plot(seconds, (signal - step * np.arange(len(signal))[:, None]).T, linewidth=0.7, color=_color(label))
            axes.set_title(f"{escape_dollars(classes[label])}\n{escape_dollars(str(shown['group'][at]))}", fontsize=8)
            axes.set_xlabel("seconds")
            axes.grid(visible=False, axis="y")
        _label(panels[0][0], dataset, len(signals[0]), step)
        _scale_bar(panels[0][-1], step, dataset.manifest.units)
        figure.suptitle(f"{escape_dollars(dataset.title)}: {SECONDS:g} seconds of segments of train", fontsize=10.5)
        return figure


def _middle(segment: NDArray[np.float32], rate: float) -> NDArray[np.float32]:
    """Return the middle seconds of a segment, with the mean of each channel removed."""
    length = min(round(SECONDS * rate) + 1, segment.shape[1])
    start = (segment.shape[1] - length) // 2
    part = segment[:, start : start + length]
    return np.asarray(part - part.mean(axis=1, keepdims=True))


def _round(value: float) -> float:
    """Return the nearest of 1, 2 and 5 times a power of ten."""
    value = max(value, 1e-6)
    power = 10.0 ** np.floor(np.log10(value))
    return float(min((factor * power for factor in (1, 2, 5, 10)), key=lambda one: abs(one - value)))


def _color(label: int) -> str:
    return CLASSES[label % len(CLASSES)][0]


def _label(axes: "Axes", dataset: DatasetRecords, channels: int, step: float) -> None:
    names = dataset.manifest.parameters.get("channels") or [f"channel {at + 1}" for at in range(channels)]
    axes.set_yticks([-step * at for at in range(channels)], [escape_dollars(str(name)) for name in names], fontsize=7)
    axes.set_ylim(-step * (channels - 0.2), step * 1.2)
    axes.set_xlim(0, SECONDS)


def _scale_bar(axes: "Axes", step: float, units: str) -> None:
    """Draw a scale bar as long as the distance of two channels."""
    length = f"{step:g} {escape_dollars(units.replace('uV', 'µV'))}"
    place = 1.03 * SECONDS
    axes.plot([place, place], [-step, 0], color="#222222", linewidth=2, clip_on=False)
    axes.text(1.05 * SECONDS, -step / 2, length, va="center", fontsize=8, rotation=90)
