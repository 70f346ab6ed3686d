"""Rules and draws as text: there and back, and what wrong text says."""

import dataclasses
import enum
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hardmine as hm
from hardmine.rules import spelling
from hardmine.rules.spelling import ceiling_spellings, draw_spellings, parse_ceiling, parse_draw, spell
from hardmine.rules.values import _subclasses

READERS = {
    float: st.floats(allow_nan=False, allow_infinity=False),
    int: st.integers(-(10**6), 10**6),
    str: st.sampled_from(["score", "rank"]),
}


def of(table):
    """Values of every class of a table, with whatever parameters they take."""

    @st.composite
    def draw_one(draw):
        made, readers = draw(st.sampled_from(list(table.values())))
        try:
            return made(*(draw(READERS[reader]) for reader in readers))
        except ValueError:  # out of the parameter's range
            return made()

    return draw_one()


CEILINGS, DRAWS = of(spelling._CEILINGS), of(spelling._DRAWS)


@given(CEILINGS)
def test_a_ceiling_there_and_back(ceiling):
    assert parse_ceiling(spell(ceiling)) == ceiling


@given(DRAWS)
def test_a_draw_there_and_back(draw):
    assert parse_draw(spell(draw)) == draw


@given(st.lists(CEILINGS, min_size=1, max_size=4))
def test_several_ceilings_there_and_back(ceilings):
    joined = ceilings[0]
    for ceiling in ceilings[1:]:
        joined = joined & ceiling
    assert parse_ceiling(spell(joined)) == joined
    assert parse_ceiling(" & ".join(map(spell, ceilings))) == joined


@pytest.mark.parametrize(("text", "value"), [
    ("naive", hm.NoCeiling()), ("abs=0.7", hm.Absolute(0.7)), ("margin-pos=-0.1", hm.MarginPos(-0.1)),
    ("perc-pos=0.95", hm.PercPos(0.95)), ("anchored=1.1,1.0", hm.Anchored(1.1, 1.0)), ("anchored=2", hm.Anchored(2.0)),
    (" abs = 1e-3 &anchored ", hm.Absolute(0.001) & hm.Anchored()), ("naive & abs", hm.Absolute()),
    ("perc-pos=0.9@bm25", hm.PercPos(0.9, teacher="bm25")), ("abs @ a/b-c ", hm.Absolute(teacher="a/b-c")),
    ("margin-pos=0.1@x@y, z&abs", hm.MarginPos(0.1, teacher="x@y, z") & hm.Absolute()),
    ("naive & naive", hm.NoCeiling()), ("abs=-0.5&abs=0.5&naive", hm.Absolute(-0.5) & hm.Absolute(0.5)),
])  # fmt: skip
def test_ceilings(text, value):
    assert parse_ceiling(text) == value


@pytest.mark.parametrize(("text", "value"), [
    ("top", hm.Top()), ("uniform", hm.Uniform()), ("softmax=1.0", hm.Softmax(1.0)), ("sim-ans=0.5,0", hm.SimANS(0.5)),
    ("sim-ans=3,-1", hm.SimANS(3.0, -1.0)), ("stratified=3,rank", hm.Stratified(3, "rank")),
    ("laplace=3.0", hm.Laplace(3.0)), ("rank-power=1.0", hm.RankPower(1.0)),
])  # fmt: skip
def test_draws(text, value):
    assert parse_draw(text) == value


def test_every_value_that_can_be_spelled_is_listed_with_its_defaults():
    assert ceiling_spellings() == ("naive", "abs=0.7", "margin-pos=0.05", "perc-pos=0.95", "anchored=1.1,1.0")
    assert [spell(parse_ceiling(text)) for text in ceiling_spellings()] == list(ceiling_spellings())
    assert [spell(parse_draw(text)) for text in draw_spellings()] == list(draw_spellings())
    # A class that takes other parameters than its line says would be spelled in a way that cannot be read.
    for made, readers in (*spelling._CEILINGS.values(), *spelling._DRAWS.values()):
        assert len([field for field in dataclasses.fields(made) if field.name != "teacher"]) == len(readers)


def test_every_ceiling_has_a_spelling():
    kinds = {
        made for made in _subclasses(hm.rules.ceilings.Ceiling) if made.kind and made.__module__[:9] == "hardmine."
    }
    assert kinds - {hm.AllOf} == {made for made, _ in spelling._CEILINGS.values()}
    assert spell(hm.AllOf(())) == "naive"


