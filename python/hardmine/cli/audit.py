"""What is wrong with finished training rows: ``audit``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import hardmine as hm
from hardmine.cli import options as shared
from hardmine.report.audit.checks import SEVERITIES

_NEVER = "never"


def add_commands(commands: Any) -> None:
    """Add the commands of this file to the parser."""
    audit = commands.add_parser("audit", help="what is wrong with files of training rows, whoever made them")
    audit.add_argument("files", type=shared.named, nargs="+", metavar="FILE", help="together they are one set of rows")
    audit.add_argument(
        "--format", metavar="F", help=f"{', '.join(hm.formats.names_of('rows', 'reads'))} (by the first record)"
    )
    audit.add_argument("--json", action="store_true", help="print the report as JSON")
    audit.add_argument("--fix", type=shared.named, metavar="OUT", help="write the rows with every repair that is safe")
    audit.add_argument(
        "--fail-on",
        choices=(*SEVERITIES, _NEVER),
        default="error",
        help="exit with 1 where something this grave, or graver, is found (error)",
    )
    audit.add_argument(
        "--near-duplicates",
        type=_similarity,
        default=0.9,
        metavar="S",
        help="similarity from which a negative is nearly a positive, from 0 to 1, or none to leave this out (0.9)",
    )
    audit.add_argument(
        "--hub-share", type=float, default=0.1, metavar="S",
        help="share of the rows from which a negative is in very many (0.1)",
    )  # fmt: skip
    group = audit.add_argument_group("leakage")
    group.add_argument(
        "--against", type=shared.named, metavar="COLLECTION", help="an evaluation that must not be among the rows"
    )
    group.add_argument("--against-format", metavar="F", help=f"{', '.join(hm.formats.READ)} (by the path)")
    group.add_argument("--split", help="judgements of its folder (train, else dev, else test)")
    shared.add_progress(audit)
    audit.set_defaults(run=_audit)


def _similarity(text: str) -> float | None:
    if text == "none":
        return None
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}, expected a number from 0 to 1, or none") from None


def _audit(options: argparse.Namespace) -> int:
    for name in ("against_format", "split"):
        if options.against is None and getattr(options, name) is not None:
            spelled = f"--{name.replace('_', '-')} {getattr(options, name)}"
            raise shared.UsageError(f"{spelled}: expected --against COLLECTION beside it")
    report = hm.audit(
        options.files,
        format=options.format,
        against=_against(options),
        near_duplicates=options.near_duplicates,
        hub_share=options.hub_share,
        fix=options.fix,
        progress=options.progress,
    )
    shared.say(json.dumps(report.to_dict(), allow_nan=False) if options.json else report.summary())
    return int(options.fail_on != _NEVER and report.fails(options.fail_on))


def _against(options: argparse.Namespace) -> hm.Collection | None:
    path: Path | None = options.against
    if path is None:
        return None
    return hm.Collection.read(path, options.against_format, split=options.split, progress=options.progress)
