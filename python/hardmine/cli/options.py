"""What several commands share: groups of options, and what is made of them."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout
from pathlib import Path
from typing import Any

import hardmine as hm
from hardmine.formats.registry import recognise
from hardmine.formats.saved import is_saved
from hardmine.plumbing import checks
from hardmine.plumbing.files import check_target
from hardmine.plumbing.progress import AlsoShown, Reporting
from hardmine.plumbing.progress import say as say_progress
from hardmine.plumbing.progress_log import ProgressLog
from hardmine.plumbing.threads import thread_count
from hardmine.rules.ceilings import Ceiling
from hardmine.rules.spelling import ceiling_spellings, draw_spellings, parse_ceiling, parse_draw, spell
from hardmine.store.rows import POLICIES
from hardmine.teachers.precomputed import open_embeddings

DEFAULT_FORMAT = "sentence-transformers:n-tuple"
_DEFAULT = hm.Selection()


class UsageError(Exception):
    """What is wrong with an argument, on one line."""


def add_collection(parser: argparse.ArgumentParser) -> None:
    """Options that say where the texts are."""
    parser.add_argument(
        "collection", type=Path, metavar="COLLECTION",
        help="BEIR folder, jsonl, parquet or csv of pairs, folder of save_to_disk, ...: hardmine formats",
    )  # fmt: skip
    parser.add_argument("--input-format", metavar="F", help=f"{', '.join(hm.formats.READ)} (by the path)")
    parser.add_argument(
        "--corpus", type=Path, metavar="FILE", help="documents of a file of pairs: jsonl, parquet, csv or tsv"
    )
    parser.add_argument("--split", help="judgements of a folder (train, else dev, else test)")
    parser.add_argument(
        "--ignore-identical-ids", action="store_true", help="never retrieve the document with the id of the query"
    )


def add_run(parser: argparse.ArgumentParser) -> None:
    """Options that say where the candidates are; see `load_run_of`."""
    parser.add_argument(
        "candidates", type=Path, metavar="RUN", help="what hardmine retrieve wrote, or a run made elsewhere"
    )
    parser.add_argument(
        "--run-format", metavar="F", help=f"{', '.join(hm.formats.names_of('run', 'reads'))} (by the path)"
    )
    parser.add_argument(
        "--drop-unknown", action="store_true", help="leave out ids of the run that the collection does not have"
    )


def add_teacher(parser: argparse.ArgumentParser) -> None:
    """Options that say who scores, and with what means."""
    group = parser.add_argument_group("teacher")
    group.add_argument(
        "--teacher", required=True, metavar="T",
        help="bm25, a model folder or name, sparse:FOLDER-OR-NAME (a masked-language model such as a SPLADE), "
        "precomputed:QUERIES.npy,DOCS.npy",
    )  # fmt: skip
    group.add_argument("--similarity", choices=("cosine", "dot"))
    group.add_argument("--pooling", choices=("mean", "cls", "lasttoken"))
    group.add_argument("--query-prompt", metavar="TEXT")
    group.add_argument("--document-prompt", metavar="TEXT")
    group.add_argument("--max-length", type=int, metavar="TOKENS")
    group.add_argument("--device", metavar="D", help="cpu, cuda, cuda:1, mps")
    group.add_argument("--dtype", choices=("float32", "bfloat16", "float16", "auto"))
    group.add_argument("--batch-tokens", type=int, metavar="TOKENS")
    for side in ("query", "document"):
        group.add_argument(f"--max-{side}-terms", type=int, metavar="N", help=f"largest weights of a sparse {side}")
    group.add_argument(
        "--no-special-tokens", dest="special_tokens", action="store_const", const=False,
        help="no weights of [CLS], [SEP] and the like in a sparse text",
    )  # fmt: skip
    add_threads(parser)
    parser.add_argument("--max-memory", metavar="SIZE", help="working memory of the search, such as 2GB")


def named(text: str) -> Path:
    """A path that names something: an empty one, as of a variable that is not set, would be this folder."""
    if not text or "\0" in text:
        raise argparse.ArgumentTypeError(f"{text!r}, expected a path")
    return Path(text)


def cache_policy(options: argparse.Namespace) -> str:
    """What becomes of shards that are there; to say so without a cache is a mistake."""
    if options.cache is None and options.cache_policy is not None:
        raise UsageError(f"--cache-policy {options.cache_policy}: expected --cache DIR beside it")
    return options.cache_policy or POLICIES[0]


def add_cache(parser: argparse.ArgumentParser) -> None:
    """Options that say where embeddings and candidates are kept."""
    group = parser.add_argument_group("cache")
    group.add_argument(
        "--cache", type=named, metavar="DIR", help="keep embeddings and candidates: a killed run goes on"
    )
    group.add_argument(
        "--cache-policy",
        choices=POLICIES,
        help="damaged shards: refuse (default) stops at them, reuse computes their rows again, overwrite all rows",
    )


def add_cluster(parser: argparse.ArgumentParser) -> None:
    """Options that say on what cluster to search; see `cluster_of`."""
    group = parser.add_argument_group("cluster")
    group.add_argument(
        "--ray", nargs="?", const="", metavar="ADDRESS",
        help="search on a Ray cluster: this one, else that of RAY_ADDRESS, else one of this machine's own",
    )  # fmt: skip
    group.add_argument("--shards", type=int, metavar="N", help="parts of the documents (by its size and theirs)")


def cluster_of(options: argparse.Namespace) -> dict[str, Any]:
    """What the functions of `hardmine.distributed` are told; nothing without --ray."""
    if options.ray is None:
        if options.shards is not None:
            raise UsageError("--shards: expected --ray beside it")
        return {}
    return {"address": options.ray or None, "num_shards": options.shards}


@contextmanager
def without_output(cluster: dict[str, Any]) -> Iterator[None]:
    """Keep standard output for what the command prints: Ray says there what became of its processes."""
    with redirect_stdout(sys.stderr) if cluster else nullcontext():
        yield


def add_rule(parser: argparse.ArgumentParser, *, per_teacher: bool = False) -> None:
    """Options that say what to keep, how to draw and where the rows go."""
    add_selection(parser, per_teacher=per_teacher)
    output = parser.add_argument_group("output")
    output.add_argument(
        "--output", type=Path, required=True, metavar="FILE", help=".jsonl, .parquet, ... by the format"
    )
    output.add_argument(
        "--format", default=DEFAULT_FORMAT, metavar="F", help=f"{', '.join(hm.formats.WRITE)} ({DEFAULT_FORMAT})"
    )
    output.add_argument("--scores", action="store_true", help="write the teacher's scores as the target")
    output.add_argument(
        "--no-provenance",
        action="store_true",
        help="no side file of ids, scores, ranks and reasons; that of an earlier run is removed",
    )
    output.add_argument("--json", action="store_true", help="print the report as JSON")


def add_selection(parser: argparse.ArgumentParser, *, per_teacher: bool = False) -> None:
    """Options that say what to keep and how to draw."""
    group = parser.add_argument_group("rule")
    several = "one for all teachers or one each" if per_teacher else "several must all hold"
    rules, draws = ", ".join(ceiling_spellings()), ", ".join(draw_spellings())
    group.add_argument(
        "--rule",
        action="append",
        metavar="R",
        help=f"{rules}, or several joined by & ({spell(_DEFAULT.ceiling)}); {several}; abs, margin-pos and perc-pos "
        "on the scores that another teacher gave before rescore: perc-pos=0.95@bm25",
    )
    group.add_argument("--draw", default=spell(_DEFAULT.draw), metavar="D", help=f"{draws} ({spell(_DEFAULT.draw)})")
    group.add_argument("--num-negatives", type=int, default=4, metavar="N")
    group.add_argument("--floor", type=float, metavar="S", help="lowest score of a negative")
    group.add_argument(
        "--near-duplicates", type=float, metavar="J", help="keep out texts whose shingles are that similar, such as 0.9"
    )
    group.add_argument(
        "--near-cosine", type=float, metavar="C", help="keep out embeddings of that cosine, such as 0.95"
    )
    group.add_argument("--range-min", type=int, default=0, metavar="R")
    group.add_argument("--range-max", type=int, metavar="R")
    group.add_argument("--range-on", default="raw", choices=("raw", "filtered"))
    group.add_argument("--positive-agg", default="min", choices=("min", "mean", "max", "each"))
    group.add_argument("--on-shortage", default="keep", choices=("keep", "drop", "error", "fill"))
    group.add_argument("--seed", type=int, default=0)
    group.add_argument("--epoch", type=int, default=0)


def add_document_embeddings(parser: argparse.ArgumentParser) -> None:
    """The option of commands without a teacher that may compare embeddings."""
    parser.add_argument("--document-embeddings", type=Path, metavar="NPY", help="what --near-cosine compares")


def document_embeddings(options: argparse.Namespace) -> Any:
    """The embeddings that --near-cosine compares, mapped; None without them."""
    path = options.document_embeddings
    if (path is None) != (options.near_cosine is None):
        given, lacking = ("--near-cosine", "--document-embeddings NPY") if path is None else (
            "--document-embeddings", "--near-cosine C"
        )  # fmt: skip
        raise UsageError(f"{given}: expected {lacking} beside it")
    return None if path is None else open_embeddings("documents", path)


def add_progress(parser: argparse.ArgumentParser) -> None:
    """Options of every command that shows how far it is; `main` makes ``options.progress`` of them."""
    group = parser.add_argument_group("progress")
    group.add_argument("--quiet", action="store_true", help="show none on standard error; errors are shown still")
    group.add_argument(
        "--log-json",
        type=named,
        metavar="FILE",
        help="add it to a file, one JSON object per line: time, event, stage, done, total, rate, remaining, elapsed",
    )


@contextmanager
def reporting(options: argparse.Namespace) -> Iterator[Reporting]:
    """What to give as ``progress`` while the command runs; nothing is shown of a command without `add_progress`."""
    path: Path | None = getattr(options, "log_json", None)
    is_shown = "quiet" in options and not options.quiet
    if path is None:
        yield is_shown
        return
    with ProgressLog(path) as log:
        yield AlsoShown(log) if is_shown else log


def add_threads(parser: argparse.ArgumentParser) -> None:
    """The option of every command that computes."""
    parser.add_argument("--threads", type=int, metavar="N")


def ceilings(options: argparse.Namespace) -> list[Ceiling]:
    """The ceiling that each --rule spells."""
    return [parse_ceiling(text, name="--rule") for text in options.rule or [spell(_DEFAULT.ceiling)]]


def selection(options: argparse.Namespace, ceiling: Ceiling, num_negatives: int | None = None) -> hm.Selection:
    """The selection that the options describe, under a ceiling."""
    return hm.Selection(
        options.num_negatives if num_negatives is None else num_negatives,
        ceiling=ceiling,
        floor=options.floor,
        range_min=options.range_min,
        range_max=options.range_max,
        range_on=options.range_on,
        draw=parse_draw(options.draw, name="--draw"),
        positive_agg=options.positive_agg,
        on_shortage=options.on_shortage,
        seed=options.seed,
        near_duplicates=options.near_duplicates,
        near_cosine=options.near_cosine,
    )


def read_collection(options: argparse.Namespace) -> hm.Collection:
    """The collection that the options name."""
    return hm.Collection.read(
        options.collection,
        options.input_format,
        corpus=options.corpus,
        split=options.split,
        ignore_identical_ids=options.ignore_identical_ids,
        progress=options.progress,
    )


def load_teacher(options: argparse.Namespace) -> Any:
    """The teacher that the options name."""
    names = (
        "similarity", "pooling", "query_prompt", "document_prompt", "max_length", "device", "dtype", "batch_tokens",
        "max_query_terms", "max_document_terms", "special_tokens",
    )  # fmt: skip
    given = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    if options.teacher.startswith("sparse:"):
        name = options.teacher.removeprefix("sparse:")
        if not name:
            raise UsageError("--teacher sparse: expected the folder or name of a model behind it")
        return _told(hm.teachers.sparse(name, **given), options)
    if not options.teacher.startswith("precomputed:"):
        try:
            teacher = hm.teachers.load(options.teacher, **given)
        except (OSError, ValueError) as error:
            if "/" in options.teacher or Path(options.teacher).exists():
                raise
            raise UsageError(
                f"--teacher {options.teacher}: neither 'bm25' nor a folder, and no such model could be loaded ({error})"
            ) from None
        return _told(teacher, options)
    files = options.teacher.removeprefix("precomputed:").split(",")
    if len(files) != 2:
        raise UsageError(f"--teacher {options.teacher}: {len(files)} files, expected precomputed:QUERIES.npy,DOCS.npy")
    if set(given) - {"similarity"}:
        option = next(name for name in given if name != "similarity").replace("_", "-")
        raise UsageError(f"--{option}: embeddings made elsewhere have no such option")
    return hm.teachers.precomputed(*files, **given)


def _told(teacher: Any, options: argparse.Namespace) -> Any:
    """The teacher, once a user knows which dtype was chosen."""
    if options.dtype == "auto" and not options.quiet:
        say_progress(f"teacher: {teacher!r}")
    return teacher


def check_numbers(options: argparse.Namespace) -> None:
    """Refuse what the work would stumble over at its end, before it begins."""
    if "epoch" in options:
        checks.integer("epoch", options.epoch)
    if "max_memory" in options:
        checks.memory("max_memory", options.max_memory, 1)
    if "threads" in options:
        thread_count(options.threads)


def check_rows(options: argparse.Namespace) -> None:
    """Refuse what writing would refuse, before the expensive work."""
    check_numbers(options)
    provenance, wanted = not options.no_provenance, options.num_negatives
    hm.formats.check_output(
        options.output, options.format, provenance=provenance, num_negatives=wanted, scores=options.scores
    )
    if options.scores and options.on_shortage == "fill":
        raise UsageError("--scores: documents that fill a shortage have none, expected another --on-shortage")


def check_run(path: Path) -> None:
    """Refuse a path that no run can be saved to, before the expensive work."""
    check_target(path)


def check_run_file(path: Path) -> None:
    """Refuse a run that is not there."""
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file, expected a run made by hardmine retrieve")


def load_run(path: Path) -> hm.Candidates:
    """A run that an earlier command saved, or that something else made."""
    check_run_file(path)
    if is_saved(path) or recognise(path, "run") is None:
        return hm.Candidates.load(path)
    return hm.Candidates.read(path)


def load_run_of(
    path: Path,
    format: str | None,  # noqa: A002
    collection: hm.Collection | None,
    *,
    drops_unknown: bool,
) -> hm.Candidates:
    """A run of a collection, for a command with --run-format and --drop-unknown."""
    check_run_file(path)
    if format is None and path.is_file() and not is_saved(path) and recognise(path, "run") is None:
        raise UsageError(f"{path}: not a hardmine file, nor a suffix that tells the format; say it with --run-format")
    if format is None and is_saved(path):
        return hm.Candidates.load(path)
    return read_run(path, format, collection, drops_unknown=drops_unknown)


def read_run(
    path: Path,
    format: str | None,  # noqa: A002
    collection: hm.Collection | None,
    *,
    drops_unknown: bool,
) -> hm.Candidates:
    """A run that something else made, for a command with --drop-unknown: says how many were dropped."""
    from hardmine.formats.run_parts import HOW_TO_DROP  # needs pyarrow, which other commands do without

    try:
        run = hm.Candidates.read(path, format, collection=collection, unknown="drop" if drops_unknown else "error")
    except hm.formats.FormatError as error:
        raise UsageError(str(error).replace(HOW_TO_DROP, "--drop-unknown")) from None
    dropped = [run.metadata.get(f"unknown_{kind}", 0) for kind in ("query", "document")]
    if any(dropped):
        left_out = f"{dropped[0]:,} candidates of unknown queries and {dropped[1]:,} of unknown documents left out"
        say_progress(f"hardmine: {path}: {left_out}")
    return run


def say(*lines: str) -> None:
    """Print lines for the user."""
    try:
        print(*lines, sep="\n", flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        # What is left in the buffer would be tried again when the process ends, with a complaint of its own.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise OSError(error.errno, error.strerror, "standard output") from error


def write_rows(mined: hm.Mined, options: argparse.Namespace) -> None:
    """Write the training rows and print the report."""
    written = mined.write(
        options.output,
        options.format,
        scores=options.scores,
        provenance=not options.no_provenance,
        progress=options.progress,
    )
    if options.json:
        about = {"output": str(options.output), "format": options.format, "written": written}
        say(json.dumps({**mined.report, **about}, allow_nan=False))
        return
    say(mined.summary(), "", written_line(options.output, written))


def written_line(path: Path, written: dict[str, int]) -> str:
    """What was written, on one line."""
    dropped = written["dropped_pairs"]
    rest = f"; {dropped:,} pairs with too few negatives left out" if dropped else ""
    return f"{written['rows']:,} rows in {path}{rest}"
