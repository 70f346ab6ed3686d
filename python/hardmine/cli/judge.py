"""A second opinion on the candidates of a run: ``judge``."""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import hardmine as hm
from hardmine.cli import options as shared
from hardmine.formats.layouts import check_layout
from hardmine.formats.registry import expect
from hardmine.pipeline.judge import BATCH_SIZE, MAX_FALSE, MAX_RETRIES, ON_ERROR, ORDERS, UNSURE_WAYS
from hardmine.pipeline.judge_policies import POLICIES
from hardmine.pipeline.judged import LAYOUTS
from hardmine.plumbing.files import check_target

_SCORER = ("max_length", "device", "dtype", "batch_tokens")
_OF = {
    "judge_cross_encoder": ("negative_below", "positive_above", "relative", *_SCORER),
    "judge_endpoint": (
        "judge_model", "judge_key_variable", "judge_prompt", "max_characters", "timeout", "max_concurrency",
        "requests_per_minute",
    ),
}  # fmt: skip
"""Options that belong to one judge alone."""


def add_commands(commands: Any) -> None:
    """Add the commands of this file to the parser."""
    parser = commands.add_parser("judge", help="from a run to one without the false negatives that a judge finds")
    shared.add_collection(parser)
    shared.add_run(parser)
    _add_judges(parser)
    group = parser.add_argument_group("policy")
    group.add_argument("--policy", default=POLICIES[0], choices=POLICIES, help="for what is judged positive (remove)")
    group.add_argument(
        "--max-false", type=_count_or_none, default=MAX_FALSE, metavar="N",
        help=f"drop a query with more texts judged positive; none: drop none ({MAX_FALSE})",
    )  # fmt: skip
    group.add_argument("--unsure", default=UNSURE_WAYS[0], choices=UNSURE_WAYS, help="documents that nobody is sure of")
    group.add_argument("--budget", type=int, metavar="N", help="items to judge, those of the cache too (all)")
    group.add_argument("--order", default=ORDERS[0], choices=ORDERS)
    group.add_argument("--batch-size", type=int, default=BATCH_SIZE, metavar="N", help=f"of a call ({BATCH_SIZE})")
    group.add_argument("--retries", type=int, default=MAX_RETRIES, metavar="N", help=f"of a call ({MAX_RETRIES})")
    group.add_argument("--on-error", default=ON_ERROR[0], choices=ON_ERROR, help="items that fail to the end")
    shared.add_cache(parser)
    output = parser.add_argument_group("output")
    output.add_argument("--output", type=Path, metavar="RUN", help="the run that is left")
    output.add_argument("--verdicts", type=Path, metavar="FILE", help=f"every pair: {', '.join(LAYOUTS)}")
    output.add_argument("--output-collection", type=Path, metavar="PATH", help="with the labels of --policy relabel")
    output.add_argument("--output-collection-format", metavar="F", help="its format (by the path)")
    output.add_argument("--json", action="store_true", help="print the report as JSON")
    shared.add_progress(parser)
    parser.set_defaults(run=_judge)


def _add_judges(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("judge")
    who = group.add_mutually_exclusive_group(required=True)
    who.add_argument("--judge-cross-encoder", metavar="NAME", help="a model folder or name, with two thresholds")
    who.add_argument("--judge-endpoint", metavar="URL", help="an OpenAI-style chat endpoint: http://localhost:8000/v1")
    group.add_argument("--negative-below", type=float, metavar="S", help="scores below it are negative")
    group.add_argument("--positive-above", type=float, metavar="S", help="scores above it are positive")
    group.add_argument(
        "--relative", action="store_true", default=None, help="both are shares of the positive's own score"
    )
    group.add_argument("--max-length", type=int, metavar="TOKENS", help="of a pair (as the model says)")
    group.add_argument("--device", metavar="D", help="cpu, cuda, cuda:1, mps")
    group.add_argument("--dtype", choices=("float32", "bfloat16", "float16", "auto"))
    group.add_argument("--batch-tokens", type=int, metavar="TOKENS")
    group.add_argument("--judge-model", metavar="NAME", help="model at the endpoint")
    group.add_argument(
        "--judge-key-variable", metavar="NAME", help="name of the environment variable that holds its key (no key)"
    )
    group.add_argument("--judge-prompt", type=Path, metavar="FILE", help="with {query}, {document}, {positive}")
    group.add_argument("--max-characters", type=int, metavar="N", help="cut each text behind them (no cut)")
    group.add_argument("--timeout", type=float, metavar="S", help="seconds of a request (60)")
    group.add_argument("--max-concurrency", type=int, metavar="N", help="requests at a time (8)")
    group.add_argument("--requests-per-minute", type=float, metavar="N", help="no limit")


def _count_or_none(text: str) -> int | None:
    if text == "none":
        return None
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}, expected a number or none") from None