@pytest.mark.parametrize(("text", "message"), [
    ("best", "ceiling: unknown 'best', expected one of naive, abs, margin-pos, perc-pos, anchored"),
    ("", "ceiling: unknown '', expected one of naive"), ("abs &", "ceiling: unknown '', expected one of naive"),
    ("top", "ceiling: unknown 'top', expected one of naive"), ("abs=1 & =3", "ceiling: unknown '', expected one of"),
    ("perc-pos=high", "ceiling perc-pos=high: 'high', expected a number"),
    ("naive & perc-pos=", "ceiling perc-pos=: '', expected a number"),
    ("abs=1,2", "ceiling abs=1,2: 2 numbers, expected 0 to 1"), ("naive=1", "ceiling naive=1: 1 numbers, expected 0"),
    ("anchored=1,2,3", "ceiling anchored=1,2,3: 3 numbers, expected 0 to 2"),
    ("perc-pos=-1", "ceiling perc-pos=-1: f: -1, expected at least 0"), ("abs=nan", "ceiling abs=nan: t: nan, "),
    ("abs=inf", "ceiling abs=inf: t: inf, expected a finite number"),
    ("naive@bm25", "ceiling naive@bm25: naive names no teacher, expected one of abs, margin-pos, perc-pos before @"),
    ("abs & anchored=1,1@ce", "ceiling anchored=1,1@ce: anchored names no teacher, expected one of abs, margin-pos"),
    ("abs=1@ &abs", "ceiling abs=1@: nothing behind @, expected the name of a teacher"),
    ("abs=1@a,2 & perc-pos=@a", "ceiling perc-pos=: '', expected a number"),
])  # fmt: skip
def test_wrong_ceilings(text, message):
    with pytest.raises(ValueError, match=message) as caught:
        parse_ceiling(text)
    assert str(caught.value).startswith(message)


@given(
    st.text(max_size=20) | st.from_regex(r"(abs|anchored|top|sim-ans|best)( ?[=,&@] ?[-\w.\n]*){0,4}", fullmatch=True)
)
def test_any_text_is_a_value_or_one_line(text):
    for parse in (parse_ceiling, parse_draw):
        try:
            value = parse(text)
        except ValueError as error:
            assert len(str(error).splitlines()) == 1  # noqa: PT017
        else:
            assert parse(spell(value)) == value


def test_wrong_draws_and_kinds():
    with pytest.raises(
        ValueError, match="--draw: unknown 'dice', expected one of top, uniform, softmax, sim-ans, lapl"
    ):
        parse_draw("dice", name="--draw")
    with pytest.raises(ValueError, match="--draw softmax=0: temperature: 0, expected above 0"):
        parse_draw("softmax=0", name="--draw")
    with pytest.raises(ValueError, match="draw: unknown 'top & uniform'"):
        parse_draw("top & uniform")
    with pytest.raises(TypeError, match="ceiling: float 0.7, expected text"):
        parse_ceiling(0.7)
    for value in (hm.TopThen(1), hm.Weighted([0.0, -math.inf]), hm.Popularity([1])):
        with pytest.raises(ValueError, match="expected one of naive, abs, .*which alone have a spelling"):
            spell(value)
    for name in ("a & b", "a  b", " a", "a\nb"):
        with pytest.raises(ValueError, match="value: teacher .* has no spelling, expected a name without & or odd"):
            spell(hm.PercPos(0.9, teacher=name))


def test_joins_are_read_back_flat():
    one, other = hm.Absolute(0.7), hm.PercPos(0.9)
    for joined, flat in (
        (hm.AllOf((one,)), one),
        (hm.AllOf((hm.NoCeiling(), one)), one),
        (hm.AllOf((one, hm.AllOf((other, hm.NoCeiling())))), one & other),
        (hm.AllOf(()), hm.NoCeiling()),
    ):
        assert parse_ceiling(spell(joined)) == flat


def test_words_of_an_enumeration_are_spelled_as_words():
    class Name(str, enum.Enum):
        BM25, RANK, ABS = "bm25", "rank", "abs"

        def __format__(self, how):
            return "another"

    assert spell(hm.Absolute(0.7, teacher=Name.BM25)) == "abs=0.7@bm25"
    assert spell(hm.Stratified(3, Name.RANK)) == "stratified=3,rank"
    assert parse_ceiling(Name.ABS) == hm.Absolute()


def test_what_is_no_text_is_named_in_one_line():
    class Silent:
        def __repr__(self):
            raise RuntimeError

    class Lines(int):
        def __repr__(self):
            return "a\nb"

    for value, shown in (
        (np.ones((3, 3)), "ndarray"), (Silent(), "Silent"), (None, "NoneType None"), ([], "list"),
        (Lines(3), "Lines"), (10**6000, "int"), (3, "int 3"),
    ):  # fmt: skip
        for parse, example in ((parse_ceiling, "perc-pos=0.95"), (parse_draw, "sim-ans=0.5,0")):
            with pytest.raises(TypeError, match=rf": {shown}, expected text such as '{example}'$"):
                parse(value)
            parse(example)
        with pytest.raises(TypeError, match=f"value: {shown}, expected a ceiling or a draw$"):
            spell(value)
