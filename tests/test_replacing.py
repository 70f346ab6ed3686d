"""A folder of files that are replaced together: nothing of others is touched, and nothing is lost half-way."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from hardmine.distributed.replacing import refuse_others, replacing

KIND = {"hardmine": "rows", "version": 1}


def write(folder, *names, fails=None):
    """Files of these names, with a side file for each; a name that ends in / is a folder."""
    with replacing(folder, KIND) as (building, moved):
        for name in names:
            if name.endswith("/"):
                (building / name).mkdir()
            (building / name / "inside" if name.endswith("/") else building / name).write_text(f"new {name}")
        if fails:
            raise fails
        return moved({"files": [{"name": name} for name in names if "side" not in name and not name.endswith("/")]})


def held(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if not path.is_dir()}


def mark(folder, pid, *names, host=None):
    """What a run left that was killed, or that is still at work."""
    building = folder / ".unfinished-0123"
    building.mkdir()
    about = {**KIND, "host": host or socket.gethostname(), "pid": pid, "names": names}
    (building / "unfinished.json").write_text(json.dumps(about))
    (building / "part-9").write_text("half")
    return building


@pytest.fixture
def nobody():
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_files_side_files_and_folders_take_the_place_of_those_before(tmp_path):
    manifest = write(tmp_path, "part-0", "part-0.side", "part-1", "part-0.corpus/")
    assert manifest["beside"] == ["part-0.corpus", "part-0.side"]
    assert json.loads((tmp_path / "manifest.json").read_text()) == manifest
    assert {"manifest.json", "part-0", "part-1", "part-0.side", "part-0.corpus/inside"} == set(held(tmp_path))
    write(tmp_path, "part-0", "part-0.corpus/")
    assert {"manifest.json", "part-0", "part-0.corpus/inside"} == set(held(tmp_path))


@pytest.mark.parametrize("name", ["part-time-notes.txt", ".part-x", "notes", ".unfinished.json.mine", "part-0.side"])
def test_what_no_manifest_names_is_never_touched(tmp_path, name):
    write(tmp_path, "part-0")
    (tmp_path / name).write_text("precious")
    before = held(tmp_path)
    with pytest.raises(ValueError, match=rf"holds other files \('{name}'\), expected an empty folder"):
        write(tmp_path, "part-0", "part-1")
    assert held(tmp_path) == before
    assert (tmp_path / name).read_text() == "precious"


@pytest.mark.parametrize("about", ["[]", "{", '{"hardmine": "store", "files": [{"name": "part-0"}]}', '{"files": 3}'])
def test_a_manifest_of_others_is_no_leave(tmp_path, about):
    (tmp_path / "manifest.json").write_text(about)
    (tmp_path / "part-0").write_text("precious")
    with pytest.raises(ValueError, match="holds other files"):
        refuse_others(tmp_path, KIND)


def test_a_manifest_names_nothing_outside_its_folder(tmp_path):
    (tmp_path / "precious").write_text("precious")
    folder = tmp_path / "rows"
    folder.mkdir()
    write(folder, "part-0")
    about = json.loads((folder / "manifest.json").read_text())
    for name in ("../precious", str(tmp_path / "precious"), "..", 3, None):
        about["beside"].append(name)
        about["files"].append({"name": name})
    (folder / "manifest.json").write_text(json.dumps(about))
    write(folder, "part-0")
    assert (tmp_path / "precious").read_text() == "precious"


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt()])
def test_what_was_there_stays_whatever_is_raised_before_all_is_whole(tmp_path, error):
    write(tmp_path, "part-0", "part-0.corpus/")
    before = held(tmp_path)
    with pytest.raises(type(error)):
        write(tmp_path, "part-0", "part-1", fails=error)
    assert held(tmp_path) == before
    assert not list(tmp_path.glob(".unfinished*"))


@pytest.mark.parametrize("at", range(1, 8))
def test_what_was_there_comes_back_where_the_change_itself_fails(tmp_path, monkeypatch, at):
    write(tmp_path, "part-0", "part-0.corpus/", "part-1")
    before = held(tmp_path)
    count, normal = [0], Path.replace

    def failing(path, target):
        count[0] += 1
        if count[0] == at:
            raise OSError("no room")
        return normal(path, target)

    monkeypatch.setattr(Path, "replace", failing)
    with pytest.raises(OSError, match="no room"):
        write(tmp_path, "part-0", "part-2", "part-3")
    monkeypatch.undo()
    assert held(tmp_path) == before
    assert write(tmp_path, "part-0")["files"] == [{"name": "part-0"}]


def test_what_a_run_left_that_was_killed_is_written_over(tmp_path, nobody):
    mark(tmp_path, nobody, "part-0", "part-1", "../part-2")
    (tmp_path / "part-0").write_text("moved already")
    write(tmp_path, "part-1")
    assert set(held(tmp_path)) == {"manifest.json", "part-1"}


def test_two_runs_at_a_time(tmp_path):
    write(tmp_path, "part-0")
    building = mark(tmp_path, os.getpid())
    before = held(tmp_path)
    with pytest.raises(
        ValueError, match=rf"another run writes into it \(process {os.getpid()}, .* remove .unfinished-"
    ):
        write(tmp_path, "part-0")
    assert held(tmp_path) == before
    for path in building.iterdir():
        path.unlink()
    building.rmdir()
    mark(tmp_path, os.getpid(), host="another machine")
    write(tmp_path, "part-0")
    with replacing(tmp_path, KIND) as (_, moved):
        mark(tmp_path, os.getpid())
        with pytest.raises(ValueError, match="another run writes into it"):
            moved({"files": []})