def _judge(options: argparse.Namespace) -> None:
    policy = shared.cache_policy(options)
    _check_outputs(options)
    shared.check_run_file(options.candidates)
    judge = _judge_of(options)
    collection = shared.read_collection(options)
    run = shared.load_run_of(options.candidates, options.run_format, collection, drops_unknown=options.drop_unknown)
    try:
        judged = hm.judge(
            collection,
            run,
            judge,
            policy=options.policy,
            max_false=options.max_false,
            budget=options.budget,
            order=options.order,
            unsure=options.unsure,
            cache=options.cache,
            cache_policy=policy,
            batch_size=options.batch_size,
            max_retries=options.retries,
            on_error=options.on_error,
            progress=options.progress,
        )
    except hm.teachers.JudgeError as error:
        raise shared.UsageError(str(error)) from None
    _write(judged, options)


def _check_outputs(options: argparse.Namespace) -> None:
    """Refuse what could not be written, before anything is paid for."""
    if options.output is None and options.verdicts is None:
        raise shared.UsageError("judge: nothing to write, expected --output RUN or --verdicts FILE")
    if (options.policy == "relabel") != (options.output_collection is not None):
        raise shared.UsageError("--output-collection: expected with --policy relabel, and with no other")
    if options.output is not None:
        shared.check_run(options.output)
    if options.verdicts is not None:
        check_target(options.verdicts)
        check_layout(options.verdicts, LAYOUTS)
    if options.output_collection is not None:
        _check_collection(options.output_collection, options.output_collection_format)


def _check_collection(path: Path, format_name: str | None) -> None:
    """Refuse where a collection could not be written, as far as its format can tell without the texts."""
    known = expect(path, format_name, "collection", does="writes")
    if "/" not in known.layouts:
        check_target(path)
    elif path.exists() and not path.is_dir():
        raise NotADirectoryError(f"{path}: a file, expected a folder to write, or nothing")
    elif known.name != "beir" and not path.absolute().parent.is_dir():  # which makes all folders that it needs
        raise FileNotFoundError(f"{path}: the folder {path.parent} does not exist")
    # Whether suffix and format go together, and what may lie beside the files, each format says when it writes.
    with tempfile.TemporaryDirectory() as folder:
        trial = Path(folder) / path.name
        for beside in path.glob("qrels/*"):
            (trial / "qrels").mkdir(parents=True, exist_ok=True)
            (trial / "qrels" / beside.name).touch()
        try:
            hm.Collection.from_pairs(["a query"], ["its answer"]).write(trial, format_name)
        except (ValueError, OSError) as error:
            raise shared.UsageError(str(error).replace(str(trial), str(path))) from None


def _judge_of(options: argparse.Namespace) -> Any:
    chosen = next(name for name in _OF if getattr(options, name) is not None)
    for other, names in _OF.items():
        stray = next((name for name in names if getattr(options, name) is not None), None)
        if other != chosen and stray is not None:
            raise shared.UsageError(f"{_spelt(stray)}: only with {_spelt(other)}")
    given = {name: getattr(options, name) for name in _OF[chosen] if getattr(options, name) is not None}
    if chosen == "judge_cross_encoder":
        for name in ("negative_below", "positive_above"):
            if name not in given:
                raise shared.UsageError(f"{_spelt(name)}: missing, expected beside --judge-cross-encoder")
        loading = {name: given.pop(name) for name in _SCORER if name in given}
        # The thresholds are looked at first: a model takes its time to load.
        hm.teachers.CrossEncoderJudge(len, **given)
        return hm.teachers.CrossEncoderJudge(
            hm.teachers.load_cross_encoder(options.judge_cross_encoder, **loading), **given
        )
    if "judge_model" not in given:
        raise shared.UsageError("--judge-model: missing, expected beside --judge-endpoint")
    if "judge_prompt" in given:
        try:
            given["judge_prompt"] = options.judge_prompt.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            raise shared.UsageError(f"--judge-prompt {options.judge_prompt}: not UTF-8, expected a text") from None
    model = given.pop("judge_model")
    calls_it = {"judge_key_variable": "api_key_variable", "judge_prompt": "prompt"}
    renamed = {calls_it.get(name, name): value for name, value in given.items()}
    return hm.teachers.ChatJudge(options.judge_endpoint, model, **renamed)


def _spelt(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _write(judged: hm.Judged, options: argparse.Namespace) -> None:
    """Write what was asked for and print the report."""
    written = []
    if options.output is not None:
        assert judged.run is not None  # noqa: S101
        judged.run.save(options.output)
        written.append(f"{judged.run!r} in {options.output}")
    if options.verdicts is not None:
        judged.write(options.verdicts)
        written.append(f"{judged.report['pairs']:,} pairs in {options.verdicts}")
    if options.output_collection is not None:
        judged.collection.write(options.output_collection, options.output_collection_format)
        written.append(f"{judged.collection!r} in {options.output_collection}")
    if options.json:
        shared.say(json.dumps(judged.to_dict(), allow_nan=False))
        return
    shared.say(judged.summary(), "", *written)
