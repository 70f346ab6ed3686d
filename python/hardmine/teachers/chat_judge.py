"""A judge behind an OpenAI-style chat endpoint."""

from __future__ import annotations

import json
import math
import os
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from hardmine.plumbing import checks
from hardmine.plumbing.extras import need
from hardmine.teachers import _chat_http as replies
from hardmine.teachers import _chat_prompt as prompts
from hardmine.teachers._chat_workers import each
from hardmine.teachers.judge import JudgeError

_OURS = ("model", "messages", "stream", "n", "timeout", "extra_headers")


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
        for each batch and kept nowhere. With None no header of authorization is sent.
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
        How often a request is repeated after a time-out, a broken connection, 408, 409, 429, 5xx, or a reply of 200
        that is no chat completion: after the time that ``Retry-After`` says, else after 0.5 s, twice as long each
        time, at most 8 s, each less up to a quarter at random. Where it says more than 600 s, this item and those that
        come in this time have failed: nothing is asked until then. An answer that is malformed is asked for again at
        once, out of the same number; after that the item is "unsure". `hardmine.judge` asks for failed items again,
        each time so often: up to 4 x 6 requests by the defaults of both.
    max_concurrency : int
        Requests at a time; no more than the ``batch_size`` of `hardmine.judge`, whose calls these are parts of.
    requests_per_minute : float, optional
        Most requests of a minute, evenly spaced, repeated ones counted; None sets no limit.

    Attributes
    ----------
    malformed : int
        Answers so far that were no verdicts, though a model said something.

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
    Neither the representation, nor the fingerprint, nor any message holds the key; what a server says is shown only
    where there is none. Redirects are not followed: neither key nor texts go where they were not sent. Nothing that the
    client reads in the environment for its own service (organisation, project, headers) is sent; proxies and
    certificates that the environment names (``HTTPS_PROXY``, ``SSL_CERT_FILE``, ...) are used. The client is that of
    the package ``openai``, the one that endpoints of this kind are tested with; the extra ``hardmine[judge]`` brings
    it.

    After Ctrl-C or an error that ends the run nothing more is sent and nobody is waited for.

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
        self._pace = None if requests_per_minute is None else replies.Pace(requests_per_minute)
        self._variable = api_key_variable
        self.malformed, self._guard = 0, threading.Lock()
        self._left_alone_until = -math.inf
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
        key = _key_of(self._variable)
        # A client for each batch: none is left open, and none crosses a fork. Certificates, which take it a fifth of a
        # second to load, are not looked at over http, and no redirect leads elsewhere. It tries once: waiting is ours.
        http = self._openai.DefaultHttpxClient(
            event_hooks={"request": [lambda request: replies.bare(request.headers, key)]},
            follow_redirects=False, timeout=self._timeout, verify=self.base_url.startswith("https:"),
        )  # fmt: skip
        with self._openai.OpenAI(
            base_url=self.base_url, api_key=key or "none", timeout=self._timeout, max_retries=0, http_client=http,
        ) as client:  # fmt: skip
            return each(lambda item, is_over: self._item(client, key, item, is_over), items, self._max_concurrency)

    def _item(
        self, client: Any, key: str | None, texts: Mapping[str, str], is_over: threading.Event
    ) -> str | JudgeError:
        """The verdict on one item, or why there is none."""
        message = {"role": "user", "content": prompts.filled(self.prompt, texts)}
        failure = JudgeError(f"{self._host}: not asked")
        for attempt in range(self._max_retries + 1):
            if self._pace is not None:
                is_over.wait(self._pace.turn())
            if is_over.is_set():
                return failure
            if time.monotonic() < self._left_alone_until:
                return JudgeError(f"{self._host}: not asked, it wants to be left alone", retry=False)
            found, headers = self._asked(client, key, message)
            if isinstance(found, str):
                verdict = prompts.parsed(found)
                if verdict is not None:
                    return verdict
                with self._guard:
                    self.malformed += 1
                if attempt == self._max_retries:
                    return "unsure"
                continue
            failure = found
            if not failure.retry or attempt == self._max_retries:
                return failure
            seconds = replies.delay(attempt, headers)
            if seconds > replies.LONGEST_WAIT:
                self._left_alone_until = time.monotonic() + seconds
                said = f"{failure}; it wants to be left alone for {seconds:.0f} s"
                return JudgeError(f"{said}, more than {replies.LONGEST_WAIT:.0f}", retry=False)
            is_over.wait(seconds)
        return failure

    def _asked(
        self, client: Any, key: str | None, message: Mapping[str, str]
    ) -> tuple[str | JudgeError, Mapping[str, str] | None]:
        """What the model said, or why it said nothing, and the headers of a refusal."""
        try:
            raw = client.chat.completions.with_raw_response.create(model=self.model, messages=[message], **self.options)
            content = replies.content_of(raw.http_response.content)
        except self._openai.APIStatusError as error:
            return self._failure(error, key), error.response.headers
        except self._openai.APITimeoutError:
            return JudgeError(f"{self._host}: no answer in {self._timeout:g} s"), None
        except self._openai.APIConnectionError as error:
            return JudgeError(f"{self._host}: no connection ({type(error.__cause__).__name__})"), None
        except (self._openai.OpenAIError, ValueError, TypeError, AttributeError) as error:
            if isinstance(error, TypeError) and "unexpected keyword" in str(error):
                raise JudgeError(f"options: {error}", retry=False) from None
            return JudgeError(f"{self._host}: the request cannot be sent ({type(error).__name__})", retry=False), None
        if content is None:
            return JudgeError(f"{self._host}: HTTP 200, but no chat completion with something said in it"), None
        return content, None

    def _failure(self, error: Any, key: str | None) -> JudgeError:
        """What to give, or raise, for a status."""
        status = int(error.status_code)
        if status in replies.HOPELESS or 300 <= status < 400 or error.code == "insufficient_quota":
            reason = f", {error.code}" if error.code == "insufficient_quota" else ""
            raise JudgeError(f"{self._host}: HTTP {status}{reason} for model {self.model!r}", retry=False) from None
        return JudgeError(f"{self._host}: {replies.explained(status, error, key)}", retry=replies.is_transient(status))

    @property
    def _host(self) -> str:
        return urlsplit(self.base_url).netloc

    def __repr__(self) -> str:
        return f"ChatJudge({self.base_url!r}, {self.model!r})"


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
    for name, value in options.items():
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError, RecursionError):
            raise ValueError(f"options: {name!r} holds what JSON cannot, and so no request") from None
    return dict(options)
