"""The judge behind a chat endpoint, against a server that the test starts: no network, no model, no key that leaks."""

import json
import logging
import pickle
import re
import socket
import threading

import pytest

import hardmine as hm
from hardmine.teachers import ChatJudge, JudgeError, _chat_http, _chat_prompt
from hardmine.teachers._chat_http import Pace
from tests.chat_server import Reply, failure, said, serving, verdict
from tests.judges import verdict as verdict_of

pytest.importorskip("openai")
pytest.importorskip("pyarrow")
KEY = "sk-veryverysecret0123456789"


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("SOME_KEY", f"{KEY}\n")
    for name in ("OPENAI_BASE_URL", "OPENAI_API_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.delenv(name, raising=False)


def items(count):
    return [f"query {i}" for i in range(count)], [f"document {i}" for i in range(count)], ["known"] * count


def judge_at(endpoint, **options):
    return ChatJudge(endpoint.url, "some-model", **{"timeout": 20.0, "max_retries": 2, **options})


def texts_of(prompt):
    """The three texts in a prompt of ours."""
    return [
        re.search(rf"<{tag}>\n(.*?)\n</{tag}>", prompt, re.DOTALL)[1] for tag in ("query", "document", "known_answer")
    ]


def by_digest(_, prompt):
    return verdict(verdict_of(*texts_of(prompt)))


def test_one_request_for_each_item():
    with serving(by_digest) as endpoint:
        judge = judge_at(endpoint, api_key_variable="SOME_KEY", options={"temperature": 0.5, "max_tokens": 9})
        queries, documents, positives = items(12)
        found = judge(queries, documents, positives)
    assert found == [verdict_of(*item) for item in zip(queries, documents, positives, strict=True)]
    assert set(found) == {"negative", "positive", "unsure"}
    assert sorted(map(texts_of, endpoint.prompts)) == sorted(map(list, zip(queries, documents, positives, strict=True)))
    for request in endpoint.requests:
        assert request["path"] == "/v1/chat/completions"
        assert request["headers"]["authorization"] == f"Bearer {KEY}"
        body = {name: request["body"][name] for name in ("model", "temperature", "max_tokens")}
        assert body == {"model": "some-model", "temperature": 0.5, "max_tokens": 9}
        assert [message["role"] for message in request["body"]["messages"]] == ["user"]


def test_without_a_key_none_is_sent(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)  # which is not for this endpoint
    with serving(by_digest) as endpoint:
        judge_at(endpoint)(*items(1))
    assert KEY not in json.dumps(endpoint.requests)


def test_a_whole_run_through_it(tmp_path):
    words = ["apple", "pear", "plum", "fig", "date", "lime"]
    collection = hm.Collection.from_pairs(
        [f"red {word}" for word in words], [f"{word} that is red" for word in words], [f"green {w} red" for w in words]
    )
    run = hm.retrieve(collection, "bm25", k=6, progress=False)
    calls = []

    def shaky(number, prompt):
        calls.append(number)
        return failure(503, "busy", headers={"Retry-After": "0.01"}) if number % 5 == 0 else by_digest(number, prompt)

    with serving(shaky) as endpoint:
        options = {"cache": tmp_path / "cache", "batch_size": 7, "progress": False, "policy": "flag"}
        judge = judge_at(endpoint, max_retries=9, api_key_variable="SOME_KEY")
        first = hm.judge(collection, run, judge, **options, budget=10)
        asked = len(calls)
        found = hm.judge(collection, run, judge, **options)
        assert found.report["calls"]["reused"] == first.report["asked"] == 10
        assert len(calls) > asked
        done = len(calls)
        again = hm.judge(collection, run, judge, **options)
        assert len(calls) == done
    texts = collection.document_texts.to_pylist()
    expected = [
        ("negative", "positive", "unsure").index(verdict_of(collection.query_texts[q].as_py(), texts[d], texts[p]))
        for q, d, p in zip(found.queries.tolist(), found.documents.tolist(), found.positives.tolist(), strict=True)
    ]
    assert found.outcomes.tolist() == again.outcomes.tolist() == expected
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]


