"""What of a release can be checked without one: one version, pinned actions, promised platforms, what files hold."""

import json
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import hardmine as hm

ROOT = Path(__file__).resolve().parents[1]
WORKFLOWS = ROOT / ".github" / "workflows"
sys.path.insert(0, str(ROOT / "release"))
import check_files  # noqa: E402 - scripts of the repository, in no package
import check_tree  # noqa: E402
import third_party  # noqa: E402

sys.path.pop(0)


def workflow(name):
    found = pytest.importorskip("yaml").safe_load((WORKFLOWS / name).read_text())
    return found, found[True]  # what YAML 1.1 makes of the key `on`


@pytest.fixture
def tree(tmp_path):
    """The files that `check_tree` looks at, to be spoilt."""
    for file in (
        "Cargo.toml",
        "Cargo.lock",
        "CHANGELOG.md",
        "CITATION.cff",
        "pyproject.toml",
        ".github/workflows/ci.yml",
    ):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text((ROOT / file).read_text())
    golden = tmp_path / "tests" / "golden" / "versions" / hm.__version__
    golden.mkdir(parents=True)
    (golden / "expected.json").write_text("{}")
    return tmp_path


def change(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_this_tree_is_in_order():
    assert list(check_tree.always(ROOT)) == []
    assert set(check_tree.versions(ROOT).values()) == {hm.__version__}


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("CITATION.cff", f"version: {hm.__version__}", "version: 9.9.9", "CITATION.cff 9.9.9"),
        ("CHANGELOG.md", f"## {hm.__version__}", "## 9.9.9", "CHANGELOG.md 9.9.9"),
        (
            "Cargo.lock",
            f'"hardmine-core"\nversion = "{hm.__version__}"',
            '"hardmine-core"\nversion = "9.9.9"',
            "core 9.9.9",
        ),
        ("tests/golden/versions/" + hm.__version__ + "/expected.json", None, None, "run make golden"),
        (
            ".github/workflows/ci.yml",
            "@de0fac2e4500dabe0009e67214ff5f5447ce83dd # v6.0.2",
            "@v6",
            "uses actions/checkout@v6",
        ),
        (".github/workflows/ci.yml", " # v6.0.2", "", "expected OWNER/NAME@HASH"),
    ],
)
def test_disorder_is_noticed(tree, file, old, new, said):
    assert list(check_tree.always(tree)) == []
    if old is None:
        (tree / file).unlink()
    else:
        change(tree / file, old, new)
    (wrong,) = check_tree.always(tree)
    assert said in wrong


def test_a_release_needs_its_tag_a_date_and_an_address(tree):
    tag = f"v{hm.__version__}"
    change(tree / "CHANGELOG.md", "(unreleased)", "(2027-01-31)")
    change(tree / "CITATION.cff", "license:", "date-released: 2027-01-31\nlicense:")
    if "Repository = " not in (tree / "pyproject.toml").read_text():
        change(tree / "pyproject.toml", "[project.scripts]", '[project.urls]\nRepository = "x"\n\n[project.scripts]')
    assert list(check_tree.for_release(tag, tree)) == []
    assert "tag v9.9.9" in next(iter(check_tree.for_release("v9.9.9", tree)))
    change(tree / "CITATION.cff", "2027-01-31", "2027-02-01")
    assert "expected one date" in next(iter(check_tree.for_release(tag, tree)))
    change(tree / "CHANGELOG.md", "(2027-01-31)", "(unreleased)")
    change(tree / "CITATION.cff", "date-released: 2027-02-01\n", "")
    assert "expected one date" in next(iter(check_tree.for_release(tag, tree)))


def test_the_release_builds_what_is_promised():
    found, on = workflow("release.yml")
    wheels = found["jobs"]["wheels"]["strategy"]["matrix"]["include"]
    promised = {
        (system, chip)
        for system in ("manylinux", "musllinux", "macos", "windows")
        for chip in (("x86_64", "aarch64") if system.endswith("linux") else ("x86_64", "arm64"))
    }
    assert {tuple(each["platform"].split("-")) for each in wheels} == promised
    policies = {"manylinux": "2_28", "musllinux": "musllinux_1_2", "macos": "off", "windows": "off"}
    targets = {
        "manylinux": "unknown-linux-gnu",
        "musllinux": "unknown-linux-musl",
        "macos": "apple-darwin",
        "windows": "pc-windows-msvc",
    }
    for each in wheels:
        system, chip = each["platform"].split("-")
        assert each["policy"] == policies[system]
        assert each["target"] == f"{'aarch64' if chip == 'arm64' else chip}-{targets[system]}"
    table = re.findall(
        r"^\| (?:Linux|macOS|Windows).*\| yes \| yes \|$", (ROOT / "RELEASE.md").read_text(), re.MULTILINE
    )
    assert 2 * len(table) == len(wheels) == 8
    assert "-eq 8" in str(found["jobs"]["publish"])
    assert on["push"]["tags"] == ["v[0-9]+.[0-9]+.[0-9]+"]


def test_only_the_last_job_may_publish_and_it_needs_all_others():
    jobs = workflow("release.yml")[0]["jobs"]
    assert {name for name, job in jobs.items() if "id-token" in job["permissions"]} == {"publish"}
    assert set(jobs["publish"]["needs"]) == {"sdist", "wheels"}
    assert jobs["sdist"]["needs"] == jobs["wheels"]["needs"] == "check"
    assert jobs["publish"]["environment"] == {"name": "pypi"}
    assert "secrets." not in (WORKFLOWS / "release.yml").read_text()


