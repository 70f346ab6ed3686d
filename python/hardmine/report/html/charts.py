"""Pictures of binned values: Altair draws them once, as SVG that takes its colours from the page.

The colours in a drawing are those of a light page. `style` has the page paint them otherwise on a dark one, so that one
drawing serves both and still reads where it is cut out of the page.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any, NamedTuple
from xml.etree import ElementTree as ET

from hardmine.plumbing.extras import need

WIDTH, HEIGHT = 400, 190

INK, MUTED, GRID = "#1c2733", "#556270", "#e2e7ec"
POSITIVE, NEGATIVE, NEUTRAL, LIMIT = "#2a66a8", "#c4551b", "#7a8794", "#8a1f4b"
GREEN, OCHRE = "#2f7a4d", "#8a6a00"
FAMILIES = (POSITIVE, NEGATIVE, GREEN, LIMIT, OCHRE, NEUTRAL)
DARK = {
    INK: "#e4eaf0", MUTED: "#a7b3bf", GRID: "#2b3540", POSITIVE: "#7db4ef", NEGATIVE: "#f09a63", NEUTRAL: "#8795a3",
    LIMIT: "#f187b4", GREEN: "#74cf97", OCHRE: "#dcb84a",
}  # fmt: skip
"""What stands for each colour on a dark page."""


def style() -> str:
    """The rules of a style sheet that turn drawings into those of a dark page."""
    kinds = [(light, dark, kind) for light, dark in DARK.items() for kind in ("fill", "stroke")]
    return "".join(f'.chart [{kind}="{light}"]{{{kind}:{dark}}}' for light, dark, kind in kinds)


class Outline(NamedTuple):
    """One series of a histogram: the height of every bin, in percent of the series."""

    name: str
    colour: str
    heights: Sequence[float]


class Mark(NamedTuple):
    """A value that is marked by a line."""

    at: float
    name: str


class Point(NamedTuple):
    """One setting of a sweep: where it stands, its interval, and which family of rules it belongs to."""

    x: float
    y: float
    low: float | None
    high: float | None
    family: str
    is_recommended: bool


def altair() -> Any:
    """The library that draws, and its renderer; or one line that says which extra brings them."""
    need("vl_convert", what="the report", extra="report")
    return need("altair", what="the report", extra="report")


def outlines(edges: Sequence[float], series: Sequence[Outline], marks: Sequence[Mark], title: str) -> str:
    """Histograms of several series over the same bins, one over the other, and lines at marked values."""
    alt = altair()
    x = alt.X("x:Q", title=title, scale=alt.Scale(domain=[edges[0], edges[-1]], nice=False, zero=False))
    layers = []
    for one in series:
        steps = [
            {"x": edge, "y": _short(height)}
            for edge, height in zip(edges, [*one.heights, one.heights[-1]], strict=True)
        ]
        y = alt.Y("y:Q", title="share (%)", stack=None)
        layers.append(
            alt.Chart(alt.Data(values=steps))
            .mark_area(
                interpolate="step-after",
                color=one.colour,
                fillOpacity=0.22,
                line={"color": one.colour, "strokeWidth": 1.5},
            )
            .encode(x=x, y=y)
        )
    inside = [mark for mark in marks if edges[0] <= mark.at <= edges[-1]]
    for mark in inside:
        base = alt.Chart(alt.Data(values=[{"x": mark.at, "name": mark.name}])).encode(x=x)
        where = (mark.at - edges[0]) / (edges[-1] - edges[0])
        align = "left" if where < 0.25 else "right" if where > 0.75 else "center"
        layers.append(base.mark_rule(color=LIMIT, strokeDash=[4, 3], strokeWidth=1.5))
        layers.append(
            base.mark_text(color=LIMIT, baseline="bottom", dy=-4, align=align).encode(text="name:N", y=alt.value(0))
        )
    return _svg(alt.layer(*layers), HEIGHT, top=20 if inside else 8)


def bars(names: Sequence[str], values: Sequence[float], labels: Sequence[str], strong: Sequence[bool]) -> str:
    """Horizontal bars, each under its name and value, where they fit in any font; grey unless strong."""
    alt = altair()
    data = [
        {"at": at, "value": _short(value), "label": f"{name}: {label}", "colour": NEGATIVE if is_strong else NEUTRAL}
        for at, (name, value, label, is_strong) in enumerate(zip(names, values, labels, strong, strict=True))
    ]
    base = alt.Chart(alt.Data(values=data)).encode(y=alt.Y("at:O", title=None, axis=None))
    length = alt.X("value:Q", title=None, axis=None, scale=alt.Scale(domain=[0, max([*values, 1e-9])]))
    drawn = base.mark_bar(height=10, yOffset=8).encode(x=length, color=alt.Color("colour:N", scale=None))
    texts = base.mark_text(align="left", baseline="bottom", color=INK).encode(x=alt.value(0), text="label:N")
    return _svg(alt.layer(drawn, texts), 36 * len(data) + 10, top=2)


def columns(names: Sequence[str], values: Sequence[float], labels: Sequence[str], title: str) -> str:
    """Vertical bars over names in their order, with their values written on them."""
    alt = altair()
    data = [
        {"name": name, "value": _short(value), "label": label}
        for name, value, label in zip(names, values, labels, strict=True)
    ]
    base = alt.Chart(alt.Data(values=data)).encode(
        x=alt.X("name:N", sort=None, title=title, axis=alt.Axis(labelAngle=0 if len(data) <= 8 else -45)),
        y=alt.Y("value:Q", title=None, axis=None, scale=alt.Scale(domain=[0, 1.12 * max([*values, 1e-9])])),
    )
    drawn = base.mark_bar(color=NEGATIVE, fillOpacity=0.85)
    texts = base.mark_text(baseline="bottom", dy=-3, color=INK, fontSize=11).encode(text="label:N")
    return _svg(alt.layer(drawn, texts), HEIGHT)


def trade_off(points: Sequence[Point], families: Sequence[str], x_title: str, y_title: str) -> str:
    """A curve for each family of rules, with intervals, and a ring around the recommended setting."""
    alt = altair()
    # An interval that says nothing would make the rest small: it runs out of the picture instead.
    best = [point.high for point in points if point.is_recommended and point.high is not None]
    top = 1.25 * max([*(point.y for point in points), *best, 0.8])
    x = alt.X("x:Q", title=x_title, scale=alt.Scale(zero=False, nice=True))
    y = alt.Y("y:Q", title=y_title, scale=alt.Scale(domain=[0, top], nice=False))
    whiskers, lines = [], []
    for number, family in enumerate(families):
        colour, dash = FAMILIES[number % len(FAMILIES)], _DASHES[number % len(_DASHES)]
        own = [point for point in points if point.family == family]
        base = alt.Chart(alt.Data(values=[{"x": _short(point.x), "y": _short(point.y)} for point in own]))
        ends = [
            {"x": _short(point.x), "y": _short(min(point.low, top)), "high": _short(min(point.high, top))}
            for point in own
            if point.low is not None and point.high is not None
        ]
        if ends:
            whisker = alt.Chart(alt.Data(values=ends)).mark_rule(color=colour, opacity=0.3, strokeWidth=1.5)
            whiskers.append(whisker.encode(x=x, y=y, y2="high:Q"))
        lines.append(base.mark_line(color=colour, strokeDash=dash, strokeWidth=1.5).encode(x=x, y=y, order="x:Q"))
        lines.append(base.mark_circle(color=colour, size=22, opacity=1).encode(x=x, y=y))
    ring = [{"x": point.x, "y": point.y} for point in points if point.is_recommended]
    if ring:
        drawn = alt.Chart(alt.Data(values=ring)).mark_point(size=170, color=INK, strokeWidth=2, opacity=1)
        lines.append(drawn.encode(x=x, y=y))
    return _svg(alt.layer(*whiskers, *lines), HEIGHT + 50)


_DASHES = [[1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [4, 4], [1, 3]]


def _short(value: float) -> float:
    """As many digits as a picture shows."""
    return float(f"{value:.5g}")


def _svg(chart: Any, height: int, top: int = 8) -> str:
    """The drawing, its size, its fonts and its quiet axes set."""
    alt = altair()
    padding = {"left": 4, "right": 8, "top": top, "bottom": 4}
    shown = (
        chart.properties(width=WIDTH, height=height, padding=padding, background="transparent",
                         autosize=alt.AutoSizeParams(type="fit", contains="padding"))
        .configure(aria=False)
        .configure_view(stroke=None)
        .configure_axis(
            labelColor=MUTED, titleColor=MUTED, gridColor=GRID, domainColor=NEUTRAL, tickColor=NEUTRAL,
            labelFontSize=12, titleFontSize=12, titleFontWeight="normal", labelFontWeight="normal", tickCount=5,
            tickSize=4, titlePadding=6,
        )
        .configure_text(fontSize=12)
    )  # fmt: skip
    target = io.StringIO()
    shown.save(target, format="svg")
    return _lean(target.getvalue())


_DROPPED = {"class", "role", "pointer-events", "font-family", "version", "width", "height", "style"}


def _lean(text: str) -> str:
    """The drawing without what a page has no use for: names of parts, empty paths, fonts, and ids."""
    root = ET.fromstring(text)  # noqa: S314 - what the renderer has just made
    _prune(root)
    for each in root.iter():
        each.tag = each.tag.rpartition("}")[2]
        wide = each is root
        for name in [name for name in each.attrib if name in _DROPPED or name.startswith("aria-")]:
            if each.tag in ("rect", "clipPath") and name in ("width", "height"):
                continue
            del each.attrib[name]
        if wide:
            root.set("class", "chart")
    return ET.tostring(root, encoding="unicode", short_empty_elements=True)


def _prune(parent: Any) -> None:
    """Take out shapes that draw nothing and groups that hold nothing."""
    for child in list(parent):
        _prune(child)
        name = child.tag.rpartition("}")[2]
        is_empty = name == "path" and child.get("d", "") in ("", "M0,0h0v0h0Z")
        is_unpainted = name == "path" and "background" in child.get("class", "") and not child.get("stroke")
        if is_empty or is_unpainted or (name == "g" and not len(child) and not (child.text or "").strip()):
            parent.remove(child)
