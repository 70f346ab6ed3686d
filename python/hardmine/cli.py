"""The command line: ``hardmine demo | mine | retrieve | fuse | select | ensemble``.

Exit codes: 0, 2 for wrong usage or input (one line on standard error), 130 after Ctrl-C.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import hardmine as hm
from hardmine.ensemble import SCHEMES
from hardmine.fuse import METHODS
from hardmine.mine import finish, finish_several, mine, summarise
from hardmine.retrieve import DEFAULT_K, positives_of, retrieve

_SNIPPET = 100
_DEFAULT_FORMAT = "sentence-transformers:n-tuple"


class UsageError(Exception):
    """What is wrong with an argument, on one line."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (see {self.prog} --help)")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    try:
        options = _parser().parse_args(arguments)
        options.run(options)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return _fail("interrupted; nothing was left half-written", 130)
    except BrokenPipeError:
        # The reader has gone (`| head`): nobody is left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (UsageError, ValueError, TypeError, OSError, ImportError, MemoryError) as error:
        return _fail(str(error) or type(error).__name__, 2)
    return 0


def _fail(message: str, code: int) -> int:
    sys.stderr.write(f"hardmine: {' '.join(message.split())}\n")
    return code


def _parser() -> _Parser:
    parser = _Parser(prog="hardmine", description="Mine hard negatives for retrieval and embedding models.")
    parser.add_argument("--version", action="version", version=f"hardmine {hm.__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    demo = commands.add_parser("demo", help="mine on a collection made from the docstrings of the installed Python")
    demo.add_argument("--output", type=Path, default=Path(), metavar="DIR", help="folder of hardmine-demo.jsonl (.)")
    demo.set_defaults(run=_demo)

    run_mine = commands.add_parser("mine", help="from a collection to training rows")
    _add_collection(run_mine)
    _add_teacher(run_mine)
    _add_rule(run_mine)
    run_mine.add_argument("-k", type=int, metavar="K", help="candidates per query (what the rule needs)")
    run_mine.set_defaults(run=_mine)

    run_retrieve = commands.add_parser("retrieve", help="from a collection to a run of candidates")
    _add_collection(run_retrieve)
    _add_teacher(run_retrieve)
    run_retrieve.add_argument("-k", type=int, default=DEFAULT_K, help=f"candidates per query ({DEFAULT_K})")
    run_retrieve.add_argument("--anchors", action="store_true", help="add what the rule anchored needs")
    run_retrieve.add_argument("--output", type=Path, required=True, metavar="RUN")
    run_retrieve.set_defaults(run=_retrieve)

    run_fuse = commands.add_parser("fuse", help="from the runs of several teachers to one")
    run_fuse.add_argument("candidates", type=Path, nargs="+", metavar="RUN", help="files written by hardmine retrieve")
    run_fuse.add_argument("--method", default="rrf", metavar="M", help=f"{', '.join(METHODS)} (rrf)")
    run_fuse.add_argument("--weights", type=float, nargs="+", metavar="W", help="one per run (1 each)")
    run_fuse.add_argument("--rrf-constant", type=float, default=60.0, metavar="C", help="of rrf (60)")
    run_fuse.add_argument("--min-votes", type=int, default=1, metavar="N", help="runs that must hold a document (1)")
    run_fuse.add_argument("-k", type=int, metavar="K", help="candidates kept per query (all)")
    run_fuse.add_argument("--threads", type=int, metavar="N")
    run_fuse.add_argument("--output", type=Path, required=True, metavar="RUN")
    run_fuse.set_defaults(run=_fuse)

    run_select = commands.add_parser("select", help="from a run to training rows")
    _add_collection(run_select)
    run_select.add_argument("candidates", type=Path, metavar="RUN", help="a file written by hardmine retrieve")
    _add_rule(run_select)
    run_select.add_argument("--threads", type=int, metavar="N")
    run_select.set_defaults(run=_select)

    run_ensemble = commands.add_parser("ensemble", help="from the runs of several teachers to training rows")
    _add_collection(run_ensemble)
    run_ensemble.add_argument("candidates", type=Path, nargs="+", metavar="RUN", help="one per teacher")
    _add_rule(run_ensemble, per_teacher=True)
    run_ensemble.add_argument("--scheme", default=SCHEMES[0], metavar="S", help=f"{', '.join(SCHEMES)} ({SCHEMES[0]})")
    run_ensemble.add_argument("--temperature", type=float, default=1.0, metavar="T", help="of joint; inf: uniform (1)")
    run_ensemble.add_argument("--pool", type=int, default=100, metavar="N", help="negatives per teacher, joint (100)")
    run_ensemble.add_argument("--threads", type=int, metavar="N")
    run_ensemble.set_defaults(run=_ensemble)
    return parser


def _add_collection(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("collection", type=Path, metavar="COLLECTION", help="BEIR folder, or jsonl or parquet of pairs")
    parser.add_argument("--input-format", metavar="F", help="beir, jsonl or parquet (by the path)")
    parser.add_argument("--corpus", type=Path, metavar="FILE", help="documents of a file of pairs, jsonl or parquet")
    parser.add_argument("--split", help="judgements of a BEIR folder (train, else dev, else test)")
    parser.add_argument(
        "--ignore-identical-ids", action="store_true", help="never retrieve the document with the id of the query"
    )


def _add_teacher(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("teacher")
    group.add_argument(
        "--teacher", required=True, metavar="T", help="bm25, a model folder or name, precomputed:QUERIES.npy,DOCS.npy"
    )
    group.add_argument("--similarity", choices=("cosine", "dot"))
    group.add_argument("--pooling", choices=("mean", "cls", "lasttoken"))
    group.add_argument("--query-prompt", metavar="TEXT")
    group.add_argument("--document-prompt", metavar="TEXT")
    group.add_argument("--max-length", type=int, metavar="TOKENS")
    group.add_argument("--device", metavar="D", help="cpu, cuda, cuda:1, mps")
    group.add_argument("--dtype", choices=("float32", "bfloat16", "float16"))
    group.add_argument("--batch-tokens", type=int, metavar="TOKENS")
    parser.add_argument("--threads", type=int, metavar="N")
    parser.add_argument("--max-memory", metavar="SIZE", help="working memory of the search, such as 2GB")


def _add_rule(parser: argparse.ArgumentParser, *, per_teacher: bool = False) -> None:
    group = parser.add_argument_group("rule")
    several = "one for all teachers or one each" if per_teacher else "several must all hold"
    group.add_argument(
        "--rule", action="append", metavar="R",
        help=f"naive, abs=0.7, margin-pos=0.05, perc-pos=0.95 (default), anchored=1.1[,WEIGHT]; {several}",
    )  # fmt: skip
    group.add_argument(
        "--draw", default="top", metavar="D",
        help="top, uniform, softmax=1.0, sim-ans=0.5[,B], laplace=3.0, rank-power=1.0, stratified=BINS,"
        " stratified-rank=BINS (top)",
    )  # fmt: skip
    group.add_argument("--num-negatives", type=int, default=4, metavar="N")
    group.add_argument("--floor", type=float, metavar="S", help="lowest score of a negative")
    group.add_argument("--range-min", type=int, default=0, metavar="R")
    group.add_argument("--range-max", type=int, metavar="R")
    group.add_argument("--range-on", default="raw", choices=("raw", "filtered"))
    group.add_argument("--positive-agg", default="min", choices=("min", "mean", "max", "each"))
    group.add_argument("--on-shortage", default="keep", choices=("keep", "drop", "error", "fill"))
    group.add_argument("--seed", type=int, default=0)
    group.add_argument("--epoch", type=int, default=0)
    output = parser.add_argument_group("output")
    output.add_argument("--output", type=Path, required=True, metavar="FILE", help=".jsonl or .parquet")
    output.add_argument("--format", default=_DEFAULT_FORMAT, metavar="F", help=f"({_DEFAULT_FORMAT})")
    output.add_argument("--scores", action="store_true", help="write the teacher's scores as the target")
    output.add_argument("--no-provenance", action="store_true", help="no side file of ids, scores, ranks and reasons")
    output.add_argument("--json", action="store_true", help="print the report as JSON")


def _whole(make: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    """What `make` makes of numbers that stand for integers."""
    return lambda *numbers: make(*(int(n) if n.is_integer() else n for n in numbers), **options)


_RULES: dict[str, tuple[Callable[..., Any], int, int]] = {
    "naive": (hm.NoCeiling, 0, 0),
    "abs": (hm.Absolute, 0, 1),
    "margin-pos": (hm.MarginPos, 0, 1),
    "perc-pos": (hm.PercPos, 0, 1),
    "anchored": (hm.Anchored, 0, 2),
}
_DRAWS: dict[str, tuple[Callable[..., Any], int, int]] = {
    "top": (hm.Top, 0, 0),
    "uniform": (hm.Uniform, 0, 0),
    "softmax": (hm.Softmax, 0, 1),
    "sim-ans": (hm.SimANS, 0, 2),
    "laplace": (hm.Laplace, 0, 1),
    "rank-power": (hm.RankPower, 0, 1),
    "stratified": (_whole(hm.Stratified, by="score"), 0, 1),
    "stratified-rank": (_whole(hm.Stratified, by="rank"), 0, 1),
}


def _value(option: str, text: str, known: dict[str, tuple[Callable[..., Any], int, int]]) -> Any:
    """The value object that ``NAME`` or ``NAME=NUMBER[,NUMBER]`` names."""
    name, equals, rest = text.partition("=")
    if name not in known:
        raise UsageError(f"{option}: unknown {name!r}, expected one of {', '.join(known)}")
    make, fewest, most = known[name]
    parts = rest.split(",") if equals else []
    if not fewest <= len(parts) <= most:
        counts = f"{fewest}" if fewest == most else f"{fewest} to {most}"
        raise UsageError(f"{option} {text}: {len(parts)} numbers, expected {counts}")
    numbers = []
    for part in parts:
        try:
            numbers.append(float(part))
        except ValueError:
            raise UsageError(f"{option} {text}: {part!r}, expected a number") from None
    try:
        return make(*numbers)
    except (ValueError, TypeError) as error:
        raise UsageError(f"{option} {text}: {error}") from None


def _rules(options: argparse.Namespace) -> list[Any]:
    return [_value("--rule", text, _RULES) for text in options.rule or ["perc-pos=0.95"]]


def _selection(options: argparse.Namespace) -> hm.Selection:
    rules = _rules(options)
    ceiling = rules[0]
    for rule in rules[1:]:
        ceiling = ceiling & rule
    return _selection_under(ceiling, options)


def _selection_under(ceiling: Any, options: argparse.Namespace, num_negatives: int | None = None) -> hm.Selection:
    return hm.Selection(
        num_negatives or options.num_negatives,
        ceiling=ceiling,
        floor=options.floor,
        range_min=options.range_min,
        range_max=options.range_max,
        range_on=options.range_on,
        draw=_value("--draw", options.draw, _DRAWS),
        positive_agg=options.positive_agg,
        on_shortage=options.on_shortage,
        seed=options.seed,
    )


def _collection(options: argparse.Namespace) -> hm.Collection:
    return hm.Collection.read(
        options.collection,
        options.input_format,
        corpus=options.corpus,
        split=options.split,
        ignore_identical_ids=options.ignore_identical_ids,
    )


def _teacher(options: argparse.Namespace) -> Any:
    names = (
        "similarity", "pooling", "query_prompt", "document_prompt", "max_length", "device", "dtype", "batch_tokens"
    )  # fmt: skip
    given = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    if not options.teacher.startswith("precomputed:"):
        return hm.teachers.load(options.teacher, **given)
    files = options.teacher.removeprefix("precomputed:").split(",")
    if len(files) != 2:
        raise UsageError(f"--teacher {options.teacher}: {len(files)} files, expected precomputed:QUERIES.npy,DOCS.npy")
    if set(given) - {"similarity"}:
        option = next(name for name in given if name != "similarity").replace("_", "-")
        raise UsageError(f"--{option}: embeddings made elsewhere have no such option")
    return hm.teachers.precomputed(*files, **given)


def _check_rows(options: argparse.Namespace) -> None:
    """Refuse what writing would refuse, before the expensive work."""
    hm.formats.check_output(options.output, options.format)
    if options.scores and options.on_shortage == "fill":
        raise UsageError("--scores: documents that fill a shortage have none, expected another --on-shortage")


def _check_folder(path: Path) -> None:
    if not path.parent.is_dir():
        raise UsageError(f"{path}: the folder {path.parent} does not exist")
    if path.is_dir():
        raise UsageError(f"{path}: a folder, expected a file to write")


def _write(mined: hm.Mined, options: argparse.Namespace) -> None:
    written = mined.write(options.output, options.format, scores=options.scores, provenance=not options.no_provenance)
    if options.json:
        print(json.dumps({**mined.report, "output": str(options.output), "format": options.format, "written": written}))
        return
    print(mined.summary())
    print()
    print(_written(options.output, written))


def _written(path: Path, written: dict[str, int]) -> str:
    dropped = written["dropped_pairs"]
    return f"{written['rows']:,} rows in {path}" + (
        f"; {dropped:,} pairs with too few negatives left out" * (dropped > 0)
    )


def _mine(options: argparse.Namespace) -> None:
    selection = _selection(options)
    _check_rows(options)
    collection = _collection(options)
    mined = mine(
        collection,
        _teacher(options),
        selection,
        k=options.k,
        epoch=options.epoch,
        num_threads=options.threads,
        max_memory=options.max_memory,
    )
    _write(mined, options)


def _retrieve(options: argparse.Namespace) -> None:
    _check_folder(options.output)
    collection = _collection(options)
    run = retrieve(
        collection,
        _teacher(options),
        options.k,
        anchors=options.anchors,
        num_threads=options.threads,
        max_memory=options.max_memory,
    )
    run.save(options.output)
    print(f"{run!r} in {options.output}")


def _fuse(options: argparse.Namespace) -> None:
    _check_folder(options.output)
    fused = hm.fuse(
        [_run(path) for path in options.candidates],
        method=options.method,
        k=options.k,
        weights=options.weights,
        rrf_constant=options.rrf_constant,
        min_votes=options.min_votes,
        num_threads=options.threads,
    )
    fused.save(options.output)
    print(f"{fused!r} in {options.output}")


def _run(path: Path) -> hm.Candidates:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file, expected a run made by hardmine retrieve")
    return hm.Candidates.load(path)


def _select(options: argparse.Namespace) -> None:
    selection = _selection(options)
    _check_rows(options)
    run = _run(options.candidates)
    collection = _collection(options)
    positives = positives_of(collection, run)
    _write(finish(collection, run, positives, selection, epoch=options.epoch, num_threads=options.threads), options)


def _ensemble(options: argparse.Namespace) -> None:
    rules = _rules(options)
    runs = options.candidates
    if len(rules) not in (1, len(runs)):
        raise UsageError(f"--rule: {len(rules)} of them, expected one or {len(runs)} (one per run)")
    if options.on_shortage in ("fill", "drop"):
        raise UsageError(f"--on-shortage {options.on_shortage}: expected keep or error with several teachers")
    if options.scores:
        raise UsageError("--scores: those of several teachers do not compare")
    _check_rows(options)
    if options.scheme == "joint" and options.pool < options.num_negatives:
        raise UsageError(f"--pool {options.pool}: expected at least --num-negatives {options.num_negatives}")
    depth = options.pool if options.scheme == "joint" else options.num_negatives
    collection = _collection(options)
    teachers = []
    for number, path in enumerate(runs):
        run = _run(path)
        selection = _selection_under(rules[number % len(rules)], options, depth)
        teachers.append((run, positives_of(collection, run), selection))
    mined = finish_several(
        collection,
        teachers,
        scheme=options.scheme,
        num_negatives=options.num_negatives,
        temperature=options.temperature,
        seed=options.seed,
        epoch=options.epoch,
        num_threads=options.threads,
    )
    _write(mined, options)


def _demo(options: argparse.Namespace) -> None:
    from hardmine._demo import docstring_collection

    output = options.output / "hardmine-demo.jsonl"
    hm.formats.check_output(output, _DEFAULT_FORMAT)
    collection = docstring_collection(progress=True)
    mined = mine(collection, "bm25", hm.strategies.top_k_perc_pos(4))
    written = mined.write(output, _DEFAULT_FORMAT)
    print(summarise(mined.report))
    print()
    for row in _examples(mined):
        print(row)
    print(_written(output, written))
    print("each row: a docstring's first line, the function it describes, and 4 functions that it does not")


def _examples(mined: hm.Mined, count: int = 3) -> list[str]:
    """A few rows to read, spread over the collection."""
    collection, negatives = mined.collection, mined.negatives
    full = (negatives.lengths == negatives.metadata["num_negatives"]).nonzero()[0].tolist()
    rows = [full[(2 * i + 1) * len(full) // (2 * count)] for i in range(count)] if len(full) >= count else full
    lines = []
    for row in rows:
        query = int(negatives.queries[row])
        lines.append(f"query     {collection.query_texts[query].as_py()}")
        positive = int(mined.positives[query][0])
        lines.append(f"positive  {negatives.positive_scores[row]:6.2f}  {_snippet(collection, positive)}")
        for document, found in zip(*negatives[row], strict=True):
            lines.append(f"negative  {found:6.2f}  {_snippet(collection, int(document))}")
        lines.append("")
    return lines


def _snippet(collection: hm.Collection, document: int) -> str:
    text = " ".join(collection.document_texts[document].as_py().split())
    return text if len(text) <= _SNIPPET else text[: _SNIPPET - 3] + "..."


if __name__ == "__main__":
    sys.exit(main())