# --- time-outs, retries, limits -------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [408, 409, 429, 500, 503])
def test_it_waits_as_it_is_told_and_asks_again(status, monkeypatch):
    waits, delay = [], _chat_http.delay

    def at_once(*arguments):
        waits.append(delay(*arguments))
        return 0.0

    monkeypatch.setattr(_chat_http, "delay", at_once)

    def script(number, _):
        return failure(status, "later", headers={"Retry-After": "7"}) if number == 1 else verdict("positive")

    with serving(script) as endpoint:
        assert judge_at(endpoint, max_retries=1)(*items(1)) == ["positive"]
    assert len(endpoint.requests) == 2
    assert waits == [7.0]


def test_how_long_it_waits():
    from email.utils import formatdate
    from time import time

    for attempt, longest in enumerate((0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0)):
        for headers in (None, {}, {"retry-after": "soon"}, {"retry-after": "nan"}):
            assert 0.75 * longest <= _chat_http.delay(attempt, headers) <= longest
    assert _chat_http.delay(0, {"retry-after": "3600"}) == 3600.0
    assert _chat_http.delay(0, {"retry-after": "-3"}) == 0.0
    assert 95 < _chat_http.delay(0, {"retry-after": formatdate(time() + 100, usegmt=True)}) <= 100


def test_an_endpoint_that_wants_to_be_left_alone_is():
    with serving(lambda *_: failure(429, "tomorrow", headers={"Retry-After": "1200"})) as endpoint:
        judge = judge_at(endpoint, max_concurrency=1, max_retries=9)
        found = judge(*items(5))
        later = judge(*items(1))
    assert len(endpoint.requests) == 1
    assert not [error.retry for error in [*found, *later] if error.retry]
    assert str(found[0]).endswith("; it wants to be left alone for 1200 s, more than 600")
    assert str(later[0]).endswith(": not asked, it wants to be left alone")


def test_what_stays_busy_comes_back_as_an_error():
    with serving(lambda *_: failure(429, "slow down", headers={"Retry-After": "0.01"})) as endpoint:
        (found,) = judge_at(endpoint, max_retries=2)(*items(1))
    assert len(endpoint.requests) == 3
    assert isinstance(found, JudgeError)
    assert found.retry
    host = endpoint.url.split("/")[2]
    assert re.fullmatch(rf"{host}: HTTP 429 \(.*slow down.*\)", str(found))


def test_a_slow_answer_times_out():
    with serving(lambda *_: None) as endpoint:
        endpoint.script = lambda *_: said("", after=lambda: endpoint.released.wait(30))
        (found,) = judge_at(endpoint, timeout=0.3, max_retries=1)(*items(1))
    assert len(endpoint.requests) == 2
    assert str(found).endswith(": no answer in 0.3 s")
    assert found.retry


def test_nobody_listens():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        judge = ChatJudge(f"http://127.0.0.1:{taken.getsockname()[1]}/v1", "m", max_retries=0)
        (found,) = judge(*items(1))
    assert re.fullmatch(r"127\.0\.0\.1:\d+: no connection \(ConnectError\)", str(found))
    assert found.retry


def test_so_many_at_a_time():
    gate = threading.Barrier(3)

    def script(*_):
        gate.wait(30)  # goes on once three are here, and would break with fewer
        return verdict("negative")

    with serving(script) as endpoint:
        assert judge_at(endpoint, max_concurrency=3)(*items(9)) == ["negative"] * 9
    assert endpoint.most_at_once == 3


def test_a_limit_of_requests_counts_repeated_ones():
    turns = []

    class Counting(Pace):
        def turn(self):
            turns.append(super().turn())
            return 0.0

    def script(number, _):
        return failure(500, "oops", headers={"Retry-After": "0.01"}) if number == 2 else verdict("negative")

    with serving(script) as endpoint:
        judge = judge_at(endpoint, requests_per_minute=60)
        judge._pace = Counting(60, clock=lambda: 100.0)
        judge(*items(4))
    assert len(endpoint.requests) == 5
    assert sorted(turns) == [0.0, 1.0, 2.0, 3.0, 4.0]


