"""Files that are whole or absent: a full disk, a folder in the way, an interrupt between two names."""

import contextlib
import errno
import os
import re
import resource
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

import hardmine as hm
from hardmine.formats import side_path
from hardmine.plumbing.files import atomic_write, atomic_writes, leftovers, save_array
from tests.children import run_script


@pytest.fixture
def mined():
    collection = hm.Collection.from_pairs(["q0", "q1"], ["p0", "p1"], ["n0", "n1", "n2"])
    run = hm.Candidates([0, 2, 3], [0, 1, 2], np.float32([0.5, 0.4, 0.3]))
    rule = hm.Selection(1, ceiling=hm.NoCeiling())
    return hm.Mined.from_run(collection, run, rule, positives=collection.positives.with_scores([0.9, 0.8]))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def limited(code, size):
    """Run code in a process that can write no file beyond some bytes: what a full disk does, to the byte."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)),
        capture_output=True, text=True, timeout=100,
    )  # fmt: skip


WRITING = """
    import hardmine as hm, numpy as np
    collection = hm.Collection.from_pairs(["q0", "q1"], ["p0", "p1"], ["n0", "n1", "n2"])
    run = hm.Candidates([0, 2, 3], [0, 1, 2], np.float32([0.5, 0.4, 0.3]))
    rule = hm.Selection(1, ceiling=hm.NoCeiling())
    mined = hm.Mined.from_run(collection, run, rule, positives=collection.positives.with_scores([0.9, 0.8]))
    try:
        mined.write({path!r})
    except OSError as error:
        print(error)
