"""The folder of a cache: which it is, what lies in it, a full disk, folders that may not be written."""

import json
import os
import re
import resource
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from hardmine.store import fingerprint, manifest, shards
from hardmine.store.rows import Rows
from tests.children import ROOT, run_script
from tests.store_cases import FACTS, held, keys_of, posix

pytest.importorskip("pyarrow")


def test_a_cache_is_made_and_known_again(tmp_path):
    path = tmp_path / "Ünïcödé 東京" / "a b"
    with held(path) as store:
        rows = store.rows("stage", "kind", FACTS, keys_of("a"))
        rows.add(rows.missing, {"row.v": np.float32([[1]])})
    assert json.loads((path / manifest.MANIFEST).read_text()) == {"hardmine": "cache", "layout": 2}
    counts = {"shards_reused": 0, "rows_reused": 0, "shards_computed": 1, "rows_computed": 1}
    assert json.loads((path / manifest.LAST_RUN).read_text()) == {"stage": counts}
    with held(path) as store:
        assert store.rows("stage", "kind", FACTS, keys_of("a")).missing.size == 0
    store = manifest.looked_at(path)
    assert store.rows("stage", "kind", FACTS, keys_of("a", "b")).missing.tolist() == [1]
    assert manifest.looked_at(tmp_path / "none").rows("stage", "kind", FACTS, keys_of("a")).missing.tolist() == [0]
    assert not (tmp_path / "none").exists()


def test_the_layout_that_the_page_names():
    page = (ROOT / "docs/cache.md").read_text()
    assert re.findall(r'"layout": (\d+)|`layout` \((\d+);', page) == [
        (str(shards.LAYOUT), ""),
        ("", str(shards.LAYOUT)),
    ]


def test_looking_passes_over_damage_and_leaves_it(tmp_path):
    with held(tmp_path / "c") as store:
        rows = store.rows("stage", "kind", FACTS, keys_of("a"))
        rows.add(rows.missing, {"row.v": np.float32([[1]])})
    path = next((tmp_path / "c").rglob("*.shard"))
    path.write_bytes(b"nonsense")
    assert manifest.looked_at(tmp_path / "c").rows("stage", "kind", FACTS, keys_of("a")).missing.size == 1
    assert path.read_bytes() == b"nonsense"


def test_folders_that_are_no_cache(tmp_path):
    file = tmp_path / "file"
    file.write_text("mine")
    with pytest.raises(NotADirectoryError, match="cache: .*file: a file, expected a folder"), held(file):
        pass
    message = r"holds other files \('file'\), expected a cache or an empty folder"
    with pytest.raises(ValueError, match=message), held(tmp_path):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]
    for text, message in (
        ('{"hardmine": "cache", "layout": 1}', "layout 1, expected 2; give another folder"),
        ('{"hardmine": "else", "layout": 2}', "layout None, expected 2"),
        ("[" * 5_000, "malformed, expected the manifest of a cache"),
        ("", "malformed, expected the manifest of a cache"),
        ("7", "malformed, expected the manifest of a cache"),
    ):
        (tmp_path / "c").mkdir(exist_ok=True)
        (tmp_path / "c" / manifest.MANIFEST).write_text(text)
        with pytest.raises(ValueError, match=message), held(tmp_path / "c"):
            pass
        with pytest.raises(ValueError, match=message):
            manifest.looked_at(tmp_path / "c")


def test_what_a_killed_run_was_writing_is_swept(tmp_path):
    with held(tmp_path / "c") as store:
        store.rows("s", "k", FACTS, keys_of("a")).add(np.array([0]), {"row.v": np.zeros((1, 1))})
    shard = next((tmp_path / "c").rglob("*.shard"))
    parts = [
        tmp_path / "c" / ".x.part",
        tmp_path / "c" / ".rows.jsonl.abc.1.old",
        shard.with_name(f".{shard.name}.abc.part"),
    ]
    kept = [tmp_path / "c" / name for name in (".rows.jsonl.abc.1.moved", "mine.old", ".mine.old")]
    for part in (*parts, *kept):
        part.write_bytes(b"half")
    with held(tmp_path / "c") as store:
        store.rows("s", "k", FACTS, keys_of("a"))
    assert not any(part.exists() for part in parts)
    assert all(path.exists() for path in kept), "what may have no other name, and what is none of ours"
    assert shard.exists()