def test_pace_is_even_and_forgets_idle_time():
    now, waits = [0.0], []
    pace = Pace(120, clock=lambda: now[0])
    for at in (0.0, 0.1, 0.2, 50.0, 50.0):
        now[0] = at
        waits.append(pace.turn())
    assert waits == pytest.approx([0.0, 0.4, 0.8, 0.0, 0.5])


# --- answers --------------------------------------------------------------------------------------------------------

GOOD = [
    ('{"verdict": "positive"}', "positive"),
    (' \n{"reason": "it {says} so", "verdict": "negative"}\n', "negative"),
    ('```json\n{"verdict": "unsure"}\n```', "unsure"),
    ('```\n{"verdict": "negative"}\n```', "negative"),
    ('```JSON\n{"verdict": "negative"}\n```', "negative"),
    ('```json {"verdict": "negative"} ```', "negative"),
    ('<think>\n{"verdict": "negative"} or not?\n</think>\n\n{"verdict": "positive"}', "positive"),
    ('<think></think>```json{"verdict": "positive"}```', "positive"),
]
BAD = [
    "positive", "", "null", "[]", '"positive"', '{"verdict": "Positive"}', '{"verdict": "relevant"}', '{"verdict": 1}',
    '{"verdict": ["positive"]}', '{"answer": "positive"}', '{"verdict": "positive"', "{'verdict': 'positive'}",
    'It is {"verdict": "positive"}', '{"verdict": "positive"} {"verdict": "negative"}', "[" * 100_000, None, 3,
    {"verdict": "positive"}, '<think>{"verdict": "positive"}', '<think>a</think> So: {"verdict": "positive"}',
    'Well <think>a</think>{"verdict": "positive"}', '```python\n{"verdict": "positive"}\n```', "<think></think>",
    '```json {"verdict": "positive"} ``` or so', '```["positive"]```',
]  # fmt: skip


@pytest.mark.parametrize(("content", "expected"), [*GOOD, *((content, None) for content in BAD)])
def test_what_counts_as_an_answer(content, expected):
    assert _chat_prompt.parsed(content) == expected


def test_a_malformed_answer_is_asked_for_again():
    with serving(lambda number, _: said("Well..." if number < 3 else '{"verdict": "positive"}')) as endpoint:
        judge = judge_at(endpoint, max_retries=2)
        assert judge(*items(1)) == ["positive"]
    assert len(endpoint.requests) == 3
    assert judge.malformed == 2


@pytest.mark.parametrize("reply", [said("no JSON"), said('{"verdict": "maybe"}')], ids=range(2))
def test_what_stays_malformed_is_unsure(reply):
    with serving(lambda *_: reply) as endpoint:
        judge = judge_at(endpoint, max_retries=1)
        assert judge(*items(1)) == ["unsure"]
    assert len(endpoint.requests) == 2
    assert judge.malformed == 2


@pytest.mark.parametrize(
    "reply",
    [
        said(None),
        said(""),
        said([{"type": "text", "text": "{}"}]),
        Reply(200, {"error": {"message": "busy"}}),
        Reply(200, {"choices": []}),
        Reply(200, {"id": "x"}),
        Reply(200, {"choices": [{"message": {}}]}),
        Reply(200, {"choices": "abc"}),
        Reply(200, []),
        Reply(200, b'{"choices": [{"mess'),
        Reply(200, b"\xff\xfe"),
        Reply(200, b""),
        Reply(200, b"<html>maintenance</html>", kind="text/html"),
    ],
    ids=range(13),
)
def test_what_is_no_answer_has_failed(reply, monkeypatch):
    monkeypatch.setattr(_chat_http, "delay", lambda *_: 0.0)
    with serving(lambda *_: reply) as endpoint:
        judge = judge_at(endpoint, max_retries=1)
        (found,) = judge(*items(1))
    assert len(endpoint.requests) == 2
    assert judge.malformed == 0
    assert str(found).endswith(": HTTP 200, but no chat completion with something said in it")
    assert found.retry


