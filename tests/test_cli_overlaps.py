"""What a command reads it does not write over, whatever links lead there."""

import argparse
import itertools

import pytest

from hardmine.cli import overlaps
from hardmine.cli.main import _parser, main

COMMANDS = {
    "mine": ["C", "--teacher", "bm25", "--output", "OUT"],
    "retrieve": ["C", "--teacher", "bm25", "--output", "OUT"],
    "search-shard": ["C", "--teacher", "bm25", "--shard", "1/2", "--output", "OUT"],
    "merge": ["R", "S", "--output", "OUT"],
    "select": ["C", "R", "--output", "OUT"],
    "rescore": ["C", "R", "--cross-encoder", "M", "--output", "OUT"],
    "judge": ["C", "R", "--judge-endpoint", "U", "--judge-model", "M", "--output", "OUT"],
    "fuse": ["R", "S", "--output", "OUT"],
    "ensemble": ["C", "R", "S", "--output", "OUT"],
    "sweep": ["C", "R", "--output", "OUT"],
    "convert": ["C", "OUT"],
    "audit": ["C", "R", "--fix", "OUT"],
    "report": ["R", "--collection", "C", "--output", "OUT"],
}
"""Of every command that writes where it is told: files C, R and S are read, OUT is written."""


def test_no_command_is_missing():
    (commands,) = (each for each in _parser()._actions if isinstance(each, argparse._SubParsersAction))
    writing = {
        name
        for name, parser in commands.choices.items()
        if {action.dest for action in parser._actions} & (set(overlaps._WRITTEN) - {"log_json"})
    }
    assert writing - {"demo"} == set(COMMANDS)


@pytest.mark.parametrize("linked", [False, True])
@pytest.mark.parametrize("name", COMMANDS)
def test_outputs_are_no_inputs(name, linked, tmp_path, capsys):
    template = COMMANDS[name]
    spelled = next(before for before, word in itertools.pairwise(template) if word == "OUT")
    spelled = spelled if spelled.startswith("--") else "OUT"
    for victim in {"C", "R", "S"} & set(template):
        for letter in "CRS":
            (tmp_path / letter).write_text("precious")
        out = tmp_path / victim
        if linked:
            out = tmp_path / f"link-{victim}"
            out.symlink_to(tmp_path / victim)
        paths = {"OUT": str(out), **{letter: str(tmp_path / letter) for letter in "CRS"}}
        assert main([name, *(paths.get(word, word) for word in template)]) == 2
        assert capsys.readouterr().err == f"hardmine: {spelled} {out}: the command reads it, expected another path\n"
        assert (tmp_path / victim).read_text() == "precious"


def test_outputs_are_two_files(tmp_path, capsys):
    out = str(tmp_path / "one")
    given = ["mine", "C", "--teacher", "bm25", "--output", out, "--report", out]
    assert main(given) == 2
    assert capsys.readouterr().err == f"hardmine: --report {out}: the file of --output, expected another\n"
