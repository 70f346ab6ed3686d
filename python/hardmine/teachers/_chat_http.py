"""What a chat endpoint's replies mean: when to ask again, what ends a run, and what of them may be shown."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from hardmine.plumbing import checks

HOPELESS = (401, 402, 403, 404, 405)
"""Statuses that every item would get: a wrong key, address or model, or nothing left to pay with."""
REFUSED = (400, 413, 414, 415, 422)
"""Statuses that this item would get again: too long, or filtered."""
LONGEST_WAIT = 600.0
"""Seconds of ``Retry-After`` that are waited for."""
_FIRST_DELAY, _LONGEST_DELAY = 0.5, 8.0
_LONGEST = 200
_HEADERS = ("accept", "accept-encoding", "connection", "content-length", "content-type", "host", "user-agent")
_SAYS = {
    400: "the request is refused: too long, filtered, or an option that it does not take",
    408: "it took too long",
    413: "the request is too long",
    422: "the request is refused",
    429: "too many requests",
    503: "it is busy",
}
_CODES = (
    "content_filter", "content_policy_violation", "context_length_exceeded", "insufficient_quota", "invalid_type",
    "invalid_value", "rate_limit_exceeded", "server_error", "string_above_max_length", "unsupported_parameter",
    "unsupported_value",
)  # fmt: skip
"""Words of a server that are shown where there is a key: no others, which may hold some of it in any spelling."""


class Pace:
    """Lets so many go in a minute, evenly spaced, whichever thread they come from.

    Parameters
    ----------
    per_minute : float
    clock : callable
        Tells the time in seconds.
    """

    def __init__(self, per_minute: float, clock: Callable[[], float] = time.monotonic) -> None:
        per_minute = checks.real("requests_per_minute", per_minute)
        if per_minute <= 0:
            raise ValueError(f"requests_per_minute: {per_minute:g}, expected above 0")
        self._seconds, self._clock = 60.0 / per_minute, clock
        self._guard, self._next = threading.Lock(), 0.0

    def turn(self) -> float:
        """Seconds until the next turn, which is the caller's."""
        with self._guard:
            now = self._clock()
            turn = max(self._next, now)
            self._next = turn + self._seconds
        return turn - now


def bare(headers: Any, key: str | None) -> None:
    """Take out of a request what the client has read in the environment: other headers, and other keys."""
    for name in list(headers):
        if name.lower() not in _HEADERS and not name.lower().startswith("x-stainless-"):
            del headers[name]
    if key is not None:
        headers["Authorization"] = f"Bearer {key}"


def is_transient(status: int) -> bool:
    """Whether asking again may help."""
    return status in (408, 409, 429) or status >= 500


def delay(attempt: int, headers: Mapping[str, str] | None) -> float:
    """Seconds to wait before a further try: as the server says, else twice as long each time, less up to a quarter."""
    stated = None if headers is None else _stated(headers)
    if stated is not None:
        return stated
    longest = min(_FIRST_DELAY * 2.0 ** min(attempt, 30), _LONGEST_DELAY)
    return longest * random.uniform(0.75, 1.0)  # noqa: S311 - no secret


def _stated(headers: Mapping[str, str]) -> float | None:
    text = headers.get("retry-after", "").strip()
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(text).timestamp() - time.time()
        except (TypeError, ValueError, OverflowError):
            return None
    return max(seconds, 0.0) if seconds == seconds else None


def explained(status: int, error: Any, key: str | None) -> str:
    """Why a server refuses: in its words where there is no key that these might hold, else in ours."""
    if key is None:
        said = "".join(c for c in " ".join(str(error.message).split()) if c.isprintable())
        return f"HTTP {status} ({said[:_LONGEST]})"
    code = error.code if error.code in _CODES else None
    said = ", ".join(filter(None, [_SAYS.get(status, "an error of the server" if status >= 500 else ""), code]))
    return f"HTTP {status} ({said})" if said else f"HTTP {status}"


def content_of(body: bytes) -> str | None:
    """What the model has said, of a body that is a chat completion; None of any other."""
    try:
        message = json.loads(body)["choices"][0]["message"]
        content = message["content"]
    except (ValueError, RecursionError, LookupError, TypeError):
        return None
    return content if isinstance(content, str) and content.strip() else None
