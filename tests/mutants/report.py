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
    Mutant(
        "report-takes-the-lowest-positive-whatever-the-rule",
        f"{_HTML}/side_file.py",
        '        if "rule_positive_score" in table.column_names:\n',
        "        if False:\n",
        "tests/test_report_truth.py -k what_the_run_says",
    ),
    Mutant(
        "report-believes-any-side-file",
        f"{_HTML}/side_file.py",
        "        if all(not ((own[name] != given) & (given != 0)).any() for name, given in names.items()):\n",
        "        if True:\n",
        "tests/test_report_truth.py -k disprove",
    ),
    Mutant(
        "report-takes-the-estimate-of-any-sweep",
        f"{_HTML}/given.py",
        "        if about[key] != run[key]:\n",
        "        if False:\n",
        "tests/test_report_truth.py -k estimate_of_another",
    ),
    Mutant(
        "report-bins-whole-numbers-up-to-the-last-edge",
        f"{_HTML}/bins.py",
        "math.floor(high / step) + 2",
        "math.ceil(high / step) + 1",
        "tests/test_report_truth.py -k bins_of_their_own",
    ),
]
