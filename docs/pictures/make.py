"""Make the pictures of the README and the site: `make pictures`.

`speed.svg` is drawn from the tables of docs/benchmarks.md, `report.png` is the page that `hardmine mine --report`
writes, photographed by Chromium. Needs hardmine[mine,report], and Chromium for the second.
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
from typing import NamedTuple

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
"""Rows of the page that are shown: group, how the case begins, what it is called. The page has all."""
WIDTH, HEIGHT = 1200, 900
PADDING = {"left": 40, "right": 50, "top": 12, "bottom": 12}
"""Room for fonts that are wider than the one that the labels were measured with."""


class Bar(NamedTuple):
    """One row of the chart."""

    work: str
    peer: str
    ratio: float


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
    import vl_convert

    rows = [
        {**bar._asdict(), "at": max(bar.ratio, 1.0), "label": f"{bar.ratio:g}x {bar.peer}"}
        for bar in bars(BENCHMARKS.read_text())
    ]
    base = alt.Chart(alt.Data(values=rows)).encode(
        y=alt.Y("work:N", sort=None, title=None, axis=alt.Axis(labelLimit=260, ticks=False, domain=False)),
        x=alt.X("ratio:Q", title="times as fast as the best peer (peer's time / hardmine's, logarithmic)",
                scale=alt.Scale(type="log", domain=[0.9, 60], nice=False),
                axis=alt.Axis(values=[1, 2, 5, 10, 20, 50], format="~g")),
    )  # fmt: skip
    bar = base.mark_bar(color="#2f6f9f", height=14).encode(x2=alt.datum(1))
    text = base.mark_text(align="left", dx=5, color="#333").encode(text="label:N", x="at:Q")
    line = alt.Chart(alt.Data(values=[{"at": 1}])).mark_rule(color="#333").encode(x=alt.X("at:Q"))
    chart = (bar + text + line).properties(width=560, height=280, background="white", padding=PADDING)
    chart = (
        chart.configure(font="Arial, Helvetica, sans-serif")
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
    parser.add_argument("--only", choices=("speed", "report"))
    options = parser.parse_args()
    if options.only != "report":
        draw_speed(PICTURES / "speed.svg")
    if options.only != "speed":
        browser = shutil.which("chromium") or shutil.which("google-chrome")
        if browser is None:
            print("no Chromium: report.png is as it was", file=sys.stderr)
            return 1
        photograph_report(PICTURES / "report.png", browser)
    return 0


if __name__ == "__main__":
    sys.exit(main())
