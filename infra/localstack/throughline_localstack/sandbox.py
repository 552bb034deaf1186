"""One process of a function, and what it is asked to do."""

import json
import os
import signal
import subprocess
import tempfile
import threading
import time
from concurrent.futures import FIRST_COMPLETED, Future, wait
from pathlib import Path

from throughline_localstack.runtime_api import Answer, Invocation, RuntimeApi

# How long a process may take to ask for its first invocation: Lambda's own limit.
START_SECONDS = 10
_END_SECONDS = 2


def failure(kind: str, message: str) -> Answer:
    """An error as Lambda itself words one, not the function."""
    return Answer(json.dumps({"errorType": kind, "errorMessage": message}).encode(), is_error=True)


class Sandbox:
    """A function's `bootstrap`, from `start` to `stop`. It dies at most once: afterwards a new sandbox is needed."""

    def __init__(self, code: Path, environment: dict[str, str]):
        self._code = code
        self._environment = environment
        self._api = RuntimeApi()
        # A file, not a pipe: what was written before an answer is in it when the answer is there.
        self._output = tempfile.TemporaryFile(buffering=0)
        self._read_up_to = 0
        self._process: subprocess.Popen | None = None
        self._ended: Future[int] = Future()

    def start(self) -> Answer | None:
        """Returns once the process asks for work, or what is wrong with it."""
        self._api.start()
        bootstrap = self._code / "bootstrap"
        bootstrap.chmod(0o755)
        environment = {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            **self._environment,
            "LAMBDA_TASK_ROOT": str(self._code),
            "AWS_LAMBDA_RUNTIME_API": self._api.address,
        }
        self._process = subprocess.Popen(
            [bootstrap],
            cwd=self._code,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=self._output,
        )
        threading.Thread(target=self._watch, args=[self._process], name="sandbox", daemon=True).start()
        wait([self._api.started, self._ended], START_SECONDS, FIRST_COMPLETED)
        if self._api.started.done():
            return self._api.started.result()
        if self._ended.done():
            return failure("Runtime.ExitError", f"Runtime exited {self._how_it_ended()} while it started")
        self.kill()
        return failure("Sandbox.Timedout", f"Task timed out while it started, after {START_SECONDS} seconds")

    def _watch(self, process: subprocess.Popen):
        self._ended.set_result(process.wait())

    @property
    def is_alive(self) -> bool:
        return self._process is not None and not self._ended.done()

    def invoke(self, invocation: Invocation) -> Answer:
        """Waits for the answer, at most until the deadline. Who misses it is killed, as on AWS."""
        answer = self._api.ask(invocation)
        left = max(0, invocation.deadline / 1000 - time.time())
        wait([answer, self._ended], left, FIRST_COMPLETED)
        if answer.done():
            return answer.result()
        about = f"RequestId: {invocation.request_id}"
        if self._ended.done():
            return failure("Runtime.ExitError", f"{about} Error: Runtime exited {self._how_it_ended()}")
        self.kill()
        return failure("Sandbox.Timedout", f"{about} Error: Task timed out after {left:.2f} seconds")

    def new_output(self) -> str:
        """What the process has written since this was last asked."""
        written = os.fstat(self._output.fileno()).st_size
        text = os.pread(self._output.fileno(), written - self._read_up_to, self._read_up_to)
        self._read_up_to = written
        return text.decode(errors="replace")

    def all_output(self) -> str:
        """What the process has written."""
        written = os.fstat(self._output.fileno()).st_size
        return os.pread(self._output.fileno(), written, 0).decode(errors="replace")

    def kill(self):
        """Ends the process at once."""
        if self._process and not self._ended.done():
            self._process.kill()
            self._ended.result()

    def stop(self):
        """Ends the process, and gives it a moment to end by itself."""
        if self._process and not self._ended.done():
            self._process.terminate()
            wait([self._ended], _END_SECONDS)
            self.kill()
        self._api.stop()
        self._output.close()

    def _how_it_ended(self) -> str:
        status = self._ended.result()
        if status < 0:
            return f"with error: signal: {signal.Signals(-status).name}"
        return f"with error: exit status {status}" if status else "without providing a reason"
