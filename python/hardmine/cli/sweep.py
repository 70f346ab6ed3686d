"""A stored run under many rules: ``sweep``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

import hardmine as hm
from hardmine.cli import options as shared
from hardmine.formats.saved import is_saved
from hardmine.pipeline.sweeps.trials import PROTOCOLS
from hardmine.plumbing.files import atomic_write, check_target


def add_commands(commands: Any) -> None:
    """Add the command of this file to the parser."""
    command = commands.add_parser("sweep", help="try many rules on a run, and say which to take")
    shared.add_collection(command)
    shared.add_run(command)
    group = command.add_argument_group("settings")
    group.add_argument(
        "--rules", nargs="+", metavar="R", help="such as perc-pos=0.95 or 'naive range-min=10' (a grid of about 40)"
    )
    group.add_argument("--num-negatives", type=int, default=4, metavar="N")
    group.add_argument("--positive-agg", default="min", choices=("min", "mean", "max", "each"))
    group.add_argument("--second", type=Path, metavar="RUN", help="a run of another teacher, to compare with")
    group.add_argument(
        "--document-embeddings", type=Path, metavar="FILE.npy", help="what estimates of the rule anchored need"
    )
    group = command.add_argument_group("estimate and recommendation")
    group.add_argument("--protocol", default=PROTOCOLS[0], choices=PROTOCOLS)
    group.add_argument(
        "--unlabelled-per-positive", type=float, default=1.0, metavar="X", help="relevant ones without a label (1)"
    )
    group.add_argument("--max-false-negatives", type=float, default=0.05, metavar="SHARE", help="(0.05)")
    group.add_argument("--max-short", type=float, default=0.05, metavar="SHARE", help="of the rows (0.05)")
    group.add_argument("--confidence", type=float, default=0.95, metavar="SHARE", help="of the intervals (0.95)")
    group.add_argument("--bootstrap", type=int, default=1000, metavar="N", help="resamples (1000)")
    group.add_argument("--seed", type=int, default=0)
    output = command.add_argument_group("output")
    output.add_argument("--json", action="store_true", help="print all of it as JSON")
    output.add_argument("--output", type=shared.named, metavar="FILE.json", help="write all of it as JSON")
    shared.add_threads(command)
    shared.add_progress(command)
    command.set_defaults(run=_sweep)


def _sweep(options: argparse.Namespace) -> None:
    shared.check_numbers(options)
    if options.output is not None:
        check_target(options.output)
    for path in (options.candidates, options.second):
        if path is not None:
            shared.check_run_file(path)
    embeddings = _embeddings(options.document_embeddings)
    collection = shared.read_collection(options)

    run, second = (_load(options, path, collection) for path in (options.candidates, options.second))
    found = hm.sweep(
        collection,
        run,
        options.rules,
        num_negatives=options.num_negatives,
        positive_agg=options.positive_agg,
        second=second,
        document_embeddings=embeddings,
        protocol=options.protocol,
        unlabelled_per_positive=options.unlabelled_per_positive,
        max_false_negatives=options.max_false_negatives,
        max_short=options.max_short,
        confidence=options.confidence,
        num_bootstrap=options.bootstrap,
        seed=options.seed,
        num_threads=options.threads,
        progress=options.progress,
    )
    text = json.dumps(found.to_dict(), allow_nan=False)
    if options.output is not None:
        with atomic_write(options.output) as file:
            file.write(text.encode() + b"\n")
    shared.say(text if options.json else found.summary())


def _load(options: argparse.Namespace, path: Path | None, collection: hm.Collection) -> Any:
    if path is None:
        return None
    is_other = path is not options.candidates and is_saved(path)  # --run-format may speak of the first run alone
    run_format = None if is_other else options.run_format
    return shared.load_run_of(path, run_format, collection, drops_unknown=options.drop_unknown)


def _embeddings(path: Path | None) -> Any:
    if path is None:
        return None
    try:
        found = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise FileNotFoundError(f"--document-embeddings {path}: no such file, expected an array of NumPy") from None
    except (ValueError, EOFError, SyntaxError):  # NumPy's own words advise to load a pickle
        raise shared.UsageError(f"--document-embeddings {path}: no array of NumPy, expected a .npy file") from None
    if not isinstance(found, np.ndarray):
        raise shared.UsageError(f"--document-embeddings {path}: several arrays (.npz), expected one (.npy)")
    return found