@pytest.mark.parametrize("path", sorted(WORKFLOWS.glob("*.yml")), ids=lambda path: path.name)
def test_a_workflow_has_no_rights_but_those_of_its_jobs_and_calls_targets_that_exist(path):
    found, _ = workflow(path.name)
    assert found["permissions"] == {}
    rules = (ROOT / "Makefile").read_text() + (ROOT / "release" / "release.mk").read_text()
    for job in found["jobs"].values():
        assert set(job["permissions"].values()) <= {"read", "write"}
        assert job["timeout-minutes"] <= 120
        for step in job["steps"]:
            for command in re.findall(r"^make (.*)$", step.get("run", ""), re.MULTILINE):
                for target in (word for word in command.split() if "=" not in word):
                    assert re.search(rf"^{re.escape(target)}:", rules, re.MULTILINE), target


def test_the_hooks_call_targets_that_exist():
    hooks = pytest.importorskip("yaml").safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    rules = (ROOT / "Makefile").read_text() + (ROOT / "release" / "release.mk").read_text()
    for hook in hooks:
        assert hook["language"] == "system"
        assert re.search(rf"^{hook['entry'].removeprefix('make ')}:", rules, re.MULTILINE)


def test_everything_that_is_linked_is_in_the_licences_and_in_the_lock_file():
    listed = set(re.findall(r"^={80}\n(\S+) (\S+) \(", third_party.TARGET.read_text(), re.MULTILINE))
    locked = set(re.findall(r'^name = "(.*?)"\nversion = "(.*?)"', (ROOT / "Cargo.lock").read_text(), re.MULTILINE))
    assert {"pyo3", "numpy", "half", "ndarray", "libc"} <= {name for name, _ in listed}
    assert listed <= locked, "make licences"


def test_a_licence_that_is_not_allowed_is_refused(tmp_path):
    (tmp_path / "LICENSE-MIT").write_text("text \n")
    crate = {"name": "crate", "license": "Apache-2.0/MIT", "manifest_path": str(tmp_path / "Cargo.toml")}
    assert third_party.licence(crate) == ("MIT", "text")
    with pytest.raises(SystemExit, match="crate: licence GPL-3.0"):
        third_party.licence({**crate, "license": "GPL-3.0"})


def test_help_names_every_target_with_what_it_is_for():
    files = ("Makefile", "release/release.mk")
    shown = subprocess.run(
        ["awk", "-f", "release/help.awk", *files], cwd=ROOT, check=True, capture_output=True, text=True
    )
    lines = dict(line.split(maxsplit=1) for line in shown.stdout.splitlines())
    assert {"demo", "test", "lint", "wheel", "floors", "help", "release-check"} <= lines.keys()
    assert all(len(about) > 8 for about in lines.values())


def wheel(path, *, without=(), more=()):
    info = "hardmine-0.1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        for name in {each.format(info=info) for each in check_files.IN_WHEEL} - set(without):
            parts = [{"name": each} for each in ("hardmine-core", "numpy", "pyo3")]
            archive.writestr(name, json.dumps({"components": parts}))
        for name in ("hardmine/_native.abi3.so", *more):
            archive.writestr(name, "")
    return path


def test_a_wheel_that_lacks_or_holds_something_is_noticed(tmp_path):
    path = tmp_path / "hardmine-0.1.0-cp310-abi3-manylinux_2_28_x86_64.whl"
    assert check_files.of_wheel(wheel(path)) == []
    assert check_files.of_wheel(wheel(path, without=["hardmine/py.typed"])) == ["lacks hardmine/py.typed"]
    assert check_files.of_wheel(wheel(path, more=["tests/smoke.py"])) == ["holds tests/smoke.py"]
    assert check_files.of_wheel(wheel(path, more=["hardmine/__pycache__/a.pyc"])) == [
        "holds hardmine/__pycache__/a.pyc"
    ]
    assert "expected hardmine/_native alone" in check_files.of_wheel(wheel(path, more=["hardmine/libm.so"]))[0]
    other = tmp_path / "hardmine-0.1.0-cp311-cp311-linux_x86_64.whl"
    assert check_files.of_wheel(wheel(other)) == ["is not tagged cp310-abi3"]


def test_a_source_distribution_that_lacks_or_holds_something_is_noticed(tmp_path):
    path = tmp_path / "hardmine-0.1.0.tar.gz"
    names = [name.format(version="0.1.0") for name in check_files.IN_SDIST]

    def written(names, kind=tarfile.REGTYPE):
        with tarfile.open(path, "w:gz") as archive:
            for name in names:
                member = tarfile.TarInfo(f"hardmine-0.1.0/{name}")
                member.type = kind if name == "odd" else tarfile.REGTYPE
                archive.addfile(member)
        return check_files.of_sdist(path)

    assert written(names) == []
    assert written(names[1:]) == [f"lacks {names[0]}"]
    assert written([*names, "target/debug/a.rlib"]) == ["holds target/debug/a.rlib"]
    assert written([*names, "odd"], tarfile.SYMTYPE) == ["holds odd, which is no plain file"]
    here = (name.format(version=hm.__version__) for name in check_files.IN_SDIST if name != "PKG-INFO")
    assert [name for name in here if not (ROOT / name).is_file()] == []
