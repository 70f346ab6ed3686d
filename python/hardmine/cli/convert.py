"""From one format to another: ``convert``, ``formats``."""

from __future__ import annotations

import argparse
import json
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple, cast

import hardmine as hm
from hardmine.cli import options as shared
from hardmine.formats.registry import Does, Kind, names_of, recognise
from hardmine.formats.saved import is_saved

_KINDS: tuple[Kind, ...] = ("collection", "run", "rows")


def add_commands(commands: Any) -> None:
    """Add the commands of this file to the parser."""
    convert = commands.add_parser("convert", help="a collection, a run or training rows from one format to another")
    convert.add_argument("source", type=Path, metavar="IN")
    convert.add_argument("target", type=Path, metavar="OUT")
    convert.add_argument("--from", dest="source_format", metavar="F", help="see hardmine formats (by the path)")
    convert.add_argument("--to", dest="target_format", metavar="F", help="see hardmine formats (by the path)")
    convert.add_argument("--kind", choices=_KINDS, help="what to read the file as, where it may be several things")
    convert.add_argument("--corpus", type=Path, metavar="FILE", help="documents of a file of pairs")
    convert.add_argument("--split", help="judgements of a folder (train, else dev, else test)")
    convert.add_argument("--collection", type=Path, metavar="COLLECTION", help="what the ids of a run are ids of")
    convert.add_argument("--collection-format", metavar="F", help="its format (by the path)")
    convert.add_argument("--drop-unknown", action="store_true", help="leave out ids that the collection does not have")
    convert.add_argument("--scores", action="store_true", help="write the scores of rows as the target")
    shared.add_progress(convert)
    convert.set_defaults(run=_convert)

    formats = commands.add_parser("formats", help="all formats, what each holds, what is read and written")
    formats.add_argument("--json", action="store_true", help="as JSON")
    formats.set_defaults(run=_formats)


class _Way(NamedTuple):
    kind: Kind
    source: str
    target: str


def _convert(options: argparse.Namespace) -> None:
    way = _way(options)
    if not options.source.exists():
        raise FileNotFoundError(f"{options.source}: no such file or folder")
    needed = {
        "collection": ("corpus", "split"), "run": ("collection", "collection_format", "drop_unknown"),
        "rows": ("scores",),
    }  # fmt: skip
    for kind, names in needed.items():
        given = next((name for name in names if getattr(options, name)), None)
        if given is not None and kind != way.kind:
            spelled = f"--{given.replace('_', '-')}"
            raise shared.UsageError(
                f"{spelled}: only for what is read as {kind}, but {options.source} is read as {way.kind}"
            )
    say = {"collection": _collection, "run": _run, "rows": _rows}[way.kind](options, way)
    shared.say(f"{say} in {options.target} ({way.source} to {way.target})")


def _way(options: argparse.Namespace) -> _Way:
    """What the file is read as, and under which names; refuses what is not clear."""
    for option, does in (("source_format", "reads"), ("target_format", "writes")):
        name = getattr(options, option)
        known = {name for kind in _KINDS for name in names_of(kind, cast("Does", does))}
        if name is not None and name not in known:
            spelled = "--from" if does == "reads" else "--to"
            raise shared.UsageError(f"{spelled} {name}: expected one of {', '.join(sorted(known))}")
    found = []
    for kind in _KINDS if options.kind is None else (options.kind,):
        source = options.source_format or _told(options.source, kind)
        target = options.target_format or recognise(options.target, kind)
        if source in names_of(kind, "reads") and target in names_of(kind, "writes"):
            found.append(_Way(kind, str(source), str(target)))
    if len(found) == 1:
        return found[0]
    if found:
        kinds = ", ".join(way.kind for way in found)
        raise shared.UsageError(f"{options.source}: may be read as {kinds}; say which with --kind")
    named = {"--from": options.source_format, "--to": options.target_format}
    missing = " and ".join(spelled for spelled, name in named.items() if name is None)
    if missing:
        raise shared.UsageError(f"{options.source} to {options.target}: the paths do not tell; say it with {missing}")
    came = f"{options.source_format} is read as {_held(options.source_format, 'reads')}"
    wanted = f"written from {_held(options.target_format, 'writes')}"
    raise shared.UsageError(f"--to {options.target_format}: {wanted}, but {came}")


def _told(path: Path, kind: Kind) -> str | None:
    if kind == "run" and is_saved(path):
        return "hardmine"
    return recognise(path, kind)


def _held(name: str, does: Any) -> str:
    return " or ".join(kind for kind in _KINDS if name in names_of(kind, does))


def _collection(options: argparse.Namespace, way: _Way) -> str:
    collection = hm.Collection.read(
        options.source, way.source, corpus=options.corpus, split=options.split, progress=options.progress
    )
    collection.write(options.target, way.target)
    return repr(collection)


def _run(options: argparse.Namespace, way: _Way) -> str:
    collection = None
    if options.collection is not None:
        collection = hm.Collection.read(options.collection, options.collection_format, progress=options.progress)
    with _reading(options):
        run = shared.read_run(options.source, way.source, collection, drops_unknown=options.drop_unknown)
    run.write(options.target, way.target, collection=collection)
    return repr(run)


def _rows(options: argparse.Namespace, way: _Way) -> str:
    chunks = hm.formats.read_rows(options.source, way.source)
    with _reading(options):
        written = hm.formats.write_rows(options.target, chunks, way.target, scores=options.scores)
    return f"{written['rows']:,} rows"


def _reading(options: argparse.Namespace) -> AbstractContextManager[None]:
    """The stage in which a file is read; folders are not counted."""
    from hardmine.formats.opening import reading  # needs an extra, which naming formats does not

    source: Path = options.source
    return nullcontext() if source.is_dir() else reading(source.name, [source], options.progress)


def _formats(options: argparse.Namespace) -> None:
    table = [
        {
            "name": name,
            "reads": list(known.reads),
            "writes": list(known.writes),
            "layouts": ["folder" if layout == "/" else layout for layout in known.layouts],
            "holds": known.holds,
        }
        for known in hm.formats.FORMATS
        for name in known.names
    ]
    if options.json:
        shared.say(json.dumps(table))
        return
    width = max(len(row["name"]) for row in table)
    lines = []
    for row in table:
        verbs = {"reads": "read as", "writes": "written from"}
        does = [f"{verb} {', '.join(row[side])}" for side, verb in verbs.items() if row[side]]
        lines.append(f"{row['name']:<{width}}  {row['holds']}")
        lines.append(f"{'':<{width}}  {'; '.join(does)} ({', '.join(row['layouts'])})")
    shared.say(*lines)