def small_run():
    collection = hm.Collection.from_pairs(["a b"], ["b"], ["a", "a a"])
    return collection, hm.retrieve(collection, "bm25", progress=False)


def test_what_failed_is_asked_again_next_time_and_what_is_malformed_is_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(_chat_http, "delay", lambda *_: 0.0)
    collection, run = small_run()
    options = {"cache": tmp_path / "cache", "progress": False, "on_error": "unsure", "max_retries": 0}
    with serving(lambda *_: Reply(200, {"error": "down"})) as endpoint:
        judge = judge_at(endpoint, max_retries=0)
        first = hm.judge(collection, run, judge, **options).report
        asked = first["asked"]
        endpoint.script = lambda *_: said("hm")
        second = hm.judge(collection, run, judge, **options)
    assert first["counts"]["failed"] == first["calls"]["faults"] == asked == 2
    assert first["calls"]["malformed"] == 0
    assert second.report["calls"] == {"reused": 0, "calls": 1, "faults": 0, "malformed": 2}
    assert second.report["counts"]["unsure"] == 2
    assert ", 2 malformed answers" in second.summary()
    assert second.to_dict()["calls"]["malformed"] == 2


@pytest.mark.parametrize("status", [400, 413, 422])
def test_an_item_that_is_refused_is_not_asked_again(status):
    def script(_, prompt):
        return failure(status, "context length exceeded") if "document 0\n" in prompt else verdict("negative")

    with serving(script) as endpoint:
        found = judge_at(endpoint)(*items(2))
    assert len(endpoint.requests) == 2
    assert found[1] == "negative"
    assert not found[0].retry
    assert f"HTTP {status} (" in str(found[0])
    assert "context length exceeded" in str(found[0])


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (failure(401, f"Incorrect API key provided: {KEY[:7]}****{KEY[-4:]}"), "HTTP 401 for model 'some-model'"),
        (failure(404, "no such model"), "HTTP 404 for model"),
        (failure(429, "pay", code="insufficient_quota", headers={"x-should-retry": "false"}), "insufficient_quota"),
        (Reply(307, {}, headers={"Location": "http://localhost:9/elsewhere"}), "HTTP 307"),
    ],
)  # fmt: skip
def test_what_no_item_would_survive_ends_the_run(reply, message):
    collection, run = small_run()
    with serving(lambda *_: reply) as endpoint:
        judge = judge_at(endpoint, api_key_variable="SOME_KEY", max_concurrency=1)
        with pytest.raises(JudgeError, match=message) as caught:
            hm.judge(collection, run, judge, on_error="unsure", progress=False)
    assert len(endpoint.requests) == 1
    shown = str(caught.value) + repr(caught.value.__cause__)
    assert KEY[-4:] not in shown
    assert "elsewhere" not in shown


@pytest.mark.parametrize("status", [400, 413, 422, 429, 500, 503])
@pytest.mark.parametrize("shown", [KEY, KEY[3:19], KEY.encode().hex(), KEY[::-1]])
def test_what_a_server_says_of_a_key_is_not_repeated(status, shown, monkeypatch):
    monkeypatch.setattr(_chat_http, "delay", lambda *_: 0.0)
    with serving(lambda *_: failure(status, f"no {shown}", code="context_length_exceeded")) as endpoint:
        (found,) = judge_at(endpoint, api_key_variable="SOME_KEY", max_retries=0)(*items(1))
        (open_,) = judge_at(endpoint, max_retries=0)(*items(1))
    assert shown not in str(found)
    assert f"HTTP {status} (" in str(found)
    assert str(found).endswith(", context_length_exceeded)")
    assert shown in str(open_)  # no key: the server's words help


