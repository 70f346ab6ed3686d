"""``dtype="auto"``: what is measured, what is chosen, and that the choice is all that differs."""

from functools import partial

import numpy as np
import pytest

import hardmine as hm
from hardmine.cli.main import main
from hardmine.teachers import _dtype
from hardmine.teachers._dtype import MeasuredDtype, measured
from tests.models import tiny_bert
from tests.texts import random_beir

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

TEXTS = ["a b c", "d", "e f g h a b c d e f", "h h", "", "a"]


class Machine:
    """Passes that take as long as a test says, by a clock of their own."""

    def __init__(self, monkeypatch, seconds_of_a_row, disturbed=()):
        monkeypatch.setattr(_dtype, "time", self)
        self.now, self.seconds, self.disturbed = 0.0, seconds_of_a_row, set(disturbed)
        self.calls = []

    def perf_counter(self):
        return self.now

    def embed(self, name, rows):
        factor = 9 if len(self.calls) in self.disturbed else 1
        self.calls.append((name, rows))
        self.now += rows * self.seconds[name] * factor

    def passes(self):
        return {name: partial(self.embed, name) for name in ("float32", "bfloat16")}


@pytest.mark.parametrize(
    ("bfloat16", "wanted"),
    [(1.3, "float32"), (1.0, "float32"), (0.84, "float32"), (0.83, "bfloat16"), (0.3, "bfloat16")],
)
def test_bfloat16_must_be_clearly_faster(monkeypatch, bfloat16, wanted):
    machine = Machine(monkeypatch, {"float32": 0.005, "bfloat16": 0.005 * bfloat16})
    found = measured(machine.passes(), 128, 32)
    assert found.dtype == wanted
    assert found.float32 == pytest.approx(128 / 0.005)
    assert found.bfloat16 == pytest.approx(128 / 0.005 / bfloat16)
    assert str(found) == f"auto: bfloat16 is {1 / bfloat16:.2g} times as fast"


def test_both_in_turns_for_about_a_second(monkeypatch):
    machine = Machine(monkeypatch, {"float32": 1 / 128, "bfloat16": 1 / 128})
    measured(machine.passes(), 128, 32)
    assert 1 <= machine.now < 1.5
    timed = machine.calls[4:]
    assert [name for name, _ in timed] == ["float32", "bfloat16"] * (len(timed) // 2)
    assert {rows for _, rows in timed} == {12}  # a tenth of a second


@pytest.mark.parametrize(("seconds", "rows", "passes"), [(1e-7, 32, None), (5.0, 1, 6)])
def test_tiny_and_huge_models(monkeypatch, seconds, rows, passes):
    """Never more than a batch; never more than three times each where one pass takes longer than all should."""
    machine = Machine(monkeypatch, {"float32": seconds, "bfloat16": seconds})
    measured(machine.passes(), 128, 32)
    assert {count for _, count in machine.calls[4:]} == {rows}
    assert passes is None or len(machine.calls[4:]) == passes


def test_a_machine_that_is_busy_for_a_while_changes_nothing(monkeypatch):
    machine = Machine(monkeypatch, {"float32": 0.005, "bfloat16": 0.002}, disturbed=range(5, 8))
    assert measured(machine.passes(), 128, 32).dtype == "bfloat16"
    machine = Machine(monkeypatch, {"float32": 0.005, "bfloat16": 0.006}, disturbed=[4, 6])
    assert measured(machine.passes(), 128, 32).dtype == "float32"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return str(tiny_bert(tmp_path_factory.mktemp("tiny")))


@pytest.mark.parametrize("wanted", ["float32", "bfloat16"])
def test_the_choice_is_all_that_differs(tiny, monkeypatch, wanted):
    seen = []

    def fake(passes, tokens, most_rows):
        for embed in passes.values():
            embed(3)
        seen.append((list(passes), tokens, most_rows))
        return MeasuredDtype(wanted, 100.0, 250.0)

    monkeypatch.setattr("hardmine.teachers._transformer.measured", fake)
    auto = hm.teachers.load(tiny, device="cpu", dtype="auto", batch_tokens=100)
    assert seen == [(["float32", "bfloat16"], 32, 3)]  # as long as the model allows
    named = hm.teachers.load(tiny, device="cpu", dtype=wanted, batch_tokens=100)
    assert auto.embed_documents(TEXTS).tobytes() == named.embed_documents(TEXTS).tobytes()
    assert (auto.dtype, named.dtype) == (wanted, wanted)
    assert (auto.dtype_choice, named.dtype_choice) == (MeasuredDtype(wanted, 100.0, 250.0), None)
    assert f"{wanted} (auto: bfloat16 is 2.5 times as fast) on cpu" in repr(auto)
    assert f"cosine, {wanted} on cpu" in repr(named)


def test_it_is_measured_and_recorded(tiny):
    teacher = hm.teachers.load(tiny, device="cpu", dtype="auto")
    choice = teacher.dtype_choice
    assert teacher.dtype == choice.dtype
    assert choice.dtype in ("float32", "bfloat16")
    assert choice.float32 > 0
    assert choice.bfloat16 > 0
    collection = hm.Collection.from_pairs(["a b", "c d"], ["b a", "d c"], ["a c", "e f"])
    run = hm.retrieve(collection, teacher, 2, progress=False)
    assert run.metadata["dtype"] == teacher.dtype
    assert hm.retrieve(collection, "bm25", 2, progress=False).metadata.get("dtype") is None


def test_the_default_is_not_measured(tiny):
    teacher = hm.teachers.load(tiny, device="cpu")
    assert (teacher.dtype, teacher.dtype_choice) == ("float32", None)
    with pytest.raises(ValueError, match="dtype: 'int8', expected one of 'float32', 'bfloat16', 'float16', 'auto'"):
        hm.teachers.load(tiny, dtype="int8")


def test_cuda_is_bfloat16_without_measuring(tiny):
    teacher = hm.teachers.load(tiny, device="cpu")
    teacher.device = torch.device("cuda")
    found = teacher._measured(None, 8)
    assert found == MeasuredDtype("bfloat16")
    assert str(found) == "auto"


def test_on_the_command_line(tiny, tmp_path, capsys):
    beir = random_beir(tmp_path / "collection", num_queries=3, num_documents=10)
    run = tmp_path / "run.hm"
    command = ["retrieve", str(beir), "--teacher", tiny, "--device", "cpu", "--dtype", "auto", "--output", str(run)]
    assert main(command) == 0
    dtype = hm.Candidates.load(run).metadata["dtype"]
    line = next(line for line in capsys.readouterr().err.splitlines() if line.startswith("teacher: "))
    assert f", {dtype} (auto: bfloat16 is " in line
    assert main([*command, "--quiet"]) == 0
    assert capsys.readouterr().err == ""
    assert np.isfinite(hm.Candidates.load(run).scores).all()
