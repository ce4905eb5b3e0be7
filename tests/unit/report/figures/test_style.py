"""The style of the figures."""

import pytest

from blindtune.report.figures.style import new_figure, set_log_axis


@pytest.mark.parametrize(("low", "high"), [(1, 3), (0.2, 5), (4, 60), (8, 11), (24, 43), (10, 30000)])
def test_set_log_axis_labels_its_ticks_exactly(low: float, high: float) -> None:
    """The ticks of a logarithmic axis are labelled with their values."""
    with new_figure() as figure:
        axes = figure.subplots()
        axes.set_xlim(low, high)
        axes.set_xscale("log")
        set_log_axis(axes.xaxis, low, high)
        figure.draw_without_rendering()
    shown = {tick.get_loc(): tick.label1.get_text() for tick in axes.xaxis.get_major_ticks()}
    assert len(shown) >= 2
    assert [float(text.replace(",", "")) for text in shown.values()] == pytest.approx(list(shown))
