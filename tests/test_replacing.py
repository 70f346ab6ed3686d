"""A folder of files that are replaced together: nothing of others is touched, and nothing is lost half-way."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hardmine.distributed import replacing as replacing_module
from hardmine.distributed.replacing import refuse_others, replacing

ROOT = Path(__file__).resolve().parent.parent
posix = pytest.mark.skipif(sys.platform == "win32", reason="processes are killed, and locks dropped, as by POSIX")
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


DIES = """
import os, signal, sys
from pathlib import Path
from hardmine.distributed import replacing as module
from tests.test_replacing import write
folder, at, step = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
count, normal = [0], getattr(Path, step)
def dies(*arguments, **more):
    count[0] += 1
    if count[0] == at:
        os.kill(os.getpid(), signal.SIGKILL)
    return normal(*arguments, **more)
setattr(Path, step, dies)
write(folder, "part-0", "part-7", fails=None)
"""


def killed(folder, at, step="rename"):
    """A run that is killed when it is about to take such a step for the at-th time."""
    script = [sys.executable, "-c", DIES, str(folder), str(at), step]
    run = subprocess.run(script, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == -signal.SIGKILL, run.stderr


def before_rename(monkeypatch, at, then):
    """Something happens before the at-th rename."""
    count, normal = [0], Path.rename

    def rename(path, target):
        count[0] += 1
        if count[0] == at:
            then()
        return normal(path, target)

    monkeypatch.setattr(Path, "rename", rename)


def beside(folder):
    """What lies beside a folder."""
    return [path.name for path in folder.parent.iterdir() if path != folder]


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "rows"


def test_files_side_files_and_folders_take_the_place_of_those_before(folder):
    manifest = write(folder, "part-0", "part-0.side", "part-1", "part-0.corpus/")
    assert manifest["beside"] == ["part-0.corpus/inside", "part-0.side"]
    assert json.loads((folder / "manifest.json").read_text()) == manifest
    assert {"manifest.json", "part-0", "part-1", "part-0.side", "part-0.corpus/inside"} == set(held(folder))
    folder.chmod(0o750)
    write(folder, "part-0", "part-0.corpus/")
    assert {"manifest.json", "part-0", "part-0.corpus/inside"} == set(held(folder))
    assert folder.stat().st_mode & 0o777 == 0o750
    assert beside(folder) == []


@pytest.mark.parametrize("name", ["part-time-notes.txt", ".part-x", "notes", ".unfinished.json.mine", "part-0.side"])
def test_what_no_manifest_names_is_never_touched(folder, name):
    write(folder, "part-0")
    (folder / name).write_text("precious")
    before = held(folder)
    with pytest.raises(ValueError, match=rf"holds other files \('{name}'\), expected an empty folder"):
        write(folder, "part-0", "part-1")
    assert held(folder) == before
    assert beside(folder) == []


@pytest.mark.parametrize("name", ["part-0.corpus/notes", "part-0.corpus/mine/notes", "mine/"])
def test_nor_what_lies_in_folders_inside(folder, name):
    write(folder, "part-0", "part-0.corpus/")
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).mkdir() if name.endswith("/") else (folder / name).write_text("precious")
    before = held(folder)
    with pytest.raises(ValueError, match=rf"holds other files \('{name}'\), expected an empty folder"):
        write(folder, "part-0", "part-0.corpus/")
    assert held(folder) == before
    assert (folder / name).exists()


def test_a_folder_that_this_process_stands_in(folder, monkeypatch):
    """It would be left in a folder that is no more."""
    write(folder, "part-0.corpus/")
    for stands in (folder, folder / "part-0.corpus"):
        monkeypatch.chdir(stands)
        with pytest.raises(ValueError, match="this process stands in it, expected one that can be replaced"):
            write(folder, "part-1")
        assert set(held(folder)) == {"manifest.json", "part-0.corpus/inside"}


def test_a_link_to_itself(folder):
    folder.symlink_to(folder.name)
    with pytest.raises(ValueError, match="is a link that leads nowhere"):
        write(folder, "part-0")
    assert folder.is_symlink()
    assert beside(folder) == []


def test_another_run_that_replaces_the_folder_while_it_is_looked_at(folder, monkeypatch):
    """The manifest of the one, the files of the other: neither is refused for that."""
    write(folder, "part-0")
    count, normal = [0], replacing_module._named

    def between(path, kind):
        found = normal(path, kind)
        count[0] += 1
        if count[0] == 2:  # the look before the renames
            write(folder, "part-5")
        return found

    monkeypatch.setattr(replacing_module, "_named", between)
    write(folder, "part-1")
    assert set(held(folder)) == {"manifest.json", "part-1"}
    assert beside(folder) == []


def test_a_folder_inside_whose_files_somebody_took_away_is_still_our_own(folder):
    write(folder, "part-0", "part-0.corpus/")
    (folder / "part-0.corpus/inside").unlink()
    write(folder, "part-1")
    assert set(held(folder)) == {"manifest.json", "part-1"}
    assert beside(folder) == []


@posix
@pytest.mark.parametrize("step", ["unlink", "rmdir"])
@pytest.mark.parametrize("at", [1, 2, 3, 4])
def test_a_run_that_is_killed_while_it_clears_away_what_was_replaced(folder, step, at):
    write(folder, "part-0", "part-0.corpus/", "part-0.more/")
    killed(folder, at, step)
    for _ in range(2):
        write(folder, "part-1")
        assert set(held(folder)) == {"manifest.json", "part-1"}
        assert beside(folder) == []


@pytest.mark.parametrize("where", [(Path, "is_mount"), (replacing_module.shutil, "copymode")], ids=["mount", "mode"])
def test_another_run_between_whose_renames_the_folder_is_looked_at(folder, monkeypatch, where):
    """It is gone for a moment."""

    def gone(*_):
        raise FileNotFoundError(folder)

    write(folder, "part-0")
    monkeypatch.setattr(*where, gone)
    write(folder, "part-1")
    assert set(held(folder)) == {"manifest.json", "part-1"}


@posix
def test_what_a_run_left_that_was_killed_without_a_lock_is_cleared_away(folder):
    write(folder, "part-0")
    folder.with_name(".rows.unfinished-0123abcd").mkdir()
    write(folder, "part-1")
    assert beside(folder) == []


@posix
def test_what_is_left_of_a_folder_of_a_longer_name_is_not_touched(folder):
    longer = folder.with_name("rows.unfinished-b")
    write(longer, "part-0")
    killed(longer, 2)  # the only copy lies beside now
    write(folder, "part-1")
    with pytest.raises(ZeroDivisionError):
        write(longer, fails=ZeroDivisionError())
    assert set(held(longer)) == {"manifest.json", "part-0"}


@pytest.mark.parametrize(
    "about", ["[]", "{", "[" * 100_000, '{"hardmine": "store", "files": [{"name": "part-0"}]}', '{"files": 3}']
)
def test_a_manifest_of_others_is_no_leave(tmp_path, about):
    (tmp_path / "manifest.json").write_text(about)
    (tmp_path / "part-0").write_text("precious")
    with pytest.raises(ValueError, match="holds other files"):
        refuse_others(tmp_path, KIND)


def test_a_manifest_names_nothing_outside_its_folder(folder):
    precious = folder.parent / "precious"
    precious.write_text("precious")
    write(folder, "part-0")
    about = json.loads((folder / "manifest.json").read_text())
    for name in ("../precious", str(precious), "..", ".", "", "a\0b", 3, None):
        about["beside"].append(name)
        about["files"].append({"name": name})
    (folder / "manifest.json").write_text(json.dumps(about))
    write(folder, "part-0")
    assert precious.read_text() == "precious"
    assert beside(folder) == ["precious"]


def test_a_folder_by_a_link_stays_one(folder):
    there = folder.parent / "elsewhere"
    there.mkdir()
    folder.symlink_to("elsewhere")
    write(folder, "part-0")
    write(folder, "part-1")
    assert folder.is_symlink()
    assert set(held(there)) == {"manifest.json", "part-1"}


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt()])
def test_what_was_there_stays_whatever_is_raised_before_all_is_whole(folder, error):
    write(folder, "part-0", "part-0.corpus/")
    (folder / "part-0").rename(folder.parent / "moved")
    (folder / "part-0").symlink_to("../moved")  # as good a file as any
    before = held(folder)
    with pytest.raises(type(error)):
        write(folder, "part-0", "part-1", fails=error)
    assert held(folder) == before
    assert beside(folder) == ["moved"]


@pytest.mark.parametrize("error", [OSError(5, "no disk"), KeyboardInterrupt()])
@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("fails", [{1}, {2}, {1, 2}, {2, 3}, {2, 3, 4}])
def test_a_rename_that_fails_or_is_interrupted_loses_nothing(folder, monkeypatch, fails, late, error):
    """Before it happens or right after, also while the folder of before comes back."""
    write(folder, "part-0", "part-0.corpus/", "part-1")
    before, new = held(folder), {"manifest.json", "part-0", "part-2"}
    count, normal = [0], Path.rename

    def failing(path, target):
        count[0] += 1
        if count[0] in fails:
            if late:
                normal(path, target)
            raise error
        return normal(path, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(type(error)):
        write(folder, "part-0", "part-2")
    monkeypatch.undo()
    if not folder.exists():  # the next run puts it back
        with pytest.raises(ZeroDivisionError):
            write(folder, "part-9", fails=ZeroDivisionError())
    assert held(folder) == before or set(held(folder)) == new
    write(folder, "part-0")
    assert set(held(folder)) == {"manifest.json", "part-0"}
    assert beside(folder) == []


@posix
@pytest.mark.parametrize("at", [1, 2])
@pytest.mark.parametrize("was_there", [False, True])
def test_what_a_run_left_that_was_killed_is_cleared_away(folder, was_there, at):
    before = write(folder, "part-0", "part-1") if was_there else None
    if was_there or at == 1:
        killed(folder, at)
        assert len(beside(folder)) == 1
    if was_there and at == 1:
        assert json.loads((folder / "manifest.json").read_text()) == before
    with pytest.raises(ZeroDivisionError):
        write(folder, "part-9", fails=ZeroDivisionError())
    assert folder.exists() == was_there
    assert beside(folder) == []
    write(folder, "part-2")
    assert set(held(folder)) == {"manifest.json", "part-2"}


def test_files_that_come_while_the_folder_is_replaced_go_on_in_the_new_one(folder, monkeypatch):
    write(folder, "part-0")
    before_rename(monkeypatch, 1, lambda: (folder / "notes").write_text("precious"))
    write(folder, "part-1")
    assert set(held(folder)) == {"manifest.json", "part-1", "notes"}
    assert (folder / "notes").read_text() == "precious"


def test_of_two_runs_at_a_time_each_is_whole_and_the_last_stays(folder):
    write(folder, "part-0")
    with replacing(folder, KIND) as (first, put_first), replacing(folder, KIND) as (second, put_second):
        (first / "part-1").write_text("first")
        (second / "part-2").write_text("second")
        put_second({"files": [{"name": "part-2"}]})
        assert set(held(folder)) == {"manifest.json", "part-2"}
        put_first({"files": [{"name": "part-1"}]})
        assert set(held(folder)) == {"manifest.json", "part-1"}
    assert beside(folder) == []


def test_another_run_that_puts_its_folder_there_between_the_renames(folder, monkeypatch):
    write(folder, "part-0")
    before_rename(monkeypatch, 2, lambda: write(folder, "part-5"))
    write(folder, "part-1")
    assert set(held(folder)) == {"manifest.json", "part-1"}
    assert beside(folder) == []


def test_half_written_files_of_a_task_that_died_are_no_part_of_it(folder):
    with replacing(folder, KIND) as (rows, put):
        (rows / "part-0").write_text("whole")
        (rows / ".part-0.x1y2.part").write_text("half")
        assert put({"files": [{"name": "part-0"}]})["beside"] == []
    assert set(held(folder)) == {"manifest.json", "part-0"}
