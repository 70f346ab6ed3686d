"""The command line: ``hardmine demo | mine | retrieve | fuse | select | ensemble | plan | convert | formats | ...``.

Exit codes: 0, 1 for what an audit finds, 2 for wrong usage or input (one line on standard error), 130 after Ctrl-C.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import NoReturn

import hardmine as hm
from hardmine.cli import audit, combine, convert, demo, judge, mine, plan, report, rescore, shards, sweep
from hardmine.cli.options import UsageError, reporting
from hardmine.cli.overlaps import refuse_overlaps
from hardmine.plumbing import interrupts


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (see {self.prog} --help)")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    with ExitStack() as streams:
        # A stream that was closed before the start is None. What takes its place also takes its number, which a file
        # that is written would get otherwise, and with it whatever a library says there.
        for name, redirect in (("stdout", redirect_stdout), ("stderr", redirect_stderr)):
            if getattr(sys, name) is None:
                streams.enter_context(redirect(streams.enter_context(Path(os.devnull).open("w"))))
        return _run(arguments)


def command() -> NoReturn:
    """Run the command line and end the process with its exit code."""
    code = main()
    if code == interrupts.CODE:
        # Where Ctrl-C fell into source that some library compiled from a string, the interpreter would end the process
        # by the signal although it was handled. Whatever must be cleaned up was, on the way here.
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, AttributeError):
                stream.flush()
        os._exit(code)
    sys.exit(code)


def _run(arguments: Sequence[str] | None) -> int:
    try:
        options = _parser().parse_args(arguments)
        refuse_overlaps(options)
        with reporting(options) as options.progress:
            return int(options.run(options) or 0)
    except KeyboardInterrupt:
        return _say(interrupts.LINE, interrupts.CODE)
    except BrokenPipeError:
        # The reader has gone (`| head`): nobody is left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (UsageError, ValueError, TypeError, OSError, ImportError, MemoryError) as error:
        return _say(f"hardmine: {' '.join(str(error).split()) or type(error).__name__}\n", 2)


def _say(line: str, code: int) -> int:
    with suppress(OSError):  # the exit code says it too
        sys.stderr.write(line)
    return code


def _parser() -> _Parser:
    parser = _Parser(prog="hardmine", description="Mine hard negatives for retrieval and embedding models.")
    parser.add_argument("--version", action="version", version=f"hardmine {hm.__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for family in (demo, mine, rescore, judge, combine, shards, sweep, plan, convert, audit, report):
        family.add_commands(commands)
    return parser
