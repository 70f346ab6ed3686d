"""The count of compared cases reaches the summary."""

from tests import counting


def test_cases_are_counted_by_room(count_cases, monkeypatch):
    monkeypatch.setattr(counting, "COMPARED", counting.Counter())
    count_cases(1200)
    count_cases()
    assert counting.summary() == "counting 1,201"
    monkeypatch.setenv("PYTEST_CURRENT_TEST", "tests/test_topk.py::test_equal (call)")
    count_cases(7)
    assert counting.summary() == "counting 1,201; topk 7"
