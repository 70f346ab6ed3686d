"""Several runs into one, or into training rows: ``fuse``, ``ensemble``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import hardmine as hm
from hardmine.cli import options as shared
from hardmine.primitives.ensemble import SCHEMES, settings
from hardmine.primitives.fuse import METHODS


def add_commands(commands: Any) -> None:
    """Add the commands of this file to the parser."""
    run_fuse = commands.add_parser("fuse", help="from the runs of several teachers to one")
    run_fuse.add_argument("candidates", type=Path, nargs="+", metavar="RUN", help="files written by hardmine retrieve")
    run_fuse.add_argument("--method", default="rrf", metavar="M", help=f"{', '.join(METHODS)} (rrf)")
    run_fuse.add_argument("--weights", type=float, nargs="+", metavar="W", help="one per run (1 each)")
    run_fuse.add_argument("--rrf-constant", type=float, default=60.0, metavar="C", help="of rrf (60)")
    run_fuse.add_argument("--min-votes", type=int, default=1, metavar="N", help="runs that must hold a document (1)")
    run_fuse.add_argument("-k", type=int, metavar="K", help="candidates kept per query (all)")
    shared.add_threads(run_fuse)
    run_fuse.add_argument("--output", type=Path, required=True, metavar="RUN")
    run_fuse.set_defaults(run=_fuse)

    run_ensemble = commands.add_parser("ensemble", help="from the runs of several teachers to training rows")
    shared.add_collection(run_ensemble)
    run_ensemble.add_argument("candidates", type=Path, nargs="+", metavar="RUN", help="one per teacher")
    shared.add_rule(run_ensemble, per_teacher=True)
    shared.add_document_embeddings(run_ensemble)
    run_ensemble.add_argument("--scheme", default=SCHEMES[0], metavar="S", help=f"{', '.join(SCHEMES)} ({SCHEMES[0]})")
    run_ensemble.add_argument("--temperature", type=float, default=1.0, metavar="T", help="of joint; inf: uniform (1)")
    run_ensemble.add_argument("--pool", type=int, default=100, metavar="N", help="negatives per teacher, joint (100)")
    shared.add_threads(run_ensemble)
    shared.add_progress(run_ensemble)
    run_ensemble.set_defaults(run=_ensemble)


def _fuse(options: argparse.Namespace) -> None:
    shared.check_run(options.output)
    shared.check_numbers(options)
    fused = hm.fuse(
        [shared.load_run(path) for path in options.candidates],
        method=options.method,
        k=options.k,
        weights=options.weights,
        rrf_constant=options.rrf_constant,
        min_votes=options.min_votes,
        num_threads=options.threads,
    )
    fused.save(options.output)
    shared.say(f"{fused!r} in {options.output}")


def _ensemble(options: argparse.Namespace) -> None:
    ceilings = shared.ceilings(options)
    runs = options.candidates
    if len(ceilings) not in (1, len(runs)):
        raise shared.UsageError(f"--rule: {len(ceilings)} of them, expected one or {len(runs)} (one per run)")
    if options.on_shortage in ("fill", "drop"):
        raise shared.UsageError(f"--on-shortage {options.on_shortage}: expected keep or error with several teachers")
    if options.scores:
        raise shared.UsageError("--scores: those of several teachers do not compare")
    shared.check_rows(options)
    if options.scheme == "joint" and options.pool < options.num_negatives:
        raise shared.UsageError(f"--pool {options.pool}: expected at least --num-negatives {options.num_negatives}")
    settings(options.scheme, options.num_negatives, options.temperature, options.seed, options.epoch)
    depth = options.pool if options.scheme == "joint" else options.num_negatives
    rules = [shared.selection(options, ceilings[number % len(ceilings)], depth) for number in range(len(runs))]
    embeddings = shared.document_embeddings(options)
    teachers = [(shared.load_run(path), rule) for path, rule in zip(runs, rules, strict=True)]
    collection = shared.read_collection(options)
    mined = hm.Mined.from_runs(
        collection,
        teachers,
        scheme=options.scheme,
        num_negatives=options.num_negatives,
        temperature=options.temperature,
        seed=options.seed,
        epoch=options.epoch,
        document_embeddings=embeddings,
        num_threads=options.threads,
        progress=options.progress,
    )
    shared.write_rows(mined, options)
