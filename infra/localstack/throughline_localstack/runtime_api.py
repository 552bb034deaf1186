"""The Runtime API of Lambda, for one process of a function.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html: the process asks for its next invocation, and posts what
came of it. It handles one invocation at a time.
"""

import threading
from concurrent.futures import Future
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Empty, SimpleQueue

PREFIX = "/2018-06-01/runtime"
_LOOK_AGAIN_SECONDS = 0.5


@dataclass(frozen=True)
class Invocation:
    """What a function is asked to do."""

    request_id: str
    payload: bytes
    function_arn: str
    trace_id: str
    # Milliseconds since 1970.
    deadline: int


@dataclass(frozen=True)
class Answer:
    """What came of it."""

    payload: bytes
    is_error: bool


@dataclass
class _Asked:
    invocation: Invocation
    answer: Future = field(default_factory=Future)


class RuntimeApi:
    """Listens on a free port of 127.0.0.1, from `start` to `stop`."""

    def __init__(self):
        # Set to nothing when the process first asks for work, or to what it says that is wrong.
        self.started: Future[Answer | None] = Future()
        self._waiting: SimpleQueue[_Asked] = SimpleQueue()
        self._asked: _Asked | None = None
        self._is_stopping = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"api": self}))
        self._server.daemon_threads = True

    @property
    def address(self) -> str:
        """Host and port, as AWS_LAMBDA_RUNTIME_API holds them."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    def start(self):
        threading.Thread(target=self._server.serve_forever, name="runtime-api", daemon=True).start()

    def stop(self):
        """Nobody gets anything any more; who waits for an answer waits in vain."""
        self._is_stopping.set()
        self._server.shutdown()
        self._server.server_close()

    def ask(self, invocation: Invocation) -> Future:
        """Hands an invocation to the process. The future holds its `Answer`."""
        asked = self._asked = _Asked(invocation)
        self._waiting.put(asked)
        return asked.answer

    def _next(self) -> Invocation | None:
        """Waits for an invocation. None if there will not be one."""
        if not self.started.done():
            self.started.set_result(None)
        while not self._is_stopping.is_set():
            try:
                return self._waiting.get(timeout=_LOOK_AGAIN_SECONDS).invocation
            except Empty:
                continue
        return None

    def _answered(self, request_id: str, answer: Answer) -> bool:
        """Whether that was being waited for."""
        asked = self._asked
        if asked is None or asked.invocation.request_id != request_id or asked.answer.done():
            return False
        asked.answer.set_result(answer)
        return True

    def _did_not_start(self, payload: bytes):
        if not self.started.done():
            self.started.set_result(Answer(payload, is_error=True))


class _Handler(BaseHTTPRequestHandler):
    api: RuntimeApi
    protocol_version = "HTTP/1.1"
    # Head and body in one packet, at once.
    wbufsize = -1
    disable_nagle_algorithm = True

    def log_message(self, format, *arguments):
        """Says nothing: LocalStack's log is long enough."""

    def do_GET(self):
        if self.path != f"{PREFIX}/invocation/next":
            return self._send(404)
        invocation = self.api._next()
        if invocation is None:
            return self._send(410)
        headers = {
            "Content-Type": "application/json",
            "Lambda-Runtime-Aws-Request-Id": invocation.request_id,
            "Lambda-Runtime-Deadline-Ms": str(invocation.deadline),
            "Lambda-Runtime-Invoked-Function-Arn": invocation.function_arn,
            "Lambda-Runtime-Trace-Id": invocation.trace_id,
        }
        return self._send(200, invocation.payload, headers)

    def do_POST(self):
        body = self._body()
        if self.path == f"{PREFIX}/init/error":
            self.api._did_not_start(body)
            return self._send(202)
        match self.path.removeprefix(f"{PREFIX}/invocation/").split("/"):
            case [request_id, "response" | "error" as kind]:
                is_known = self.api._answered(request_id, Answer(body, is_error=kind == "error"))
                return self._send(202 if is_known else 400, b'{"status":"OK"}' if is_known else b"{}")
        return self._send(404)

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", "").lower():
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _send(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None):
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()
