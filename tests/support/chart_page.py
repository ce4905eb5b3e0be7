"""Work with an interactive chart of the page in a browser: find what is drawn, point at it, use its controls."""

from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Locator, Page

#: Collects the drawn items of a chart: the role of the mark, the row, and the place on the canvas.
_COLLECT = """(box, kind) => {
  const view = box.chart.view, found = [];
  const [left, top] = view.origin(), pad = view.padding();
  const walk = (mark, x, y) => {
    for (const item of mark.items) {
      if (mark.marktype === "group") {
        for (const child of item.items) walk(child, x + (item.x || 0), y + (item.y || 0));
      } else if (mark.marktype === kind) {
        const { x1, y1, x2, y2 } = item.bounds;
        const isPlain = ([, value]) => typeof value !== "object";
        const row = item.datum && Object.fromEntries(Object.entries(item.datum).filter(isPlain));
        found.push({ role: mark.role, row, text: item.text, fill: item.fill, x: x + (item.x || 0),
          y: y + (item.y || 0), box: [x + x1, y + y1, x + x2, y + y2] });
      }
    }
  };
  walk(view.scenegraph().root, left + pad.left, top + pad.top);
  return found;
}"""


@dataclass
class ChartPage:
    """An interactive chart of an open page.

    Attributes:
        page: the page.
        id: of the chart's element.
    """

    page: Page
    id: str

    @property
    def box(self) -> Locator:
        """The element of the chart."""
        return self.page.locator(f"#{self.id}")

    @property
    def canvas(self) -> Locator:
        """What it is drawn on."""
        return self.box.locator("canvas")

    @property
    def tip(self) -> Locator:
        """The box that hovering shows."""
        return self.page.locator(".chart-tip")

    def show(self) -> "ChartPage":
        """Scroll to the chart and wait until it is drawn; return it."""
        self.page.locator(f"#{self.id}-frame").scroll_into_view_if_needed()
        self.page.locator(f"#{self.id}[data-drawn=yes]").wait_for()
        return self

    def settle(self) -> None:
        """Wait until all changes are drawn."""
        self.box.evaluate("async box => { await box.chart.queue; await box.chart.view.runAsync(); }")

    def items(self, kind: str, **row: Any) -> list[dict[str, Any]]:
        """Return the drawn items of a type of mark whose row has these values.

        Args:
            kind: such as "symbol", "line" or "text".
            row: field and value.
        """
        found = self.box.evaluate(_COLLECT, kind)
        return [item for item in found if all((item["row"] or {}).get(name) == value for name, value in row.items())]

    def systems(self, kind: str = "symbol") -> set[str]:
        """Return the systems that are drawn."""
        return {item["row"]["system"] for item in self.items(kind) if "system" in (item["row"] or {})}

    def point_at(self, item: dict[str, Any]) -> tuple[float, float]:
        """Move the mouse to an item and return where that is; the page is not scrolled.

        Args:
            item: one of `items`.
        """
        area = self.canvas.bounding_box()
        assert area is not None
        place = area["x"] + item["x"], area["y"] + item["y"]
        self.page.mouse.move(place[0] - 30, place[1] - 30)
        self.page.mouse.move(*place)
        return place

    def read_tip(self) -> dict[str, str]:
        """Return the rows of the box that hovering shows; empty if it is not shown."""
        if not self.tip.is_visible():
            return {}
        names, values = (self.tip.locator(tag).all_inner_texts() for tag in ("b", "span"))
        return dict(zip(names, values, strict=True))

    def choose(self, label: str, option: str) -> None:
        """Choose an option of a menu.

        Args:
            label: of the menu.
            option: its text.
        """
        self.box.get_by_label(label, exact=True).select_option(option)
        self.settle()

    def click(self, name: str) -> None:
        """Click on the button with a name.

        Args:
            name: its text or label.
        """
        self.box.get_by_role("button", name=name, exact=True).click()
        self.settle()

    def check(self, name: str, checked: bool) -> None:
        """Check a box, or uncheck it.

        Args:
            name: its label.
            checked: whether it is checked.
        """
        self.box.get_by_role("checkbox", name=name, exact=True).set_checked(checked)
        self.settle()

    def scale(self, axis: str) -> tuple[str, list[float]]:
        """Return the type and the domain of a scale.

        Args:
            axis: "x" or "y".
        """
        read = "(box, axis) => { const scale = box.chart.view.scale(axis); return [scale.type, scale.domain()]; }"
        kind, domain = self.box.evaluate(read, axis)
        return kind, domain

    def axis_title(self, axis: str) -> str:
        """Return the title of an axis.

        Args:
            axis: "x" or "y".
        """
        titles = [item for item in self.items("text") if item["role"] == "axis-title"]
        return str(max(titles, key=lambda item: item["y"] if axis == "x" else -item["x"])["text"])
