import contextlib
import io
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from dataclasses import replace
from pathlib import Path

import run
import stopwatch
from steps import Step


def step(name, lane="a", needs=(), says="does something"):
    return Step(name, says, lane, needs=needs)


class AWholeRun(unittest.TestCase):
    """Steps that are shell scripts, in a folder of their own."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.known = dict(run.steps.BY_NAME)
        self.addCleanup(lambda: (run.steps.BY_NAME.clear(), run.steps.BY_NAME.update(self.known)))

    def run_steps(self, scripts, fails_fast=True):
        for each, script in scripts.items():
            run.steps.BY_NAME[each.name] = each
            (self.folder / each.name).write_text(script)

        def start(each, environment, is_shown):
            command = ("sh", "-c", f'exec sh "{self.folder}/$0"')
            return run.Running(each, environment, is_shown, self.folder / "logs", command)

        with contextlib.redirect_stdout(Output()) as said, contextlib.redirect_stderr(io.StringIO()):
            took, failed = run.run(list(scripts), dict(os.environ, FOLDER=str(self.folder)), start, fails_fast)
        return list(took), failed, said.text()

    def test_what_each_step_says_is_shown_whole_when_it_has_ended(self):
        scripts = {
            step("slow", "a"): "echo slow begins; while [ ! -e $FOLDER/quick.done ]; do sleep 0.01; done; echo slow ends",
            step("quick", "b"): "echo quick; touch $FOLDER/quick.done",
        }
        took, failed, said = self.run_steps(scripts)
        self.assertEqual((sorted(took), failed), (["quick", "slow"], []))
        self.assertIn("slow begins\nslow ends\n", said)

    def test_told_not_to_fail_fast_it_runs_all_but_what_needs_a_step_that_failed(self):
        wrong = step("wrong", "a")
        needs_it = replace(step("needs-it", "a"), needs=("wrong",))
        comes_after = replace(step("comes-after", "a"), after=("wrong",))
        scripts = {wrong: "exit 3", needs_it: "touch $FOLDER/began", comes_after: "exit 4", step("right", "b"): "true"}
        took, failed, _ = self.run_steps(scripts, fails_fast=False)
        self.assertEqual(sorted(took), ["comes-after", "right", "wrong"])
        self.assertEqual(failed, ["wrong", "comes-after"])
        self.assertFalse((self.folder / "began").exists())

    def test_the_first_failure_ends_the_run_and_whatever_runs(self):
        scripts = {
            step("endless", "a"): "trap 'touch $FOLDER/was-stopped; exit 1' TERM; touch $FOLDER/runs; sleep 60 & wait",
            step("wrong", "b"): "while [ ! -e $FOLDER/runs ]; do sleep 0.01; done; echo it is wrong; exit 3",
            step("next", "b"): "touch $FOLDER/next-began",
        }
        began = time.monotonic()
        took, failed, said = self.run_steps(scripts)
        self.assertEqual((took, failed), (["wrong"], ["wrong"]))
        self.assertIn("it is wrong", said)
        self.assertTrue((self.folder / "was-stopped").exists(), "it could stop what it had started")
        self.assertFalse((self.folder / "next-began").exists())
        self.assertLess(time.monotonic() - began, 30)

    def test_what_a_step_needs_is_done_before_it(self):
        scripts = {
            step("build", "a", says=""): "touch $FOLDER/built",
            step("one", "b", needs=("build",)): "ls $FOLDER/built",
            step("other", "c", needs=("build",)): "ls $FOLDER/built",
        }
        took, failed, _ = self.run_steps(scripts)
        self.assertEqual((took[0], sorted(took), failed), ("build", ["build", "one", "other"], []))


class Output(io.TextIOWrapper):
    def __init__(self):
        super().__init__(io.BytesIO(), write_through=True)

    def text(self):
        return self.buffer.getvalue().decode()


class AnInterruptedRun(unittest.TestCase):
    def test_nothing_runs_any_more_after_ctrl_c(self):
        with tempfile.TemporaryDirectory() as folder:
            script = (
                "import os, run, steps, sys\n"
                "step = steps.Step('endless', 'runs', 'x')\n"
                "steps.BY_NAME['endless'] = step\n"
                f"command = ('bash', '-c', 'trap \"touch {folder}/stopped\" EXIT; touch {folder}/runs; sleep 1000')\n"
                f"start = lambda *given: run.Running(*given, run.Path('{folder}'), command)\n"
                "run.run([step], dict(os.environ), start)\n"
            )
            running = subprocess.Popen(
                [sys.executable, "-c", script], cwd=Path(run.__file__).parent, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
            until(lambda: os.path.exists(f"{folder}/runs"))
            running.send_signal(signal.SIGINT)
            running.communicate(timeout=30)
            self.assertTrue(os.path.exists(f"{folder}/stopped"), "the step stopped what it had started")
            self.assertNotEqual(running.returncode, 0)


def until(is_so):
    end = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


class TheStopwatch(unittest.TestCase):
    def test_each_verdict_has_the_seconds_since_the_one_before(self):
        times = iter([0, 10, 13.5, 13.5, 20, 20])
        lines = ["running 2 tests\n", "test a ... ok\n", "test b ... FAILED\n", "test result: FAILED. 1 passed\n"]
        timed = list(stopwatch.timed(lines, lambda: next(times)))
        self.assertEqual(timed, [lines[0], "test a ... ok 3.5 s\n", "test b ... FAILED 6.5 s\n", lines[3]])


if __name__ == "__main__":
    unittest.main()
