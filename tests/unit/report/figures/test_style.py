"""The style of the figures."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from blindtune.report.figures.style import add_legend_below, new_figure, save_figure, set_log_axis


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


@pytest.mark.filterwarnings("ignore:Glyph")
def test_save_figure_writes_xml_for_any_name(tmp_path: Path) -> None:
    """A control character in the name of a class or a file does not make an SVG that no browser shows."""
    with new_figure() as figure:
        figure.text(0.5, 0.5, "a\x1b[31m\x00--b<&>\N{PILE OF POO}\ufffe")
        save_figure(figure, tmp_path, "it")
    # A file that was just written here.
    assert ElementTree.parse(tmp_path / "it.svg").getroot().tag.endswith("svg")  # noqa: S314


def test_long_legends_leave_room_for_the_panel() -> None:
    """A figure of many systems is made higher; one of few keeps its height."""
    for count, grows in ((3, False), (60, True)):
        with new_figure(high=3.5) as figure:
            axes = figure.subplots()
            lines = [axes.plot([0, 1], label=f"a_system_of_number_{number}")[0] for number in range(count)]
            add_legend_below(figure, lines, [str(line.get_label()) for line in lines])
            figure.draw_without_rendering()
            panel, legend = axes.get_window_extent(), figure.legends[0].get_window_extent()
            assert (figure.get_figheight() > 3.5) == grows
            assert panel.y0 >= legend.y1
            assert panel.height / figure.dpi > 1.5
