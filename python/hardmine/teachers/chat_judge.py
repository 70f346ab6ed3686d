"""A judge behind an OpenAI-style chat endpoint."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

from hardmine.plumbing import checks
from hardmine.plumbing.extras import need
from hardmine.teachers import _chat_prompt as prompts
from hardmine.teachers.judge import JudgeError

_OURS = ("model", "messages", "stream", "n", "timeout", "extra_headers")
_HOPELESS = (401, 402, 403, 404, 405)
"""Statuses that every item would get: a wrong key, address or model, or nothing left to pay with."""
_REFUSED = (400, 413, 414, 415, 422)
"""Statuses that this item would get again: too long, or filtered."""
_LONGEST = 200


class ChatJudge:
    """Asks a chat model behind an OpenAI-style endpoint: one request for each item, several at a time.

    Parameters
    ----------
    base_url : str
        Where the endpoint is, such as ``http://localhost:8000/v1``; ``/chat/completions`` is added.
    model : str
        Name of the model at the endpoint.
    api_key_variable : str, optional
        Name of the environment variable that holds the key: the key itself is never an argument, and it is looked up
        for each batch and kept nowhere. None sends none.
    prompt : str, optional
        What is asked, with ``{query}``, ``{document}`` and, if wanted, ``{positive}`` where the texts are to stand. The
        answer has to be one JSON object such as ``{"verdict": "negative"}``; more fields, such as a reason before the
        verdict, do no harm. By default a prompt of our own.
    options : mapping, optional
        Further parameters of the request, by default ``{"temperature": 0}``: ``max_tokens``, ``response_format``,
        ``extra_body``, ...
    max_characters : int, optional
        Each text is cut after so many characters; None cuts none.
    timeout : float
        Seconds without a byte after which a request has failed.
    max_retries : int
        How often a request is repeated after a time-out, a broken connection, 408, 409, 429 or 5xx: after the time
        that ``Retry-After`` says, else after 0.5 s, twice as long each time, at most 8 s, with jitter (the client's
        own). And how often an item is asked again whose answer is malformed; after that it is "unsure".
    max_concurrency : int
        Requests at a time.
    requests_per_minute : float, optional
        Most requests of a minute, evenly spaced, repeated ones counted; None sets no limit.

    Attributes
    ----------
    malformed : int
        Answers so far that were no verdicts.

    Raises
    ------
    ModuleNotFoundError
        The package ``openai`` is not installed.
    TypeError, ValueError
        An argument is wrong.
    JudgeError
        When it judges: the endpoint does not take the key, knows no such model, or nothing is left to pay with. Other
        failures come back in the place of the verdict, and `hardmine.judge` asks again.

    Notes
    -----
    Neither the representation, nor the fingerprint, nor any message holds the key. Redirects are not followed: neither
    key nor texts go where they were not sent. The client is that of the package ``openai``, the one that endpoints of
    this kind are tested with; the extra ``hardmine[judge]`` brings it.

    Known by address, model, prompt, options and `max_characters`: a cache asks again when one of them changes.

    Examples
    --------
    >>> import hardmine as hm
    >>> hm.teachers.ChatJudge("http://localhost:8000/v1", "qwen3", api_key_variable=None)
    ChatJudge('http://localhost:8000/v1', 'qwen3')
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        *,
        api_key_variable: str | None = None,
        prompt: str = prompts.PROMPT,
        options: Mapping[str, Any] | None = None,
        max_characters: int | None = None,
        timeout: float = 60.0,
        max_retries: int = 3,
        max_concurrency: int = 8,
        requests_per_minute: float | None = None,
    ) -> None:
        self._openai = need("openai", what="ChatJudge", extra="judge")
        self.base_url = _address(base_url)
        self.model, self.prompt = _text("model", model), _text("prompt", prompt)
        prompts.check(self.prompt)
        self.options = _options({"temperature": 0} if options is None else options)
        self.max_characters = None
        if max_characters is not None:
            self.max_characters = checks.integer("max_characters", max_characters, minimum=1)
        self._timeout = checks.real("timeout", timeout)
        if self._timeout <= 0:
            raise ValueError(f"timeout: {self._timeout:g}, expected above 0")
        self._max_retries = checks.integer("max_retries", max_retries, maximum=1000)
        self._max_concurrency = checks.integer("max_concurrency", max_concurrency, minimum=1, maximum=1000)
        self._pace = None if requests_per_minute is None else Pace(requests_per_minute)
        self._variable = api_key_variable
        self.malformed = 0
        _key_of(self._variable)  # one that is not there is noticed before the work

    @property
    def name(self) -> str:
        """The name of the model."""
        return self.model

    @property
    def fingerprint(self) -> dict[str, Any]:
        """What a cache knows the verdicts by."""
        about = {"endpoint": self.base_url, "model": self.model, "prompt": self.prompt, "options": self.options}
        return {**about, "max_characters": self.max_characters}

    def __call__(
        self, queries: Sequence[str], documents: Sequence[str], positives: Sequence[str], /
    ) -> list[str | Exception]:
        """Verdicts on a batch; see `Judge`."""
        cut = self.max_characters
        items = [
            {"query": query[:cut], "document": document[:cut], "positive": positive[:cut]}
            for query, document, positive in zip(queries, documents, positives, strict=True)
        ]
        key, pace = _key_of(self._variable), self._pace
        # A client for each batch: none is left open, and none crosses a fork. Certificates, which take it a fifth of a
        # second to load, are not looked at over http, and no redirect leads elsewhere.
        http = self._openai.DefaultHttpxClient(
            event_hooks={"request": [] if pace is None else [lambda _: pace.wait()]},
            follow_redirects=False, timeout=self._timeout, verify=self.base_url.startswith("https:"),
        )  # fmt: skip
        with self._openai.OpenAI(
            base_url=self.base_url, api_key=key or "none", timeout=self._timeout,
            max_retries=self._max_retries, http_client=http,
        ) as client:  # fmt: skip
            is_over = threading.Event()

            def one(item: Mapping[str, str]) -> str | Exception:
                if is_over.is_set():
                    return JudgeError(f"{self._host}: not asked")
                try:
                    return self._item(client, key, item)
                except BaseException:
                    is_over.set()
                    raise

            pool = ThreadPoolExecutor(min(self._max_concurrency, max(len(items), 1)))
            try:
                return list(pool.map(one, items))
            finally:  # after Ctrl-C, or where every item would fail, nothing more is asked
                is_over.set()
                pool.shutdown(wait=False, cancel_futures=True)

    def _item(self, client: Any, key: str | None, texts: Mapping[str, str]) -> str | Exception:
        """The verdict on one item, or why there is none."""
        message = {"role": "user", "content": prompts.filled(self.prompt, texts)}
        for _ in range(self._max_retries + 1):
            content = None
            try:
                answer = client.chat.completions.create(model=self.model, messages=[message], **self.options)
                content = answer.choices[0].message.content
            except self._openai.APIStatusError as error:
                return self._failure(error, key)
            except self._openai.APITimeoutError:
                return JudgeError(f"{self._host}: no answer in {self._timeout:g} s")
            except self._openai.APIConnectionError as error:
                return JudgeError(f"{self._host}: no connection ({type(error.__cause__).__name__})")
            except (self._openai.OpenAIError, ValueError, AttributeError, IndexError, TypeError) as error:
                if isinstance(error, TypeError) and "unexpected keyword" in str(error):
                    raise JudgeError(f"options: {error}", retry=False) from None
            verdict = prompts.parsed(content)
            if verdict is not None:
                return verdict
            self.malformed += 1
        return "unsure"

    def _failure(self, error: Any, key: str | None) -> JudgeError:
        """What to give, or raise, for a status that no further try has mended; the server's words without the key."""
        status = int(error.status_code)
        if status in _HOPELESS or 300 <= status < 400 or error.code == "insufficient_quota":
            # What the server says here may hold parts of the key.
            reason = f", {error.code}" if error.code == "insufficient_quota" else ""
            raise JudgeError(f"{self._host}: HTTP {status}{reason} for model {self.model!r}", retry=False) from None
        said = " ".join(str(error.message).split())
        said = (said.replace(key, "***") if key else said)[:_LONGEST]
        return JudgeError(f"{self._host}: HTTP {status} ({said})", retry=status not in _REFUSED)

    @property
    def _host(self) -> str:
        return urlsplit(self.base_url).netloc

    def __repr__(self) -> str:
        return f"ChatJudge({self.base_url!r}, {self.model!r})"


