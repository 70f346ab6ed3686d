"""From a collection to candidates to training rows: ``mine``, ``retrieve``, ``select``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import hardmine as hm
from hardmine.cli import options as shared
from hardmine.cli import report
from hardmine.pipeline.retrieve import DEFAULT_K


def add_commands(commands: Any) -> None:
    """Add the commands of this file to the parser."""
    run_mine = commands.add_parser("mine", help="from a collection to training rows")
    shared.add_collection(run_mine)
    shared.add_teacher(run_mine)
    shared.add_cache(run_mine)
    shared.add_cluster(run_mine)
    shared.add_rule(run_mine)
    run_mine.add_argument("-k", type=int, metavar="K", help="candidates per query (what the rule needs)")
    report.add_option(run_mine)
    shared.add_progress(run_mine)
    run_mine.set_defaults(run=_mine)

    run_retrieve = commands.add_parser("retrieve", help="from a collection to a run of candidates")
    shared.add_collection(run_retrieve)
    shared.add_teacher(run_retrieve)
    shared.add_cache(run_retrieve)
    shared.add_cluster(run_retrieve)
    run_retrieve.add_argument("-k", type=int, default=DEFAULT_K, help=f"candidates per query ({DEFAULT_K})")
    run_retrieve.add_argument("--anchors", action="store_true", help="add what the rule anchored needs")
    run_retrieve.add_argument("--output", type=Path, required=True, metavar="RUN")
    shared.add_progress(run_retrieve)
    run_retrieve.set_defaults(run=_retrieve)

    run_select = commands.add_parser("select", help="from a run to training rows")
    shared.add_collection(run_select)
    shared.add_run(run_select)
    shared.add_rule(run_select)
    report.add_option(run_select)
    shared.add_document_embeddings(run_select)
    shared.add_threads(run_select)
    shared.add_progress(run_select)
    run_select.set_defaults(run=_select)


def selection_of(options: argparse.Namespace) -> hm.Selection:
    """The selection that the options describe; all of several rules must hold."""
    ceiling, *others = shared.ceilings(options)
    for other in others:
        ceiling = ceiling & other
    return shared.selection(options, ceiling)


def _mine(options: argparse.Namespace) -> None:
    selection, policy, cluster = selection_of(options), shared.cache_policy(options), shared.cluster_of(options)
    shared.check_rows(options)
    report.check_option(options)
    collection = shared.read_collection(options)
    mine = hm.distributed.mine if cluster else hm.mine
    with shared.without_output(cluster):
        mined = mine(
            collection,
            shared.load_teacher(options),
            selection,
            k=options.k,
            epoch=options.epoch,
            cache=options.cache,
            cache_policy=policy,
            num_threads=options.threads,
            max_memory=options.max_memory,
            progress=options.progress,
            **cluster,
        )
    shared.write_rows(mined, options)
    report.write_option(mined, options)


def _retrieve(options: argparse.Namespace) -> None:
    policy, cluster = shared.cache_policy(options), shared.cluster_of(options)
    shared.check_run(options.output)
    shared.check_numbers(options)
    collection = shared.read_collection(options)
    retrieve = hm.distributed.retrieve if cluster else hm.retrieve
    with shared.without_output(cluster):
        run = retrieve(
            collection,
            shared.load_teacher(options),
            options.k,
            anchors=options.anchors,
            cache=options.cache,
            cache_policy=policy,
            num_threads=options.threads,
            max_memory=options.max_memory,
            progress=options.progress,
            **cluster,
        )
    run.save(options.output)
    shared.say(f"{run!r} in {options.output}")


def _select(options: argparse.Namespace) -> None:
    selection = selection_of(options)
    shared.check_rows(options)
    report.check_option(options)
    embeddings = shared.document_embeddings(options)
    shared.check_run_file(options.candidates)
    collection = shared.read_collection(options)
    run = shared.load_run_of(options.candidates, options.run_format, collection, drops_unknown=options.drop_unknown)
    mined = hm.Mined.from_run(
        collection,
        run,
        selection,
        document_embeddings=embeddings,
        epoch=options.epoch,
        num_threads=options.threads,
        progress=options.progress,
    )
    shared.write_rows(mined, options)
    report.write_option(mined, options)