@posix
@pytest.mark.parametrize("policy", ["refuse", "reuse", "overwrite"])
@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda path: path.mkdir(), "a folder, expected a file"),
        (lambda path: path.symlink_to("nowhere"), "a link to nothing, expected a file"),
        (lambda path: path.symlink_to(path.name), "a link to nothing, expected a file"),
        (os.mkfifo, "a device or a pipe, expected a file"),
    ],
)
def test_places_of_shards_that_are_no_files(tmp_path, make, what, policy):
    path = tmp_path / "facts" / "x.shard"
    path.parent.mkdir()
    make(path)
    is_folder, said = path.is_dir(), []

    def look():
        return Rows(path.parent, "k", FACTS, keys_of("a"), policy=policy, say=said.append)

    if policy == "refuse" or is_folder:
        with pytest.raises(shards.ShardError) as caught:
            look()
        assert str(caught.value).startswith(f"{path}: {what}; ")
        assert ("remove it" in str(caught.value), "\n" in str(caught.value)) == (True, False)
        assert os.path.lexists(path)
    else:
        assert look().missing.tolist() == [0]
        assert said == [f"thrown away: {path}: {what}"]
        assert not os.path.lexists(path)


@pytest.mark.parametrize("kind", [True, False])
def test_a_file_in_place_of_a_folder_of_shards(tmp_path, kind):
    with held(tmp_path / "c") as store:
        folder = store.folder / "k" / fingerprint.of_facts(FACTS)
    path = folder.parent if kind else folder
    path.parent.mkdir(exist_ok=True)
    path.write_text("x")
    message = rf"{path.name}: no folder, expected one of shards; remove it, or compute its rows again by"
    with pytest.raises(shards.ShardError, match=message), held(tmp_path / "c") as store:
        store.rows("s", "k", FACTS, keys_of("a"))
    with held(tmp_path / "c", "reuse") as store:
        rows = store.rows("s", "k", FACTS, keys_of("a"))
        rows.add(np.array([0]), {"row.v": np.zeros((1, 1))})
    with held(tmp_path / "c") as store:
        assert store.rows("s", "k", FACTS, keys_of("a")).missing.size == 0


def test_counts_that_cannot_be_written_cost_no_result(tmp_path):
    said = []
    with held(tmp_path / "c", say=said.append) as store:
        (store.folder / manifest.LAST_RUN).mkdir()
    assert len(said) == 1
    assert said[0].startswith(f"cache {tmp_path / 'c'}: last-run.json is not written (")


def test_a_first_run_killed_before_its_manifest(tmp_path):
    folder = tmp_path / "c"
    folder.mkdir()
    (folder / "lock").touch()
    (folder / f".{manifest.MANIFEST}.abc.part").write_text("{")
    with held(folder):
        pass
    assert sorted(path.name for path in folder.iterdir()) == [manifest.MANIFEST, manifest.LAST_RUN, "lock"]


# A full disk, and folders that may not be written

FILLING = """
    import numpy as np
    from pathlib import Path
    from hardmine.store import fingerprint, manifest
    from hardmine.store.matrix import assembled
    import hardmine.store.matrix as matrix
    matrix.IN_MEMORY = 0
    keys = fingerprint.of_texts([str(i) for i in range(64)])
    try:
        with manifest.opened(Path({path!r}), "refuse", print) as store:
            rows = store.rows("s", "k", {{"a": 1}}, keys)
            for place in range({first}, {last}):
                rows.add(np.array([place]), {{"row.v": np.full((1, {numbers}), place, np.float32)}})
            if {last} == 64:
                assembled(rows, "v", store.folder)
            print("whole")
    except OSError as error:
        print(error)
"""


