"""The one spelling of every rule and draw in text, from text to value and back: ``perc-pos=0.95``, ``sim-ans=0.5,0``.

A new rule or draw whose parameters are numbers or words is one line of a table here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import Any, TypeAlias

from hardmine.plumbing.float_mode import in_default_mode
from hardmine.rules.ceilings import Absolute, AllOf, Anchored, Ceiling, MarginPos, NoCeiling, PercPos, joined
from hardmine.rules.draws import Draw, Laplace, RankPower, SimANS, Softmax, Stratified, Top, Uniform

__all__ = ["ceiling_spellings", "draw_spellings", "parse_ceiling", "parse_draw", "spell"]

_Reader: TypeAlias = Callable[[str], Any]
_Entry: TypeAlias = tuple[Callable[..., Any], tuple[_Reader, ...]]

# What is written, the class, and how each of its parameters is read, in the order of its fields: a reader of `_KINDS`.
_CEILINGS: dict[str, _Entry] = {
    "naive": (NoCeiling, ()),
    "abs": (Absolute, (float,)),
    "margin-pos": (MarginPos, (float,)),
    "perc-pos": (PercPos, (float,)),
    "anchored": (Anchored, (float, float)),
}
_DRAWS: dict[str, _Entry] = {
    "top": (Top, ()),
    "uniform": (Uniform, ()),
    "softmax": (Softmax, (float,)),
    "sim-ans": (SimANS, (float, float)),
    "laplace": (Laplace, (float,)),
    "rank-power": (RankPower, (float,)),
    "stratified": (Stratified, (int, str)),
}

_KINDS: dict[_Reader, str] = {float: "a number", int: "an integer", str: "a word"}
_NAMES = {made: name for table in (_CEILINGS, _DRAWS) for name, (made, _) in table.items()}


def parse_ceiling(text: str, *, name: str = "ceiling") -> Ceiling:
    """The ceiling that a text spells; several joined by ``&`` must all hold.

    Parameters
    ----------
    text : str
        ``naive``, ``abs=T``, ``margin-pos=M``, ``perc-pos=F``, ``anchored=F,WEIGHT``, or several such as
        ``perc-pos=0.95 & abs=0.8``. Parameters that are left out take their defaults. ``@NAME`` behind ``abs``,
        ``margin-pos`` or ``perc-pos`` names the teacher whose scores are meant: ``perc-pos=0.95@bm25``.
    name : str
        What errors call the argument.

    Returns
    -------
    Ceiling

    Raises
    ------
    TypeError, ValueError
        The message names the argument, what came and what was wanted.

    Examples
    --------
    >>> import hardmine as hm
    >>> hm.parse_ceiling("perc-pos=0.9 & abs")
    PercPos(f=0.9) & Absolute(t=0.7)
    >>> hm.parse_ceiling("perc-pos=0.9@bm25")
    PercPos(f=0.9, teacher='bm25')
    """
    found: list[Ceiling] = []
    for part in _text(name, text, "perc-pos=0.95").split("&"):
        rule, at, teacher = part.partition("@")
        value: Ceiling = _parse(name, rule, _CEILINGS)
        found.append(_of_teacher(name, part, value, teacher) if at else value)
    return joined(found)


def _of_teacher(argument: str, text: str, value: Ceiling, teacher: str) -> Ceiling:
    """The rule on the scores of a teacher that a text names."""
    text, teacher = " ".join(text.split()), " ".join(teacher.split())
    if not _names_teacher(value):
        able = ", ".join(name for name, (made, _) in _CEILINGS.items() if _names_teacher(made()))
        raise ValueError(f"{argument} {text}: {_NAMES[type(value)]} names no teacher, expected one of {able} before @")
    if not teacher:
        raise ValueError(f"{argument} {text}: nothing behind @, expected the name of a teacher")
    return replace(value, teacher=teacher)  # type: ignore[type-var]


def _names_teacher(value: Any) -> bool:
    return "teacher" in (field.name for field in fields(value))


def parse_draw(text: str, *, name: str = "draw") -> Draw:
    """The draw that a text spells.

    Parameters
    ----------
    text : str
        ``top``, ``uniform``, ``softmax=TEMPERATURE``, ``sim-ans=A,B``, ``laplace=TAU``, ``rank-power=ALPHA`` or
        ``stratified=BINS,BY``.
        Parameters that are left out take their defaults.
    name : str
        What errors call the argument.

    Returns
    -------
    Draw

    Raises
    ------
    TypeError, ValueError
        The message names the argument, what came and what was wanted.

    Examples
    --------
    >>> import hardmine as hm
    >>> hm.parse_draw("sim-ans=0.5,0")
    SimANS(a=0.5, b=0.0)
    """
    draw: Draw = _parse(name, _text(name, text, "sim-ans=0.5,0"), _DRAWS)
    return draw


def spell(value: Ceiling | Draw) -> str:
    """The text that `parse_ceiling` or `parse_draw` reads as this value.

    Joined ceilings are read back flat: a join inside a join, a join of one ceiling alone, and `NoCeiling` beside others
    mean the same without.

    Parameters
    ----------
    value : Ceiling or Draw

    Returns
    -------
    str
        All parameters are written out, numbers with the fewest digits that read back as the same float.

    Raises
    ------
    TypeError
        It is neither.
    ValueError
        The value has no spelling, as one that holds an array or another draw, or the name of a teacher with ``&`` or
        with white space that is no single blank.

    Examples
    --------
    >>> import hardmine as hm
    >>> hm.spell(hm.Anchored() & hm.Absolute(0.8))
    'anchored=1.1,1.0 & abs=0.8'
    >>> hm.spell(hm.PercPos(0.95, teacher="bm25"))
    'perc-pos=0.95@bm25'
    """
    if isinstance(value, AllOf):
        return " & ".join(map(spell, value.ceilings)) or _NAMES[NoCeiling]
    if not isinstance(value, (Ceiling, Draw)):
        raise TypeError(f"value: {_shown(value)}, expected a ceiling or a draw")
    name = _NAMES.get(type(value))
    if name is None:
        known = ", ".join(_NAMES.values())
        raise ValueError(f"value: {type(value).__name__}, expected one of {known}, which alone have a spelling")
    parts = {field.name: getattr(value, field.name) for field in fields(value)}  # type: ignore[arg-type]
    teacher = parts.pop("teacher", None)
    parameters = ",".join(map(_plain, parts.values()))
    text = f"{name}={parameters}" if parameters else name
    if teacher is None:
        return text
    teacher = _plain(teacher)
    if "&" in teacher or teacher != " ".join(teacher.split()):
        raise ValueError(f"value: teacher {teacher!r} has no spelling, expected a name without & or odd white space")
    return f"{text}@{teacher}"


def ceiling_spellings() -> tuple[str, ...]:
    """Every ceiling with its defaults, as it is spelled."""
    return tuple(spell(made()) for made, _ in _CEILINGS.values())


def draw_spellings() -> tuple[str, ...]:
    """Every draw with its defaults, as it is spelled."""
    return tuple(spell(made()) for made, _ in _DRAWS.values())


def _text(name: str, text: Any, example: str) -> str:
    if not isinstance(text, str):
        raise TypeError(f"{name}: {_shown(text)}, expected text such as {example!r}")
    return str.__str__(text)


def _plain(part: Any) -> str:
    """A parameter as text; of a word that is an enumeration's, or another kind of str, the word itself."""
    return str.__str__(part) if isinstance(part, str) else str(part)