"""


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_a_full_disk_leaves_both_old_files(mined, tmp_path, suffix):
    """Rows fit and their side file does not: none of the two is replaced, and the message names the file."""
    path, side = tmp_path / f"rows{suffix}", tmp_path / f"rows.provenance{suffix}"
    mined.write(path)
    sizes = path.stat().st_size, side.stat().st_size
    assert sizes[0] < sizes[1]
    path.write_text("old")
    side.write_text("old")
    for limit in (0, sizes[0] - 1, sizes[0], sizes[1] - 1):
        found = limited(WRITING.format(path=str(path)), limit)
        assert found.stderr == ""
        assert found.stdout.startswith("[Errno 27]"), limit
        assert f"rows{suffix}'" in found.stdout
        assert (path.read_text(), side.read_text()) == ("old", "old"), limit
        assert names(tmp_path) == sorted([side.name, path.name])
    assert limited(WRITING.format(path=str(path)), sizes[1]).stdout == ""
    assert path.stat().st_size == sizes[0]


def test_a_full_disk_is_named_by_a_saved_run(tmp_path):
    code = f"""
        import hardmine as hm
        try:
            hm.Candidates([0, 1], [0], [1.0]).save({str(tmp_path / "run.hm")!r})
        except OSError as error:
            print(error)
    """
    assert limited(code, 100).stdout == f"[Errno 27] File too large: '{tmp_path / 'run.hm'}'\n"
    assert names(tmp_path) == []


def test_a_folder_in_the_place_of_the_side_file(mined, tmp_path):
    path, side = tmp_path / "rows.jsonl", tmp_path / "rows.provenance.jsonl"
    path.write_text("old")
    side.mkdir()
    with pytest.raises(IsADirectoryError, match=r"rows\.provenance\.jsonl: a folder, expected a file to write"):
        hm.formats.check_output(path, hm.formats.WRITE[0])
    with pytest.raises(IsADirectoryError, match=r"rows\.provenance\.jsonl: a folder"):
        mined.write(path)
    assert path.read_text() == "old"
    hm.formats.check_output(path, hm.formats.WRITE[0], provenance=False)
    mined.write(path, provenance=False)
    assert path.read_text() != "old"
    assert side.is_dir()


@pytest.mark.parametrize("there", ["", "a", "b", "ab", "abc"])
@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("call", range(1, 12))
def test_all_names_change_or_none(tmp_path, monkeypatch, there, error, after, call):
    """Whichever change of a name fails or is interrupted, before or after it was made: all new or all old."""
    for name in there:
        (tmp_path / name).write_text(f"old {name}")
    calls = []

    def failing(real):
        def change(*arguments, **options):
            calls.append(real)
            if len(calls) == call and not after:
                raise error
            result = real(*arguments, **options)
            if len(calls) == call and after:
                raise error
            return result

        return change

    with monkeypatch.context() as patched:
        for name in ("replace", "unlink"):
            patched.setattr(Path, name, failing(getattr(Path, name)))
        patched.setattr("os.link", failing(os.link))
        with (
            contextlib.suppress(error),
            atomic_writes([tmp_path / "a", tmp_path / "b"], removed=[tmp_path / "c"]) as files,
        ):
            for file in files:
                file.write(b"new")
    left = {path.name: path.read_text() for path in tmp_path.iterdir() if not path.name.startswith(".")}
    new = {"a": "new", "b": "new"}
    assert left in ({name: f"old {name}" for name in there}, new)
    if call > len(calls):
        assert left == new
        assert names(tmp_path) == ["a", "b"]


def test_the_second_name_cannot_be_changed(tmp_path):
    """A folder that appears while the rows are written."""
    (tmp_path / "a").write_text("old a")

    def write():
        with atomic_writes([tmp_path / "a", tmp_path / "b"]) as files:
            for file in files:
                file.write(b"new")
            (tmp_path / "b").mkdir()

    with pytest.raises(IsADirectoryError, match=r"Is a directory: '.*/b'"):
        write()
    assert (tmp_path / "a").read_text() == "old a"
    assert names(tmp_path) == ["a", "b"]


def test_a_file_system_without_hard_links(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.link", refuse)
    test_the_second_name_cannot_be_changed(tmp_path)


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.ENOENT])
def test_a_second_name_that_fails_for_another_reason_moves_nothing(tmp_path, monkeypatch, number):
    """Only where files cannot have two names is a target moved away; until then it has its own at every moment."""
    for name in "ab":
        (tmp_path / name).write_text("old")
    moved = []

    def refuse(*_, **__):
        raise OSError(number, os.strerror(number))

    def counted(path, target):
        moved.append(path.name)
        return os.replace(path, target)  # noqa: PTH105 - it stands in for the method

    def write():
        with atomic_writes([tmp_path / "a", tmp_path / "b"]):
            pass

    monkeypatch.setattr("os.link", refuse)
    monkeypatch.setattr(Path, "replace", counted)
    with pytest.raises(OSError, match=re.escape(os.strerror(number))):
        write()
    assert moved == []
    assert names(tmp_path) == ["a", "b"]
    assert (tmp_path / "a").read_text() == (tmp_path / "b").read_text() == "old"


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is a POSIX matter")
@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize("step", range(1, 5))
def test_what_a_kill_between_two_names_leaves(tmp_path, links, step):
    """New and old files side by side, and nothing of the old is swept that has no other name."""
    for name in "abc":
        (tmp_path / name).write_text(f"old {name}")
    run_script(
        f"""
        from pathlib import Path
        from hardmine.plumbing.files import atomic_writes
        count, replace = 0, Path.replace
        def killed(path, target):
            global count
            replace(path, target)
            count += 1
            if count == {step}:
                os._exit(0)
        def refuse(*_, **__):
            raise PermissionError(1, "Operation not permitted")
        Path.replace = killed
        if not {links}:
            os.link = refuse
        folder = Path({str(tmp_path)!r})
        with atomic_writes([folder / "a", folder / "b"], removed=[folder / "c"]) as files:
            for file in files:
                file.write(b"new")
        """,
        timeout=60,
    )
    left = list(leftovers(tmp_path))
    old = [path for path in left if path.suffix == ".old"]
    finished = links and step > 2
    assert len(old) == (3 if links and not finished else 0)
    for path in left:
        path.unlink()
    texts = sorted(path.read_text() for path in tmp_path.iterdir())
    if finished:
        assert (texts, names(tmp_path)) == (["new", "new"], ["a", "b"])
    elif links:
        assert texts == ["new"] * step + [f"old {name}" for name in "abc"[step:]]
        assert names(tmp_path) == ["a", "b", "c"]
    else:
        assert texts == ["new"] * max(0, step - 3) + ["old a", "old b", "old c"], "none of the old is lost"


def test_a_side_file_of_other_rows_is_removed(mined, tmp_path):
    path = tmp_path / "rows.jsonl"
    mined.write(path)
    assert names(tmp_path) == ["rows.jsonl", "rows.provenance.jsonl"]
    mined.write(path, provenance=False)
    assert names(tmp_path) == ["rows.jsonl"]


@pytest.mark.parametrize("length", [1, 240, 255])
@pytest.mark.parametrize("letter", ["n", "ñ"])
def test_names_as_long_as_the_file_system_allows(mined, tmp_path, length, letter):
    count = length // len(letter.encode())
    with atomic_write(tmp_path / (letter * count or "n")) as file:
        file.write(b"x")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"x"]
    path = tmp_path / ("n" * 234 + ".jsonl")
    assert len(path.name) == 240
    mined.write(path)
    assert side_path.provenance_path(path).is_file()


def test_a_side_file_whose_name_is_too_long_is_refused_early(tmp_path):
    path = tmp_path / ("n" * 245 + ".jsonl")
    with pytest.raises(OSError, match=r"File name too long: '.*n\.provenance\.jsonl'"):
        hm.formats.check_output(path, hm.formats.WRITE[0])


def test_a_folder_without_rights_is_named_by_its_file(tmp_path, monkeypatch):
    def refuse(prefix, suffix, dir):  # noqa: A002
        raise PermissionError(13, "Permission denied", f"{dir}/{prefix}x{suffix}")

    monkeypatch.setattr("tempfile.mkstemp", refuse)
    with pytest.raises(PermissionError, match=r"Permission denied: '.*/run\.hm'"):
        hm.Candidates([0, 1], [0], [1.0]).save(tmp_path / "run.hm")


def test_errors_of_another_file_keep_its_name(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"'/nowhere/x'"), atomic_write(tmp_path / "a"):
        Path("/nowhere/x").read_bytes()


def written(path, name, mined):
    """Write to a path by whatever writes this format."""
    if name == "atomic":
        with atomic_write(path) as file:
            file.write(b"new")
    elif name == "rows":
        mined.write(path)
    else:
        hm.Candidates([0, 1], [0], np.float32([0.5])).write(path, name)


@pytest.mark.parametrize("name", ["atomic", "rows", "hardmine", "trec-run", "parquet", "npz"])
def test_what_is_no_regular_file_is_refused_and_stays(mined, tmp_path, name):
    """A new file would take its place: a link to a pipe is a pipe too."""
    suffix = {"rows": ".jsonl", "parquet": ".parquet", "npz": ".npz"}.get(name, "")
    pipe, link = tmp_path / f"pipe{suffix}", tmp_path / f"link{suffix}"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    for path in (pipe, link):
        with pytest.raises(OSError, match="a pipe") as caught:
            written(path, name, mined)
        assert str(caught.value) == f"{path}: a pipe, expected a regular file or nothing"
    assert pipe.is_fifo()
    assert link.is_symlink()
    assert names(tmp_path) == sorted([pipe.name, link.name])


@pytest.mark.parametrize("is_there", [True, False])
def test_a_link_stays_and_the_file_that_it_leads_to_is_written(mined, tmp_path, is_there):
    (tmp_path / "elsewhere").mkdir()
    link, target = tmp_path / "link.jsonl", tmp_path / "elsewhere" / "rows.jsonl"
    link.symlink_to(Path("elsewhere") / "rows.jsonl")
    if is_there:
        target.write_text("old")
    mined.write(link)
    assert link.is_symlink()
    assert target.read_text().startswith("{")
    assert names(tmp_path / "elsewhere") == ["rows.jsonl"]


def test_an_error_names_the_link_that_was_asked_for(tmp_path):
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "away" / "file")
    with pytest.raises(OSError, match="link: the folder .*away does not exist$"), atomic_write(link):
        pass
    assert link.is_symlink()


SAVING = """
    import hardmine as hm, numpy as np
    ids = np.tile(np.arange(8), (2000, 1))
    try:
        hm.Candidates.from_padded(ids, np.float32(9 - ids)).write({path!r}, "npy")
    except OSError as error:
        print(error.errno, error)
"""


@pytest.mark.parametrize("lacking", [1, 100, 4097, 50_000])
def test_a_full_disk_leaves_old_arrays(tmp_path, lacking):
    """NumPy takes no notice of the last bytes of an array that do not arrive."""
    folder = tmp_path / "run"
    ids = np.tile(np.arange(8), (2000, 1))
    hm.Candidates.from_padded(ids, np.float32(9 - ids)).write(folder, "npy")
    old = {path.name: path.read_bytes() for path in folder.iterdir()}
    found = limited(SAVING.format(path=str(folder)), max(map(len, old.values())) - lacking)
    assert found.stdout == f"27 [Errno 27] File too large: '{folder / 'ids.npy'}'\n"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == old


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape", [(), (0, 3), (5, 3)])
def test_arrays_are_saved_as_numpy_saves_them(tmp_path, order, shape):
    array = np.asarray(np.arange(int(np.prod(shape)), dtype="f4").reshape(shape), order=order)
    with atomic_write(tmp_path / "a.npy") as file:
        save_array(file, array)
    np.save(tmp_path / "b.npy", array)
    assert (tmp_path / "a.npy").read_bytes() == (tmp_path / "b.npy").read_bytes()
