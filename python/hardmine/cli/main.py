"""The command line: ``hardmine demo | mine | retrieve | fuse | select | ensemble``.

Exit codes: 0, 2 for wrong usage or input (one line on standard error), 130 after Ctrl-C.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import hardmine as hm
from hardmine.cli import combine, demo, mine
from hardmine.cli.options import UsageError


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (see {self.prog} --help)")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    try:
        options = _parser().parse_args(arguments)
        options.run(options)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return _fail("interrupted; nothing was left half-written", 130)
    except BrokenPipeError:
        # The reader has gone (`| head`): nobody is left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (UsageError, ValueError, TypeError, OSError, ImportError, MemoryError) as error:
        return _fail(str(error) or type(error).__name__, 2)
    return 0


def _fail(message: str, code: int) -> int:
    sys.stderr.write(f"hardmine: {' '.join(message.split())}\n")
    return code


def _parser() -> _Parser:
    parser = _Parser(prog="hardmine", description="Mine hard negatives for retrieval and embedding models.")
    parser.add_argument("--version", action="version", version=f"hardmine {hm.__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for family in (demo, mine, combine):
        family.add_commands(commands)
    return parser