def fill(path, first, last, numbers, limit=None):
    code = FILLING.format(path=str(path), first=first, last=last, numbers=numbers)
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        preexec_fn=None if limit is None else lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        capture_output=True, text=True, timeout=100, cwd=ROOT,
    )  # fmt: skip


@posix
def test_a_full_disk_while_a_shard_is_written(tmp_path):
    path = tmp_path / "c"
    assert fill(path, 0, 3, 100).stdout == "whole\n"
    before = {each: each.read_bytes() for each in path.rglob("*.shard")}
    found = fill(path, 3, 4, 100_000, limit=100_000)
    assert found.returncode == 0, found.stderr
    assert found.stdout.count("\n") == 1
    assert "File too large" in found.stdout
    assert ".shard" in found.stdout
    assert {each: each.read_bytes() for each in path.rglob("*.shard")} == before
    assert not list(path.rglob(".*"))
    assert fill(path, 3, 4, 100).stdout == "whole\n"


@posix
def test_a_full_disk_while_embeddings_are_mapped(tmp_path):
    path = tmp_path / "c"
    assert fill(path, 0, 64, 1_000).stdout == "whole\n"
    found = fill(path, 64, 64, 1_000, limit=100_000)
    assert found.returncode == 0, found.stderr
    assert f"File too large: '{path}'" in found.stdout
    assert not list(path.rglob(".*"))
    assert fill(path, 64, 64, 1_000).stdout == "whole\n"


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 256 kB."""
    mount = tmp_path / "disk"
    mount.mkdir()
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("mounting takes root on Linux")
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", mount], capture_output=True, text=True, check=False
    )
    if made.returncode:
        pytest.skip(f"no mount here: {made.stderr.strip()}")
    yield mount
    subprocess.run(["umount", "-l", mount], check=True)


def test_a_small_disk(small_disk):
    path = small_disk / "c"
    found = fill(path, 0, 64, 5_000)
    assert found.returncode == 0, found.stderr
    assert found.stdout.count("\n") == 1
    assert "No space left on device" in found.stdout
    assert ".shard" in found.stdout
    kept = sorted(path.rglob("*.shard"))
    assert kept
    for each in kept:
        shards.read(each, "k", {"a": 1})
    assert not list(path.rglob(".*"))


@posix
def test_folders_that_may_not_be_written():
    """A new cache in a folder of somebody else, a cache of somebody else, and a shard that may not be read."""
    out = run_script(
        """
        import shutil, tempfile
        from pathlib import Path
        import numpy as np
        from hardmine.store import fingerprint, manifest
        keys = fingerprint.of_texts(["a"])
        folder = Path(tempfile.mkdtemp())

        def use(path):
            with manifest.opened(path, "refuse", print) as store:
                rows = store.rows("s", "k", {"a": 1}, keys)
                if rows.missing.size:
                    rows.add(rows.missing, {"row.v": np.zeros((1, 1))})

        use(folder / "c")
        shard = next(folder.rglob("*.shard"))
        (folder / "c" / "lock").chmod(0o444)
        (folder / "d").mkdir()
        for path in (folder, folder / "c"):
            path.chmod(0o555)
        root = os.geteuid() == 0
        try:
            for path in ("new", "c", "d"):
                if path == "d":
                    (folder / "c").chmod(0o777)
                    (folder / "c" / "lock").chmod(0o666)
                    shard.chmod(0)
                if root:
                    os.seteuid(65534)
                try:
                    use(folder / ("c" if path == "d" else path))
                except PermissionError as error:
                    print(error)
                finally:
                    if root:
                        os.seteuid(0)
        finally:
            folder.chmod(0o755)
            shutil.rmtree(folder)
        """
    )
    lines = out.splitlines()
    assert len(lines) == 3, out
    assert all(line.startswith("[Errno 13] Permission denied: '/") for line in lines), out
    assert [Path(line[:-1]).suffix or Path(line[:-1]).name for line in lines] == ["new", "lock", ".shard"]
