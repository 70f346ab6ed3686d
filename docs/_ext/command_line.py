"""The page of the command line, made from its parser, so that the two cannot differ."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PAGE = Path("reference/generated/commands.md")
INTRODUCTION = """# Commands

Made from the parser that reads the commands. `hardmine COMMAND --help` prints the same.
Exit codes and messages: [errors](../errors.md).
"""
# The width that argparse breaks lines at is that of the terminal; here lines are broken by the browser.
SPELLED = re.compile(r"--[\w-]+")


def setup(app: Any) -> dict[str, Any]:
    """What Sphinx calls."""
    app.connect("builder-inited", _write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _write(app: Any) -> None:
    from hardmine.cli.main import _parser

    target = Path(app.srcdir) / PAGE
    target.parent.mkdir(parents=True, exist_ok=True)
    text = page(_parser())
    if not target.exists() or target.read_text() != text:  # what did not change is not built again
        target.write_text(text)


def page(parser: argparse.ArgumentParser) -> str:
    """The page of all commands of a parser, as Markdown."""
    commands = (line for command in _commands(parser) for line in _command(*command))
    return "\n".join([INTRODUCTION, *commands])


def _commands(parser: argparse.ArgumentParser) -> Iterator[tuple[str, str, argparse.ArgumentParser]]:
    action = next(action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    helps = {choice.dest: choice.help or "" for choice in action._choices_actions}
    for name, sub in action.choices.items():
        yield name, helps[name], sub


def _command(name: str, help: str, parser: argparse.ArgumentParser) -> Iterator[str]:  # noqa: A002
    yield f"## `hardmine {name}`\n"
    yield f"{_text(help[:1].upper() + help[1:])}.\n"
    places = [action for action in parser._actions if not action.option_strings]
    needed = [action for action in parser._actions if action.option_strings and action.required]
    words = [f"hardmine {name}", *map(_place, places), *map(_spelled, needed), "[options]"]
    yield f"```text\n{' '.join(words)}\n```\n"
    for group in parser._action_groups:
        actions = [
            action for action in group._group_actions if action.help != argparse.SUPPRESS and action.dest != "help"
        ]
        if not actions:
            continue
        title = {"positional arguments": "arguments", "options": "options"}.get(group.title or "", group.title or "")
        yield f"| {title} | |\n|---|---|"
        for action in actions:
            spelled = ", ".join(f"`{part}`" for part in _spellings(action))
            yield f"| {spelled} | {_meaning(action)} |"
        yield ""


def _value(action: argparse.Action) -> str:
    if action.nargs == 0:
        return ""
    if action.choices is not None and action.metavar is None:
        return "{" + ",".join(map(str, action.choices)) + "}"
    name = (
        action.metavar
        if isinstance(action.metavar, str)
        else action.dest.upper()
        if action.option_strings
        else action.dest
    )
    return f"{name} ..." if action.nargs in ("+", "*") else f"[{name}]" if action.nargs == "?" else name


def _place(action: argparse.Action) -> str:
    return _value(action)


def _spelled(action: argparse.Action) -> str:
    return f"{action.option_strings[-1]} {_value(action)}".strip()


def _spellings(action: argparse.Action) -> list[str]:
    if not action.option_strings:
        return [_value(action)]
    return [f"{option} {_value(action)}".strip() for option in action.option_strings]


def _meaning(action: argparse.Action) -> str:
    parts = [_text((action.help or "").replace("%%", "%"))]
    if action.required and action.option_strings:
        parts.append("required")
    shown = action.default not in (None, False, argparse.SUPPRESS) and action.option_strings
    if shown and f"({action.default})" not in (action.help or ""):
        parts.append(f"default `{action.default}`")
    return "; ".join(part for part in parts if part)


def _text(help: str) -> str:  # noqa: A002
    """A help text as a cell of a table: options as code, no sign that Markdown reads."""
    return SPELLED.sub(r"`\g<0>`", help.replace("|", "\\|").replace("*", "\\*").replace("<", "\\<"))
