"""Functions as processes: what they are asked, what they answer, and how they end."""

import tempfile
import time
import unittest
from pathlib import Path

from throughline_localstack.runtime_api import Invocation
from throughline_localstack.sandbox import Sandbox

# A function as small as it can be: what it does, the payload says.
FUNCTION = '''#!/usr/bin/env python3
import http.client, os, sys, time

def ask(method, path, body=None):
    connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    connection.request(method, "/2018-06-01/runtime" + path, body)
    answer = connection.getresponse()
    return answer, answer.read()

if os.environ.get("FAILS") == "init":
    ask("POST", "/init/error", b'{"errorType":"NoTable"}')
    sys.exit(1)
if os.environ.get("FAILS") == "exit":
    sys.exit(7)
while True:
    answer, payload = ask("GET", "/invocation/next")
    if answer.status != 200:
        sys.exit(0)
    about = "/invocation/" + answer.headers["Lambda-Runtime-Aws-Request-Id"]
    print("handles", payload.decode(), flush=True)
    if payload == b"sleep":
        time.sleep(60)
    if payload == b"die":
        os.kill(os.getpid(), 9)
    if payload == b"where":
        ask("POST", about + "/response", (os.getcwd() + " " + os.environ["GREETING"]).encode())
    elif payload == b"fail":
        ask("POST", about + "/error", b'{"errorType":"Bad"}')
    else:
        ask("POST", about + "/response", iter([payload, b"!"]))
'''


class Functions(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.code = Path(folder.name).resolve()
        (self.code / "bootstrap").write_text(FUNCTION)

    def sandbox(self, **environment):
        sandbox = Sandbox(self.code, environment)
        self.addCleanup(sandbox.stop)
        return sandbox

    def started(self, **environment):
        sandbox = self.sandbox(**environment)
        self.assertIsNone(sandbox.start())
        return sandbox

    def ask(self, sandbox, payload, seconds=10, request_id="request-1"):
        deadline = int((time.time() + seconds) * 1000)
        return sandbox.invoke(Invocation(request_id, payload, "arn", "trace", deadline))

    def test_one_process_answers_one_invocation_after_another(self):
        sandbox = self.started()
        for payload in (b"one", b"two"):
            answer = self.ask(sandbox, payload)
            self.assertEqual((answer.payload, answer.is_error), (payload + b"!", False))

    def test_an_error_is_an_answer(self):
        sandbox = self.started()
        answer = self.ask(sandbox, b"fail")
        self.assertEqual((answer.payload, answer.is_error), (b'{"errorType":"Bad"}', True))
        self.assertTrue(sandbox.is_alive)

    def test_it_runs_in_its_folder_and_sees_its_variables(self):
        answer = self.ask(self.started(GREETING="hello"), b"where")
        self.assertEqual(answer.payload.decode(), f"{self.code} hello")

    def test_what_it_writes_about_an_invocation_is_there_with_the_answer(self):
        sandbox = self.started()
        for payload in (b"one", b"two"):
            self.ask(sandbox, payload)
            self.assertEqual(sandbox.new_output(), f"handles {payload.decode()}\n")
        self.assertEqual(sandbox.all_output(), "handles one\nhandles two\n")

    def test_who_takes_longer_than_the_time_limit_is_killed(self):
        sandbox = self.started()
        answer = self.ask(sandbox, b"sleep", seconds=0.5)
        self.assertIn(b"Sandbox.Timedout", answer.payload)
        self.assertTrue(answer.is_error)
        self.assertFalse(sandbox.is_alive)

    def test_who_dies_fails_the_invocation_at_once(self):
        sandbox = self.started()
        started = time.time()
        answer = self.ask(sandbox, b"die", seconds=30)
        self.assertIn(b"SIGKILL", answer.payload)
        self.assertTrue(answer.is_error)
        self.assertLess(time.time() - started, 20)

    def test_who_says_that_it_cannot_start_is_quoted(self):
        trouble = self.sandbox(FAILS="init").start()
        self.assertEqual(trouble.payload, b'{"errorType":"NoTable"}')

    def test_who_ends_before_it_asks_for_work_is_told_of(self):
        trouble = self.sandbox(FAILS="exit").start()
        self.assertIn(b"exit status 7", trouble.payload)

    def test_nothing_runs_after_the_end(self):
        sandbox = self.started()
        sandbox.stop()
        self.assertFalse(sandbox.is_alive)


if __name__ == "__main__":
    unittest.main()
