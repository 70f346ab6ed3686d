"""Planted faults: the report as a page."""

from tests.mutants.table import Mutant

_HTML = "python/hardmine/report/html"

MUTANTS = [
    Mutant(
        "report-text-becomes-markup",
        f"{_HTML}/elements.py",
        "    return escape(_shown(str(value)), quote=False)\n",
        "    return _shown(str(value))\n",
        "tests/test_report_html.py -k hostile",
    ),
    Mutant(
        "report-ratio-falls-with-the-score",
        f"{_HTML}/material.py",
        "/ np.abs(wide)\n",
        "/ wide\n",
        "tests/test_report_html.py -k below_zero",
    ),
    Mutant(
        "report-examples-as-they-come",
        f"{_HTML}/material.py",
        'worst = known[np.argsort(-suspicions[known], kind="stable")]',
        "worst = known",
        "tests/test_report_html.py -k most_suspicious",
    ),
    Mutant(
        "report-as-large-as-its-texts",
        f"{_HTML}/examples.py",
        "            if used > room:\n                break\n",
        "",
        "tests/test_report_html.py -k small_whatever",
    ),
    Mutant(
        "report-runs-any-script",
        f"{_HTML}/page.py",
        "default-src 'none'; img-src data:; ",
        "",
        "tests/test_report_html.py -k asks_for_nothing",
    ),
    Mutant(
        "report-counts-the-reasons-of-a-query-for-each-positive",
        f"{_HTML}/side_file.py",
        "counts[is_first].sum(axis=0)",
        "counts.sum(axis=0)",
        "tests/test_report_files.py -k side_file_gives",
    ),
    Mutant(
        "report-filter-shows-all",
        f"{_HTML}/page.js",
        "example.hidden = !fits;",
        "example.hidden = false;",
        "tests/test_report_browser.py -k filter",
    ),
]