class Pace:
    """Lets so many go in a minute, evenly spaced, whichever thread they come from.

    Parameters
    ----------
    per_minute : float
    clock, sleep : callable
        Tell the time in seconds, and wait.
    """

    def __init__(
        self,
        per_minute: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        per_minute = checks.real("requests_per_minute", per_minute)
        if per_minute <= 0:
            raise ValueError(f"requests_per_minute: {per_minute:g}, expected above 0")
        self._seconds, self._clock, self._sleep = 60.0 / per_minute, clock, sleep
        self._guard, self._next = threading.Lock(), 0.0

    def wait(self) -> None:
        """Wait for the next turn."""
        with self._guard:
            now = self._clock()
            turn = max(self._next, now)
            self._next = turn + self._seconds
        if turn > now:
            self._sleep(turn - now)


def _key_of(variable: str | None) -> str | None:
    """The key that an environment variable holds. No message shows what came: it may be a key by mistake."""
    if variable is None:
        return None
    if not isinstance(variable, str):
        raise TypeError(f"api_key_variable: {type(variable).__name__}, expected the name of an environment variable")
    key = os.environ.get(variable, "").strip() if variable and "\0" not in variable else ""
    if not key:
        raise ValueError(
            "api_key_variable: no such environment variable, or an empty one; expected the name of the one that holds "
            "the key, not the key"
        )
    if not (key.isascii() and key.isprintable()):
        raise ValueError("api_key_variable: the key holds characters that no header can carry")
    return key


def _address(base_url: Any) -> str:
    """An address that may be shown: names and passwords in it could not."""
    wanted = "expected one such as http://localhost:8000/v1"
    if not isinstance(base_url, str):
        raise TypeError(f"base_url: {type(base_url).__name__}, {wanted}")
    base_url = base_url.strip()
    try:
        parts = urlsplit(base_url)
        is_right = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        is_right = False
    if not is_right or parts.username is not None or parts.query or parts.fragment:
        raise ValueError(f"base_url: no plain address of http or https, {wanted}, without name, password or query")
    return str(parts._replace(path=parts.path.rstrip("/")).geturl())


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError(f"{name}: {type(value).__name__} {value!r}, expected some text")
    return value


def _options(options: Any) -> dict[str, Any]:
    if not isinstance(options, Mapping) or not all(isinstance(name, str) for name in options):
        raise TypeError(f"options: {type(options).__name__}, expected a mapping of parameters of the request")
    taken = [name for name in _OURS if name in options]
    if taken:
        raise ValueError(f"options: {taken[0]!r}, which the judge sets itself")
    return dict(options)
