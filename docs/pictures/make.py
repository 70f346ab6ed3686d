"""Make the pictures of the README and the site: `make pictures`.

`speed.svg` is drawn from the tables of docs/benchmarks.md and `history.svg` from the runs that benches/history keeps;
`report.png` is the page that `hardmine mine --report` writes, photographed by Chromium. Needs hardmine[mine,report],
and Chromium for the last.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benches import history

PICTURES = Path(__file__).resolve().parent
BENCHMARKS = PICTURES.parent / "benchmarks.md"
YARDSTICKS = ("reading alone", "numpy alone", "numpy matmul alone", "hardmine")
"""Contenders of the page that are no peers (benches/report.py)."""
ROWS = (
    ("P1", "256 x 100,000 f32", "top k of scores, 256 x 100,000"),
    ("P1", "64 x 1,000,000 f32", "top k of scores, 64 x 1,000,000"),
    ("P2", "10000 x 100000 x 384", "exact search, 10,000 x 100,000"),
    ("P5", "10,000 x 100,000 x 384", "embeddings to training rows"),
    ("P3", "100000 x 100", "PercPos, 8 of 100 candidates"),
    ("P4", "100000 x 100", "SimANS draw, 8 of 100"),
    ("P9", "draw alone", "batch of 256 in a data loader"),
    ("P4b", "1000 users", "uniform draws with exclusion"),
    ("P-bank", "hardest 256", "hardest of a memory bank"),
    ("P-mask", "in_batch_mask, 4096 x 4096 float32", "mask of a batch of 4,096"),
    ("P-triplets", "triplets, batch_hard, 256", "batch-hard triplets of 256"),
    ("P6", "256 functions", "embedding texts, MiniLM"),
)
"""Rows that the charts show: group, how the case begins, what it is called. The page has all."""
TICKS = [lead * 10.0**power for power in range(-2, 5) for lead in (1, 2, 3, 5, 7)]
COLOURS = ["#0072b2", "#d55e00", "#009e73", "#aa4499", "#000000", "#e69f00", "#56b4e9", "#882255"]
SHAPES = ["circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right", "triangle-left"]
COLUMNS, PANEL_WIDTH, PANEL_HEIGHT = 2, 190, 96
"""Two columns are as wide as a phone can show with letters that are read."""
WIDTH, HEIGHT = 1200, 900
PADDING = {"left": 40, "right": 50, "top": 12, "bottom": 12}
"""Room for fonts that are wider than the one that the labels were measured with."""


class Bar(NamedTuple):
    """One row of the chart."""

    work: str
    peer: str
    ratio: float

    def said(self) -> str:
        """The words beside the bar."""
        return f"{self.ratio:g}x {self.peer}"


def bars(page: str) -> list[Bar]:
    """The best true peer of each row, from the first table that has it: that of the highest level."""
    found = []
    cells = [
        [cell.strip() for cell in line.strip("|\n ").split(" | ")] for line in page.splitlines() if line[:3] == "| P"
    ]
    for group, case, work in ROWS:
        line = next(line for line in cells if line[0] == group and line[1].startswith(case))
        peers = re.findall(r"(?:^|; )([^;]+?) [\d.,]+ (?:us|ms|s) \((\d[\d.]*)x\)", line[3])
        name, ratio = next((name, float(ratio)) for name, ratio in peers if not name.startswith(YARDSTICKS))
        found.append(Bar(work, name, ratio))
    return found


def draw_speed(target: Path) -> None:
    """The chart of ratios."""
    import altair as alt

    rows = [{**bar._asdict(), "at": max(bar.ratio, 1.0), "label": bar.said()} for bar in bars(BENCHMARKS.read_text())]
    base = alt.Chart(alt.Data(values=rows)).encode(
        y=alt.Y("work:N", sort=None, title=None, axis=alt.Axis(labelLimit=260, ticks=False, domain=False)),
        x=alt.X("ratio:Q", title="times as fast as the best peer (peer's time / hardmine's, logarithmic)",
                scale=alt.Scale(type="log", domain=[0.9, 60], nice=False),
                axis=alt.Axis(values=[1, 2, 5, 10, 20, 50], format="~g")),
    )  # fmt: skip
    bar = base.mark_bar(color="#2f6f9f", height=14).encode(x2=alt.datum(1))
    text = base.mark_text(align="left", dx=5, color="#333").encode(text="label:N", x="at:Q")
    line = alt.Chart(alt.Data(values=[{"at": 1}])).mark_rule(color="#333").encode(x=alt.X("at:Q"))
    write((bar + text + line).properties(width=560, height=280), target)


class Point(NamedTuple):
    """A row in a run, on one processor at one level."""

    work: str
    series: str
    run: str
    ratio: float
    fallen: bool

    def said(self) -> str:
        """The words that stand with the point in the picture."""
        return f"{self.work}; {self.run}; {self.series}: {self.ratio:g}x" + self.fallen * ", fallen"


def points(folder: Path) -> list[Point]:
    """The kept runs of the rows that are shown, in the order of their dates."""
    found = []
    for path in sorted(folder.glob("*.jsonl")):
        processor = re.sub(r"-(r|tm|processor|cpu)(?=-|$)", "", path.stem)
        runs = history.read(path)
        fallen = [run for run, *_ in history.fallen(runs, history.FALL)]
        for name, run in history.named(runs):
            for group, case, work in ROWS:
                if run.group == group and run.case.startswith(case):
                    found.append(Point(work, f"{processor}, {run.level}", name, run.ratio, run in fallen))
    return sorted(found, key=lambda point: point.run.split()[0])


def spans(found: list[Point]) -> dict[str, tuple[float, float]]:
    """What each panel's axis covers: the same factor in each, so that equal slopes are equal changes."""
    ratios = {work: [point.ratio for point in found if point.work == work] for *_, work in ROWS}
    half = 1.15 * max(max(each) / min(each) for each in ratios.values() if each) ** 0.5
    middles = {work: (min(each) * max(each)) ** 0.5 for work, each in ratios.items() if each}
    return {work: (middle / half, middle * half) for work, middle in middles.items()}


