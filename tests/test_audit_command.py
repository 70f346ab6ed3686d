"""The command of an audit, its page, its severities and its progress."""

import json
import re
from pathlib import Path

import pytest

import hardmine as hm
from hardmine.cli.main import main
from hardmine.report.audit import run
from hardmine.report.audit.checks import CHECKS, SEVERITIES
from tests.audit_cases import flag_file
from tests.texts import write_jsonl


def test_the_command_line(tmp_path, capsys):
    path, out = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    flag_file(path, {}, {"query": "another", "neg": ["x", "y z"]}, {"query": "a third", "pos": "p"})
    arguments = ["audit", str(path), "--quiet"]
    assert main(arguments) == 1
    text = capsys.readouterr().out
    assert f"{path}, line 3, pos: a string (p), expected a list of strings" in text
    assert main([*arguments, "--fail-on", "never"]) == 0
    capsys.readouterr()
    assert main([*arguments, "--fix", str(out), "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["fixed"]["repairs"] == {"string_for_list": 1}
    assert report["worst"] == "error"
    assert main(["audit", str(out), "--quiet"]) == 0
    assert main(["audit", str(out), "--quiet", "--fail-on", "warning"]) == 1
    assert "one_character_text" in capsys.readouterr().out
    write_jsonl(tmp_path / "eval.jsonl", [{"query": "another", "positive": "something"}])
    assert main(["audit", str(out), "--quiet", "--against", str(tmp_path / "eval.jsonl")]) == 1
    assert "leaked_query: 1" in capsys.readouterr().out


def test_wrong_usage(tmp_path, capsys):
    path = flag_file(tmp_path / "a.jsonl", {})
    write_jsonl(tmp_path / "other.jsonl", [{"a": 1, "b": 2}])
    (tmp_path / "a.xml").write_text("")
    (tmp_path / "bytes.parquet").write_text("no table")
    known = "expected to be told by format what it is: flag-embedding, "
    for arguments, message in (
        ([tmp_path / "none.jsonl"], f"{tmp_path}/none.jsonl: no such file or folder"),
        ([tmp_path / "other.jsonl"], f"{tmp_path}/other.jsonl: a, b, {known}"),
        ([tmp_path / "a.xml"], f"{tmp_path}/a.xml: suffix '.xml', {known}"),
        ([tmp_path / "bytes.parquet"], f"{tmp_path}/bytes.parquet: unreadable after row 0"),
        ([path, "--format", "beir"], "format: 'beir', expected one of 'flag-embedding'"),
        ([path, "--near-duplicates", "x"], "argument --near-duplicates: 'x', expected a number from 0 to 1, or none"),
        ([path, "--near-duplicates", 2], "near_duplicates: 2, expected at most 1"),
        ([path, "--hub-share", -1], "hub_share: -1, expected at least 0"),
        ([path, "--split", "test"], "--split test: expected --against COLLECTION beside it"),
        ([path, "--fail-on", "fatal"], "argument --fail-on: invalid choice: 'fatal'"),
        ([path, "--fix", path], f"--fix {path}: the command reads it, expected another path"),
    ):  # fmt: skip
        assert main(["audit", *map(str, arguments), "--quiet"]) == 2, arguments
        error = capsys.readouterr().err
        assert error.startswith(f"hardmine: {message}"), error
        assert error.count("\n") == 1


def test_the_page_lists_every_check():
    page = (Path(__file__).parent.parent / "docs" / "audit.md").read_text()
    found_rows = re.findall(r"^\| `(\w+)` \| (info|warning|error) \| (.*?) \| ?(.*?) ?\|$", page, re.MULTILINE)
    assert found_rows == [tuple(check) for check in CHECKS.values()]


def test_severities():
    assert {check.severity for check in CHECKS.values()} == set(SEVERITIES)
    report = hm.AuditReport((), (), {}, {})
    with pytest.raises(ValueError, match=r"^severity: 'fatal', expected one of 'info', 'warning', 'error'$"):
        report.fails("fatal")


def test_progress_counts_bytes(tmp_path):
    path = flag_file(tmp_path / "a.jsonl", {}, {"query": "another"})
    events = []
    hm.audit(path, progress=events.append)
    assert events[-1].kind == "end"
    assert (events[-1].stage, events[-1].done) == ("reading bytes of a.jsonl (auditing)", path.stat().st_size)


def test_the_stage_of_the_run_is_the_public_name():
    assert hm.audit is run.audit
