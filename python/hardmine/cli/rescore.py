"""A run under the scores of a cross-encoder: ``rescore``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import hardmine as hm
from hardmine.cli import options as shared
from hardmine.plumbing.progress import say as say_progress

_OPTIONS = ("max_length", "activation", "device", "dtype", "batch_tokens", "name")


def add_commands(commands: Any) -> None:
    """Add the commands of this file to the parser."""
    parser = commands.add_parser("rescore", help="from a run to one with the scores of a cross-encoder")
    shared.add_collection(parser)
    shared.add_run(parser)
    group = parser.add_argument_group("cross-encoder")
    group.add_argument("--cross-encoder", required=True, metavar="NAME", help="a model folder or name")
    group.add_argument("--name", metavar="NAME", help="what the run calls it (the model's name)")
    group.add_argument(
        "--activation", choices=("logit", "sigmoid"), help="of one label (as the model says, else logit)"
    )
    group.add_argument("--max-length", type=int, metavar="TOKENS", help="of a pair (as the model says)")
    group.add_argument("--device", metavar="D", help="cpu, cuda, cuda:1, mps")
    group.add_argument("--dtype", choices=("float32", "bfloat16", "float16", "auto"))
    group.add_argument("--batch-tokens", type=int, metavar="TOKENS")
    shared.add_cache(parser)
    parser.add_argument("-k", type=int, metavar="K", help="score and keep the first K candidates of a query (all)")
    parser.add_argument("--output", type=Path, required=True, metavar="RUN")
    shared.add_progress(parser)
    parser.set_defaults(run=_rescore)


def _rescore(options: argparse.Namespace) -> None:
    policy = shared.cache_policy(options)
    shared.check_run(options.output)
    shared.check_run_file(options.candidates)
    shared.check_numbers(options)
    collection = shared.read_collection(options)
    run = shared.load_run_of(options.candidates, options.run_format, collection, drops_unknown=options.drop_unknown)
    given = {name: getattr(options, name) for name in _OPTIONS if getattr(options, name) is not None}
    scorer = hm.teachers.load_cross_encoder(options.cross_encoder, **given)
    if options.dtype == "auto" and not options.quiet:
        say_progress(f"cross-encoder: {scorer!r}")
    rescored = hm.rescore(
        collection,
        run,
        scorer,
        k=options.k,
        cache=options.cache,
        cache_policy=policy,
        progress=options.progress,
    )
    rescored.save(options.output)
    shared.say(f"{rescored!r} in {options.output}")
