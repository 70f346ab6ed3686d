"""Memory, disk and time before the run: ``plan``."""

from __future__ import annotations

import argparse
import json
from typing import Any

import hardmine as hm
from hardmine.cli import options as shared
from hardmine.distributed.costs import costs
from hardmine.pipeline.retrieve import DEFAULT_K


def add_commands(commands: Any) -> None:
    """Add the commands of this file to the parser."""
    run_plan = commands.add_parser("plan", help="what a retrieval will take: memory, disk, and time by a sample")
    shared.add_collection(run_plan)
    shared.add_teacher(run_plan)
    run_plan.add_argument("-k", type=int, default=DEFAULT_K, help=f"candidates per query ({DEFAULT_K})")
    run_plan.add_argument(
        "--cache", type=shared.named, metavar="DIR", help="count what it holds; nothing is changed in it"
    )
    group = run_plan.add_argument_group("cluster")
    group.add_argument("--shards", type=int, metavar="N", help="what so many shards of the documents take on a cluster")
    group.add_argument("--tasks", type=int, default=1, metavar="N", help="tasks at a time, each with --threads (1)")
    group.add_argument("--nodes", type=int, default=1, metavar="N", help="nodes that they run on (1)")
    run_plan.add_argument("--json", action="store_true", help="print the plan as JSON")
    run_plan.set_defaults(run=_plan)


def _plan(options: argparse.Namespace) -> None:
    shared.check_numbers(options)
    found = hm.plan(
        shared.read_collection(options),
        shared.load_teacher(options),
        options.k,
        cache=options.cache,
        max_memory=options.max_memory,
        num_threads=options.threads,
    )
    if options.shards is None:
        shared.say(json.dumps(found.to_dict(), allow_nan=False) if options.json else found.summary())
        return
    spread = costs(
        found,
        min(options.shards, found.num_documents),  # a cluster is given none that is empty
        tasks=options.tasks,
        nodes=options.nodes,
        max_memory=options.max_memory,
        num_threads=options.threads,
    )
    if options.json:
        shared.say(json.dumps({**found.to_dict(), "cluster": spread.to_dict()}, allow_nan=False))
    else:
        shared.say(found.summary(), "", spread.summary())
