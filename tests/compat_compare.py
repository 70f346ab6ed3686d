"""Runs both functions on one setting and compares all that comes of it: rows, columns, warnings, statistics."""

import contextlib
import io
import logging
import re
import warnings

import numpy as np
from sentence_transformers.util import mine_hard_negatives as original

from hardmine.compat.sentence_transformers import mine_hard_negatives
from tests.compat_models import Model, Scorer

LOGGERS = ("sentence_transformers.util.hard_negatives", "hardmine.compat.sentence_transformers")


class Outcome:
    """A dataset or an error, what was printed, and what was logged."""

    def __init__(self, function, logger, *arguments, **settings):
        self.dataset = self.error = None
        heard = []
        handler = logging.Handler()
        handler.emit = lambda record: heard.append((record.levelname, record.getMessage()))
        logging.getLogger(logger).addHandler(handler)
        printed = io.StringIO()
        try:
            with (
                contextlib.redirect_stdout(printed),
                contextlib.redirect_stderr(io.StringIO()),
                warnings.catch_warnings(),
            ):
                if function is original:  # PyTorch's, about a column of one number or none
                    warnings.filterwarnings("ignore", "std\\(\\)", UserWarning)
                self.dataset = function(*arguments, **settings)
        except Exception as error:
            self.error = error
        finally:
            logging.getLogger(logger).removeHandler(handler)
        self.printed, self.logged = printed.getvalue().splitlines(), heard


def theirs(*arguments, **settings):
    return Outcome(original, LOGGERS[0], *arguments, **settings)


def rows_of(outcome):
    """The dataset of an outcome that is one."""
    if outcome.error is not None:
        raise outcome.error
    return outcome.dataset


def ours(*arguments, **settings):
    return Outcome(mine_hard_negatives, LOGGERS[1], *arguments, **settings)


def both(dataset, *, similarity="cosine", rescored=False, ours_only=(), **settings):
    """Both outcomes, each with models of its own."""
    outcomes = []
    for run in (theirs, ours):
        mine = dict(settings)
        if rescored:
            mine["cross_encoder"] = Scorer()
        if run is theirs:
            mine |= dict.fromkeys(ours_only, False)
        outcomes.append(run(dataset, Model(similarity), **mine))
    return outcomes


def assert_same_rows(expected, found, *, atol=2e-6):
    """Columns, their order and types, texts and labels exactly; scores within float32 rounding."""
    assert found.column_names == expected.column_names
    assert len(found) == len(expected)
    if len(expected):
        assert found.features == expected.features
    for name in expected.column_names:
        left, right = list(expected[name]), list(found[name])
        if name not in ("score", "scores"):
            assert right == left, name
            continue
        if name == "scores":
            assert [len(row) for row in right] == [len(row) for row in left]
            left, right = (np.concatenate([np.float64(row) for row in side] or [[]]) for side in (left, right))
        np.testing.assert_allclose(right, left, rtol=0, atol=atol)


NUMBER = re.compile(r"-?\d[\d,]*\.\d+%?|nan|-?inf")


def assert_same_prints(expected, found, *, skip=()):
    """The same lines; decimals may differ by one in the last place. Lines that hold a word of `skip` are left out."""
    left, right = ([line for line in side if not any(word in line for word in skip)] for side in (expected, found))
    shapes = [[NUMBER.sub("#", line).split() for line in side] for side in (left, right)]
    assert shapes[1] == shapes[0]
    for old, new in zip(left, right, strict=True):
        for a, b in zip(NUMBER.findall(old), NUMBER.findall(new), strict=True):
            a, b = (float(text.strip("%").replace(",", "")) for text in (a, b))
            assert a == b or abs(a - b) < 1.01e-4 or (np.isnan(a) and np.isnan(b)), (old, new)
