"""An OpenAI-style chat endpoint on this machine that a test starts, scripts and looks into."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Reply:
    """One answer: a status, a body (JSON unless bytes), headers, and what to wait for before it."""

    def __init__(self, status, body, *, headers=(), after=None, kind="application/json"):
        self.status, self.headers, self.after, self.kind = status, dict(headers), after, kind
        self.body = body if isinstance(body, bytes) else json.dumps(body).encode()


def said(content, **more):
    """The reply of a model that says this."""
    message = {"role": "assistant", "content": content}
    choice = {"index": 0, "finish_reason": "stop", "message": message}
    body = {"id": "x", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]}
    return Reply(200, body, **more)


def verdict(name):
    return said(json.dumps({"verdict": name}))


def failure(status, message, *, code=None, **more):
    return Reply(status, {"error": {"message": message, "type": "some_error", "code": code}}, **more)


class Endpoint:
    """What the server has seen, and how it replies: `script(number, prompt)` gives a `Reply`, numbers count from 1."""

    def __init__(self, script):
        self.script, self.requests, self.guard = script, [], threading.Lock()
        self.released = threading.Event()
        self.at_once = self.most_at_once = 0
        self.url = ""

    @property
    def prompts(self):
        return [request["body"]["messages"][0]["content"] for request in self.requests]


@contextmanager
def serving(script):
    """An endpoint on a free port; gone at the end, with whoever still waits in it."""
    endpoint = Endpoint(script)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            headers = {name.lower(): value for name, value in self.headers.items()}
            with endpoint.guard:
                endpoint.requests.append({"path": self.path, "headers": headers, "body": body})
                number = len(endpoint.requests)
                endpoint.at_once += 1
                endpoint.most_at_once = max(endpoint.most_at_once, endpoint.at_once)
            reply = endpoint.script(number, body["messages"][0]["content"])
            if reply.after is not None:
                reply.after()
            with endpoint.guard:
                endpoint.at_once -= 1
            try:
                self.send_response(reply.status)
                for name, value in {"Content-Type": reply.kind, **reply.headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(reply.body)))
                self.end_headers()
                self.wfile.write(reply.body)
            except OSError:  # whoever asked has gone
                self.close_connection = True

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # whoever asked has gone
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    endpoint.url = f"http://127.0.0.1:{server.server_port}/v1"
    try:
        yield endpoint
    finally:
        endpoint.released.set()
        server.shutdown()
        thread.join()
        server.server_close()
