"""What a run did, as a page: ``report``, and the option ``--report`` of commands that mine."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hardmine as hm
from hardmine.cli import options as shared
from hardmine.formats.registry import recognise
from hardmine.formats.saved import is_saved
from hardmine.nouns.identity import foreign
from hardmine.rules.spelling import parse_ceiling

if TYPE_CHECKING:
    from hardmine.report.html.material import Material

_DEFAULT_RULE = "perc-pos=0.95"


def add_commands(commands: Any) -> None:
    """Add the commands of this file to the parser."""
    report = commands.add_parser("report", help="what a run or a file of training rows holds, as a page to look at")
    report.add_argument(
        "source", type=shared.named, metavar="FILE", help="training rows; a run; negatives that were saved"
    )
    report.add_argument("--output", type=shared.named, required=True, metavar="HTML")
    report.add_argument(
        "--format",
        metavar="F",
        help=f"of rows: {', '.join(hm.formats.names_of('rows', 'reads'))} (by the first record)",
    )
    report.add_argument("--title", metavar="TEXT", help="heading of the page (the name of the file)")
    report.add_argument("--examples", type=int, default=200, metavar="N", help="rows to show at most (200)")
    report.add_argument("--sweep", type=shared.named, metavar="JSON", help="what hardmine sweep --json printed")
    report.add_argument("--audit", type=shared.named, metavar="JSON", help="what hardmine audit --json printed")
    group = report.add_argument_group("of a run or of negatives")
    group.add_argument("--collection", type=shared.named, metavar="COLLECTION", help="what they were mined from")
    group.add_argument("--input-format", metavar="F", help=f"its format: {', '.join(hm.formats.READ)} (by the path)")
    group.add_argument("--corpus", type=Path, metavar="FILE", help="documents of a file of pairs")
    group.add_argument("--split", help="judgements of a folder (train, else dev, else test)")
    group.add_argument(
        "--run-format", metavar="F", help=f"{', '.join(hm.formats.names_of('run', 'reads'))} (by the path)"
    )
    group.add_argument("--rule", metavar="R", help=f"choose from the run as hardmine select does ({_DEFAULT_RULE})")
    group.add_argument("--num-negatives", type=int, metavar="N", help="negatives per query (4)")
    shared.add_progress(report)
    report.set_defaults(run=_report)


def add_option(parser: argparse.ArgumentParser) -> None:
    """The option of a command that mines."""
    parser.add_argument(
        "--report", type=shared.named, metavar="HTML", help="write what was mined as a page to look at, too"
    )


def check_option(options: argparse.Namespace) -> None:
    """Refuse what writing the page would refuse, before the expensive work."""
    if options.report is None:
        return
    from hardmine.report.html.page import check_page

    check_page(options.report)


def write_option(mined: hm.Mined, options: argparse.Namespace) -> None:
    """Write the page where it is asked for."""
    if options.report is not None:
        mined.report_html(options.report, title=f"Mined hard negatives: {options.output.name}")


def _report(options: argparse.Namespace) -> None:
    from hardmine.report.html.page import check_page, write_page

    check_page(options.output, examples=options.examples)
    if not options.source.exists():
        raise FileNotFoundError(f"{options.source}: no such file, expected training rows, a run or saved negatives")
    given = {name: _given(name, getattr(options, name)) for name in ("sweep", "audit")}
    material = _material(options)
    write_page(options.output, material, title=options.title or options.source.name, **given)
    shared.say(f"{material.num_rows:,} rows in {options.output}")


def _given(name: str, path: Path | None) -> Mapping[str, Any] | None:
    """What another command printed as JSON."""
    from hardmine.report.html.given import as_data

    if path is None:
        return None
    wanted = f"what hardmine {name} --json prints"
    try:
        found = json.loads(path.read_bytes().decode("utf-8"))
    except OSError as error:
        raise shared.UsageError(f"--{name} {path}: {error.strerror}, expected {wanted}") from None
    except json.JSONDecodeError as error:
        raise shared.UsageError(
            f"--{name} {path}: no JSON (line {error.lineno}, column {error.colno}), expected {wanted}"
        ) from None
    except UnicodeDecodeError:
        raise shared.UsageError(f"--{name} {path}: not in UTF-8, expected {wanted}") from None
    except ValueError:  # digits beyond what Python takes for a number
        raise shared.UsageError(f"--{name} {path}: a number of too many digits, expected {wanted}") from None
    except RecursionError:
        raise shared.UsageError(f"--{name} {path}: nested too deeply, expected {wanted}") from None
    try:
        return as_data(name, found)
    except (ValueError, TypeError) as error:
        raise shared.UsageError(f"--{name} {path}: {error}") from None


def _material(options: argparse.Namespace) -> Material:
    from hardmine.report.html.of_mined import of_mined, of_run

    kind = _kind(options)
    of_runs = ("collection", "input_format", "corpus", "split", "run_format", "rule", "num_negatives")
    if kind == "rows":
        from hardmine.report.html.of_rows import of_rows

        _refuse(options, of_runs, "rows")
        format = options.format or hm.formats.format_of_rows(options.source)  # noqa: A001
        return of_rows(options.source, format, examples=options.examples, progress=options.progress)
    _refuse(options, ("format",), kind)
    if options.collection is None:
        _refuse(options, of_runs[1:4] + of_runs[5:], f"{kind} without --collection")
        if kind == "negatives":
            raise shared.UsageError(f"{options.source}: saved negatives, expected --collection COLLECTION beside them")
        run = shared.load_run_of(options.source, options.run_format, None, drops_unknown=False)
        return of_run(run, None, examples=options.examples)
    collection = hm.Collection.read(
        options.collection,
        options.input_format,
        corpus=options.corpus,
        split=options.split,
        progress=options.progress,
    )
    if kind == "negatives":
        _refuse(options, of_runs[4:], kind)
        negatives = hm.Negatives.load(options.source)
        why = foreign(negatives, collection)
        if why is not None:
            raise shared.UsageError(f"{options.source}: {why}, expected negatives of {options.collection}")
        return of_mined(collection, negatives, collection.positives, None, examples=options.examples)
    run = shared.load_run_of(options.source, options.run_format, collection, drops_unknown=False)
    if (
        options.rule is None
        and options.num_negatives is None
        and collection.positives_under(run, scores=False).scores is None
    ):
        return of_run(run, collection, examples=options.examples)
    rule = parse_ceiling(options.rule or _DEFAULT_RULE, name="--rule")
    selection = hm.Selection(4 if options.num_negatives is None else options.num_negatives, ceiling=rule)
    mined = hm.Mined.from_run(collection, run, selection, progress=options.progress)
    return of_mined(collection, mined.negatives, mined.positives, run, examples=options.examples)


def _kind(options: argparse.Namespace) -> str:
    """What the file is read as: rows, unless it is or is named as something else."""
    if is_saved(options.source, "negatives"):
        return "negatives"
    if options.format is not None:
        return "rows"
    is_run = options.run_format is not None or is_saved(options.source) or options.collection is not None
    return "run" if is_run or recognise(options.source, "run") not in (None, "parquet") else "rows"


def _refuse(options: argparse.Namespace, names: tuple[str, ...], kind: str) -> None:
    given = next((name for name in names if getattr(options, name) is not None), None)
    if given is not None:
        raise shared.UsageError(f"--{given.replace('_', '-')}: not for {kind}, as which {options.source} is read")