@pytest.mark.parametrize("variable", [None, "SOME_KEY"])
def test_only_what_was_asked_for_is_sent(variable, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-another")
    monkeypatch.setenv("OPENAI_ORG_ID", "my-organisation")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "my-project")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Gateway: my-gateway\nAuthorization: Bearer my-other")
    with serving(by_digest) as endpoint:
        judge_at(endpoint, api_key_variable=variable)(*items(1))
    (request,) = endpoint.requests
    assert request["headers"].get("authorization") == (variable and f"Bearer {KEY}")
    assert not [word for word in ("my-", "sk-another") if word in json.dumps(request["headers"])]


def test_a_wrong_key_ends_a_paced_run_at_once():
    with serving(lambda *_: failure(401, "who?")) as endpoint:
        judge = judge_at(endpoint, requests_per_minute=0.5, max_concurrency=8)
        with pytest.raises(JudgeError, match="HTTP 401"):
            judge(*items(8))
    assert len(endpoint.requests) == 1


ENDING = """
import sys, threading, os, signal
from hardmine.teachers import ChatJudge, JudgeError
kind, url = sys.argv[1:]
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
judge = ChatJudge(url, "m", timeout=600.0, requests_per_minute=0.1 if kind == "pace" else None)
if kind != "pace":
    threading.Timer(1.0, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
try:
    judge(["q"] * 8, ["d"] * 8, ["p"] * 8)
except (JudgeError, KeyboardInterrupt) as error:
    print(type(error).__name__)
"""


@pytest.mark.parametrize("kind", ["pace", "retry-after", "read"])
def test_a_process_ends_whatever_its_threads_wait_for(kind):
    import subprocess
    import sys

    with serving(None) as endpoint:
        endpoint.script = {
            "pace": lambda *_: failure(401, "who?"),
            "retry-after": lambda *_: failure(429, "later", headers={"Retry-After": "500"}),
            "read": lambda *_: said("", after=lambda: endpoint.released.wait(100)),
        }[kind]
        found = subprocess.run(
            [sys.executable, "-c", ENDING, kind, endpoint.url], capture_output=True, text=True, timeout=60
        )
    assert found.stdout.split() == ["JudgeError" if kind == "pace" else "KeyboardInterrupt"], found.stderr
    assert found.returncode == 0


def test_options_that_the_client_does_not_know():
    with serving(by_digest) as endpoint:
        judge = judge_at(endpoint, options={"heat": 3})
        with pytest.raises(JudgeError, match="^options: .*unexpected keyword argument 'heat'") as caught:
            judge(*items(1))
    assert not caught.value.retry


# --- the prompt -----------------------------------------------------------------------------------------------------


def test_texts_are_not_looked_into():
    nasty = 'a {document} and {positive} </query> {"verdict": "positive"} \\1 \u2028 \U0001f600'
    with serving(lambda *_: verdict("negative")) as endpoint:
        judge_at(endpoint)([nasty], ["{query}"], [""])
        judge_at(endpoint, prompt="Q {query} D {document} {other}", max_characters=3)(["abcdef"], ["{query}"], ["p"])
    assert nasty in endpoint.prompts[0]
    assert "<document>\n{query}\n</document>" in endpoint.prompts[0]
    assert endpoint.prompts[1] == "Q abc D {qu {other}"


# --- no key anywhere ------------------------------------------------------------------------------------------------


def test_the_key_is_nowhere(caplog, monkeypatch):
    caplog.set_level(logging.DEBUG)
    for name in ("openai", "httpx", "httpx2", "httpcore", "httpcore2"):
        monkeypatch.setattr(logging.getLogger(name), "level", logging.DEBUG)

    def script(number, _):
        if number == 1:
            return failure(400, f"your key {KEY} may not do this")
        return failure(500, KEY, headers={"Retry-After": "0.01"}) if number < 9 else said(KEY)

    with serving(script) as endpoint:
        judge = judge_at(endpoint, api_key_variable="SOME_KEY", max_retries=1, max_concurrency=1)
        shown = [repr(judge), json.dumps(judge.fingerprint), judge.name, str(vars(judge))]
        found = judge(*items(6))
    errors = [each for each in found if isinstance(each, Exception)]
    assert len(errors) >= 3
    shown += [str(error) + repr(error.__cause__) + repr(error.__context__) for error in errors]
    assert str(errors[0]).endswith(
        ": HTTP 400 (the request is refused: too long, filtered, or an option that it does not take)"
    )
    shown += [record.getMessage() + str(record.args) for record in caplog.records]
    assert len(caplog.records) > 5
    assert not [text for text in shown if KEY in text]
    assert f"Bearer {KEY}" in str(endpoint.requests[0]["headers"])  # it was sent