def draw_history(target: Path) -> None:
    """A panel for each row, a line for each processor and level."""
    import altair as alt

    found = points(history.HISTORY)
    runs, series = list(dict.fromkeys(point.run for point in found)), sorted({point.series for point in found})
    legend = alt.Legend(
        title=None, orient="top", columns=COLUMNS, columnPadding=40, labelFontSize=12, labelLimit=0, symbolStrokeWidth=2
    )
    colour, shape = (alt.Scale(domain=series, range=each[: len(series)]) for each in (COLOURS, SHAPES))
    marks = {
        "color": alt.Color("series:N", scale=colour, legend=legend),
        "shape": alt.Shape("series:N", scale=shape, legend=legend),
    }
    axes, panels = spans(found), []
    for place, (work, span) in enumerate(axes.items()):
        x_axis = alt.Axis(title=None, labelAngle=-90, labelFontSize=11, labelLimit=0, labelOverlap="greedy")
        if place < len(axes) - COLUMNS:  # the runs are named below the last row of panels
            x_axis.labels = x_axis.ticks = False
        x = alt.X("run:N", scale=alt.Scale(domain=runs), axis=x_axis)
        panels.append(panel([point for point in found if point.work == work], span, x, marks))
    write(alt.concat(*panels, columns=COLUMNS, spacing=14), target, PADDING | {"left": 12, "right": 20, "bottom": 24})


def panel(shown: list[Point], span: tuple[float, float], x: Any, marks: dict[str, Any]) -> Any:
    """The runs of one row: points and lines, a ring where the last one is low."""
    import altair as alt

    low, high = span
    y_axis = alt.Axis(values=[tick for tick in TICKS if low <= tick <= high], format="~g")
    title = alt.TitleParams(shown[0].work, anchor="start", frame="group", fontSize=12, fontWeight="normal")
    rows = [point._asdict() | {"said": point.said()} for point in shown]
    base = alt.Chart(alt.Data(values=rows), title=title).encode(
        x=x,
        y=alt.Y("ratio:Q", title=None, scale=alt.Scale(type="log", domain=span, nice=False), axis=y_axis),
        color=marks["color"],
    )
    layers = [
        base.mark_line(strokeWidth=1.5, aria=False),
        base.mark_point(size=36, strokeWidth=1.5, opacity=1).encode(shape=marks["shape"], description="said:N"),
        base.transform_filter("datum.fallen").mark_point(
            size=190, stroke="#c00000", strokeWidth=1.5, opacity=1, aria=False
        ),
    ]
    if low < 1 < high:
        layers.append(alt.Chart(alt.Data(values=[{"at": 1}])).mark_rule(color="#333").encode(y="at:Q"))
    return alt.layer(*layers).properties(width=PANEL_WIDTH, height=PANEL_HEIGHT)


def write(chart: Any, target: Path, padding: dict[str, int] = PADDING) -> None:
    """A chart as a picture: on white, since the pages around it are light or dark."""
    import vl_convert

    chart = (
        chart.properties(background="white", padding=padding)
        .configure(font="Arial, Helvetica, sans-serif")
        .configure_view(stroke=None)
        .configure_axis(labelFontSize=12, titleFontSize=12)
    )
    target.write_text(vl_convert.vegalite_to_svg(chart.to_json()) + "\n")


def photograph_report(target: Path, browser: str) -> None:
    """The head of the report of a run on the docstrings of the standard library."""
    import hardmine as hm

    collection = hm.Collection.read(sysconfig.get_path("stdlib"), "docstrings", progress=False)
    mined = hm.mine(collection, "bm25", hm.strategies.top_k_perc_pos(4), progress=False)
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "report.html"
        mined.report_html(page, title="Docstrings of the standard library, BM25")
        subprocess.run(
            [browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
             f"--window-size={WIDTH},{HEIGHT}", f"--user-data-dir={folder}/profile", f"--screenshot={target}",
             page.as_uri()],
            check=True, capture_output=True, timeout=120,
        )  # fmt: skip


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=("speed", "history", "report"), default=())
    wanted = parser.parse_args().only or ("speed", "history", "report")
    if "speed" in wanted:
        draw_speed(PICTURES / "speed.svg")
    if "history" in wanted:
        draw_history(PICTURES / "history.svg")
    if "report" in wanted:
        browser = shutil.which("chromium") or shutil.which("google-chrome")
        if browser is None:
            print("no Chromium: report.png is as it was", file=sys.stderr)
            return 1
        photograph_report(PICTURES / "report.png", browser)
    return 0


if __name__ == "__main__":
    sys.exit(main())
