"""One search in several processes that share nothing but files: ``search-shard``, ``merge``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import hardmine as hm
from hardmine.cli import options as shared
from hardmine.cli.mine import selection_of
from hardmine.distributed import shard_run
from hardmine.distributed.shard_search import search_shard
from hardmine.formats.saved import is_saved
from hardmine.pipeline.retrieve import DEFAULT_K


def add_commands(commands: Any) -> None:
    """Add the commands of this file to the parser."""
    run_shard = commands.add_parser("search-shard", help="from a collection to the candidates in a part of it")
    shared.add_collection(run_shard)
    run_shard.add_argument(
        "--shard", type=_shard, required=True, metavar="I/N", help="which part of how many: 1/8, 2/8, ... 8/8"
    )
    shared.add_teacher(run_shard)
    shared.add_cache(run_shard)
    run_shard.add_argument(
        "-k", type=int, metavar="K",
        help=f"candidates per query ({DEFAULT_K}, or what the rule needs); 0 finds the scores of positives alone",
    )  # fmt: skip
    run_shard.add_argument(
        "--positives",
        type=Path,
        metavar="RUN",
        help="scores of positives, which --rule needs: merged shards of -k 0",
    )
    shared.add_selection(run_shard)
    run_shard.add_argument("--output", type=Path, required=True, metavar="SHARD")
    shared.add_progress(run_shard)
    run_shard.set_defaults(run=_search_shard)

    run_merge = commands.add_parser("merge", help="from the candidates in all parts of the documents to one run")
    run_merge.add_argument(
        "candidates", type=Path, nargs="+", metavar="SHARD",
        help="all files of one search-shard, or runs whose documents have the numbers of the whole corpus",
    )  # fmt: skip
    run_merge.add_argument("-k", type=int, metavar="K", help="candidates kept per query of runs (all that they have)")
    shared.add_threads(run_merge)
    run_merge.add_argument("--output", type=Path, required=True, metavar="RUN")
    run_merge.set_defaults(run=_merge)


def _shard(text: str) -> tuple[int, int]:
    number, slash, count = text.partition("/")
    if not slash or not number.isdecimal() or not count.isdecimal() or not 1 <= int(number) <= int(count):
        raise argparse.ArgumentTypeError(f"{text!r}, expected I/N with I from 1 to N, such as 3/8")
    return int(number), int(count)


def _search_shard(options: argparse.Namespace) -> None:
    policy = shared.cache_policy(options)
    shared.check_run(options.output)
    shared.check_numbers(options)
    if (options.rule is None) != (options.positives is None):
        given, lacking = ("--positives", "--rule R") if options.rule is None else ("--rule", "--positives RUN")
        raise shared.UsageError(f"{given}: expected {lacking} beside it")
    selection = None if options.rule is None else selection_of(options)
    scored = None if options.positives is None else shared.load_run(options.positives)
    number, count = options.shard
    found = search_shard(
        shared.read_collection(options),
        shared.load_teacher(options),
        number,
        count,
        k=options.k,
        selection=selection,
        scored=scored,
        cache=options.cache,
        cache_policy=policy,
        max_memory=options.max_memory,
        num_threads=options.threads,
        progress=options.progress,
    )
    found.save(options.output)
    shared.say(f"{found.run!r} of documents {found.start:,} to {found.stop:,} in {options.output}")


def _merge(options: argparse.Namespace) -> None:
    shared.check_run(options.output)
    shared.check_numbers(options)
    paths = options.candidates
    for path in paths:
        shared.check_run_file(path)
    are_shards = [is_saved(path, shard_run.KIND) for path in paths]
    if all(are_shards):
        if options.k is not None:
            raise shared.UsageError("-k: shards are merged to what they were searched with")
        shards = [shard_run.load(path) for path in paths]
        run = shard_run.whole(shards, paths, num_threads=options.threads)
    elif any(are_shards):
        odd = paths[are_shards.index(False)]
        raise shared.UsageError(f"{odd}: no shard of a search, expected shards alone or runs alone")
    else:
        run = hm.merge([shared.load_run(path) for path in paths], k=options.k, num_threads=options.threads)
    run.save(options.output)
    shared.say(f"{run!r} in {options.output}")