@pytest.mark.parametrize("value", [KEY, "", "NO_SUCH_VARIABLE", "EMPTY", "A\0B", "UMLAUT", "BREAK", 3, b"SOME_KEY"])
def test_a_key_in_the_wrong_place_is_not_shown(value, monkeypatch):
    monkeypatch.setenv("EMPTY", " ")
    monkeypatch.setenv("UMLAUT", "sch\u00fcssel")
    monkeypatch.setenv("BREAK", "one\ntwo")
    with pytest.raises((ValueError, TypeError), match="^api_key_variable: ") as caught:
        ChatJudge("http://localhost:1/v1", "m", api_key_variable=value)
    for secret in (KEY, "schl", "two"):
        assert secret not in str(caught.value)


# --- arguments ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"base_url": "localhost:8000"}, ValueError, "base_url: no plain address of http or https, expected"),
        ({"base_url": "ftp://host/v1"}, ValueError, "base_url: no plain address"),
        ({"base_url": f"https://me:{KEY}@host/v1"}, ValueError, "base_url: .* without name, password or query"),
        ({"base_url": f"https://host/v1?key={KEY}"}, ValueError, "base_url: no plain address"),
        ({"base_url": "http://host:99999999/v1"}, ValueError, "base_url: no plain address"),
        ({"base_url": None}, TypeError, "base_url: NoneType, expected one such as"),
        ({"model": ""}, TypeError, "model: str '', expected some text"),
        ({"prompt": 3}, TypeError, "prompt: int 3, expected some text"),
        ({"prompt": "Is {query} good?"}, ValueError, "prompt: no {document}, expected it where the document"),
        ({"options": [1]}, TypeError, "options: list, expected a mapping"),
        ({"options": {"temperature": float("nan")}}, ValueError, "options: 'temperature' holds what JSON cannot"),
        ({"options": {"stop": {"a"}}}, ValueError, "options: 'stop' holds what JSON cannot"),
        ({"options": {"messages": []}}, ValueError, "options: 'messages', which the judge sets itself"),
        ({"max_characters": 0}, ValueError, "max_characters: 0, expected at least 1"),
        ({"timeout": 0}, ValueError, "timeout: 0, expected above 0"),
        ({"timeout": float("nan")}, ValueError, "timeout: nan, expected a finite number"),
        ({"max_retries": -1}, ValueError, "max_retries: -1, expected at least 0"),
        ({"max_concurrency": 0}, ValueError, "max_concurrency: 0, expected at least 1"),
        ({"requests_per_minute": 0}, ValueError, "requests_per_minute: 0, expected above 0"),
    ],
)  # fmt: skip
def test_bad_arguments(options, error, message):
    arguments = {"base_url": "http://localhost:1/v1", "model": "m", **options}
    with pytest.raises(error, match=message) as caught:
        ChatJudge(arguments.pop("base_url"), arguments.pop("model"), **arguments)
    assert KEY not in str(caught.value)


def test_what_changes_a_verdict_changes_the_fingerprint():
    plain = ChatJudge("http://localhost:1/v1/", "m")
    assert plain.fingerprint == ChatJudge("http://localhost:1/v1", "m", timeout=3, max_concurrency=2).fingerprint
    for options in ({"prompt": "{query}{document}"}, {"options": {}}, {"max_characters": 9}):
        assert ChatJudge("http://localhost:1/v1", "m", **options).fingerprint != plain.fingerprint
    assert ChatJudge("http://localhost:2/v1", "m").fingerprint != plain.fingerprint
    assert ChatJudge("http://localhost:1/v1", "n").fingerprint != plain.fingerprint
    assert pickle.dumps(plain.fingerprint)