def _shown(value: Any) -> str:
    """What came, in one line: a number, a word or nothing itself, of all else its type alone."""
    kind = type(value)
    plain = value is None or kind in (bool, float, str) or (kind is int and value.bit_length() < 64)
    return f"{kind.__name__} {value!r}" if plain else kind.__name__


@in_default_mode
def _parse(argument: str, text: str, known: Mapping[str, _Entry]) -> Any:
    """The value that ``NAME`` or ``NAME=PARAMETER[,PARAMETER]`` spells."""
    text = " ".join(text.split())
    name, equals, rest = text.partition("=")
    name = name.rstrip()
    if name not in known:
        raise ValueError(f"{argument}: unknown {name!r}, expected one of {', '.join(known)}")
    made, readers = known[name]
    parts = [part.strip() for part in rest.split(",")] if equals else []
    if len(parts) > len(readers):
        counts = f"0 to {len(readers)}" if readers else "0"
        what = "parameters" if str in readers else "numbers"
        raise ValueError(f"{argument} {text}: {len(parts)} {what}, expected {counts}")
    parameters = []
    for part, reader in zip(parts, readers, strict=False):
        try:
            parameters.append(reader(part))
        except ValueError:
            raise ValueError(f"{argument} {text}: {part!r}, expected {_KINDS[reader]}") from None
    try:
        return made(*parameters)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{argument} {text}: {error}") from None
