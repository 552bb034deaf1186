"""Runs the steps of `scripts/test`, side by side what can run so, and says how long each took."""

import argparse
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import steps

ROOT = Path(__file__).resolve().parents[2]
LOGS = ROOT / ".throughline/test"
# The interval of the progress lines where there is no terminal.
SAY_AGAIN_SECONDS = 60
# The time that a step may take to stop what it started.
END_SECONDS = 30
# The scenarios wait for answers; compilers, which nobody waits for, let them go first.
NICE = 10


class Running:
    """A step while it runs. It leads a group of processes, which ends with it."""

    def __init__(self, step, environment, is_shown, logs=LOGS, command=("bash", "infra/checks/steps.sh")):
        self.step, self.is_shown, self.began = step, is_shown, time.monotonic()
        self.log = logs / f"{step.name}.log"
        logs.mkdir(parents=True, exist_ok=True)
        output = None if is_shown else self.log.open("wb")
        lets_others_go_first = step.lane == "compiler" and not is_shown
        self.process = subprocess.Popen(
            [*command, step.name],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=(lambda: os.nice(NICE)) if lets_others_go_first else None,
        )
        if output:
            output.close()

    def seconds(self):
        return time.monotonic() - self.began

    def signal(self, number):
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            pass

    def show(self):
        """Everything that it has said, if it was not shown as it came."""
        heading(self.step.name, f"{self.seconds():.0f} s")
        if not self.is_shown:
            sys.stdout.flush()
            sys.stdout.buffer.write(self.log.read_bytes())
            sys.stdout.flush()


def heading(name, more):
    print(f"\n==> {name}: {more}", flush=True)


def run(chosen, environment, start=Running, fails_fast=True):
    """Runs steps to their end, or to the first that fails, after which nothing runs; or, if it does not fail fast, all
    but those that need one that failed. Returns the seconds of each that ended, and those that failed."""
    # Of a single one everybody may see what it says as it comes.
    is_shown = sum(1 for step in chosen if step.says) <= 1
    took, running, failed, progress = {}, {}, [], Progress()
    try:
        while True:
            beginning = steps.next_ones(chosen, took, running, failed)
            if is_shown:
                beginning = beginning[: 0 if running else 1]
            for step in beginning:
                if is_shown:
                    heading(step.name, "begins")
                running[step.name] = start(step, environment, is_shown)
            if not running:
                return took, failed
            for name, each in list(running.items()):
                if each.process.poll() is None:
                    continue
                del running[name]
                progress.clear()
                took[name] = each.seconds()
                each.show()
                if each.process.returncode != 0:
                    print(f"\n{name} failed.", file=sys.stderr, flush=True)
                    failed.append(name)
                    if fails_fast:
                        return took, failed
            if not is_shown:
                progress.say(running)
            time.sleep(0.05)
    finally:
        stop(running.values())


def stop(running):
    """Ends what runs, and gives it time to stop what it started: a local cloud belongs to no group of processes."""
    for each in running:
        each.signal(signal.SIGTERM)
    end = time.monotonic() + END_SECONDS
    for each in running:
        try:
            each.process.wait(max(0, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            print(f"{each.step.name} does not stop, and is killed.", file=sys.stderr)
        each.signal(signal.SIGKILL)


class Progress:
    """One line that says what runs: on a terminal always the same, elsewhere a new one now and then."""

    def __init__(self):
        self.is_terminal = sys.stdout.isatty()
        self.next_at = time.monotonic() + 1
        self.width = 0

    def say(self, running):
        if time.monotonic() < self.next_at:
            return
        line = "running: " + " · ".join(f"{name} {each.seconds():.0f} s" for name, each in running.items())
        if self.is_terminal:
            self.clear()
            print(line, end="", flush=True)
            self.width = len(line)
        else:
            print(line, flush=True)
        self.next_at = time.monotonic() + (1 if self.is_terminal else SAY_AGAIN_SECONDS)

    def clear(self):
        if self.width:
            print("\r" + " " * self.width + "\r", end="", flush=True)
            self.width = 0


def changed_files(since):
    """What differs from a commit, and what git does not know yet."""
    differing = git("diff", "--name-only", "-z", since)
    unknown = git("ls-files", "--others", "--exclude-standard", "-z")
    return sorted({*filter(None, differing.split("\0")), *filter(None, unknown.split("\0"))})


def git(*arguments):
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"git {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def filter_of(files):
    """Which tests a change can touch, in nextest's words; None if all."""
    command = ["cargo", "metadata", "--locked", "--no-deps", "--format-version", "1"]
    metadata = json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout)
    folders = {each["name"]: os.path.relpath(Path(each["manifest_path"]).parent, ROOT) for each in metadata["packages"]}
    found = steps.packages(files, folders)
    return None if found is None else " | ".join(f"rdeps(={name})" for name in sorted(found)) or "none()"


def arguments():
    parser = argparse.ArgumentParser(
        prog="scripts/test",
        usage="scripts/test [STEP …] [--all]\n       scripts/test quick\n       scripts/test --changed [COMMIT]",
        description="Runs every step, or those named, or those that a change can touch.",
        epilog="\n".join(["steps:", *filter(None, map(told, steps.STEPS)), *together(), EPILOG]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("steps", nargs="*", metavar="STEP", help="see below; `quick` is " + ", ".join(steps.QUICK))
    parser.add_argument(
        "--changed",
        nargs="?",
        const="HEAD",
        metavar="COMMIT",
        help="only steps, and of `unit` only tests, that what differs from COMMIT can touch (by default HEAD: what is not "
        "committed yet)",
    )
    parser.add_argument(
        "--no-fail-fast",
        action="store_true",
        help="after a step has failed, go on with all that do not need it, and name at the end all that failed",
    )
    parser.add_argument("--all", action="store_true", help="every pair of faults, where else some are tried, which takes hours; and a million bodies to decode")
    return parser.parse_args()


def told(step):
    if not step.says:
        return ""
    lines = textwrap.wrap(step.says, 104)
    return "\n".join([f"  {step.name:<14}{lines[0]}", *(" " * 16 + line for line in lines[1:])])


def together():
    return [f"  {name:<14}{', '.join(of)}" for name, of in steps.TOGETHER.items()]


EPILOG = """
Steps that do not hinder each other run side by side: then what each says is shown when it has ended, at once if it
failed, and stays in .throughline/test/. A single step is shown as it goes. What is missing is set up and built first.
At the end the seconds of each step are told.

The local clouds listen on 127.0.0.1 only, on the ports from THROUGHLINE_TEST_PORT (default 14566) to the seventh after
it, and are stopped at the end, if a step fails, and on Ctrl-C.

Examples:
  scripts/test                        everything: 36 minutes on two cores from nothing
  scripts/test quick                  before you commit: some three minutes once things are built
  scripts/test --changed              what your uncommitted changes can touch
  scripts/test --changed origin/main  what your branch can touch
  scripts/test unit lints             two steps
"""


def main():
    given = arguments()
    environment = dict(os.environ)
    if given.all:
        environment |= {"THROUGHLINE_ALL_PAIRS": "1", "THROUGHLINE_FUZZ_BODIES": "1000000"}
    names = given.steps or steps.asked_for()
    if given.steps == ["quick"]:
        names, environment["NEXTEST_PROFILE"] = steps.QUICK, "quick"
    if given.changed is not None:
        if given.steps:
            sys.exit("scripts/test: name steps, or say --changed, not both")
        files = changed_files(given.changed)
        why = steps.touched(files)
        print(f"Files that differ from {given.changed}: {len(files)}.")
        for name, file in why.items():
            print(f"  {name:<14}because of {file}")
        if not why:
            return print("They touch no step.")
        if "unit" in why and (filter_ := filter_of(files)):
            print(f"  of the unit tests: {filter_}")
            environment["THROUGHLINE_TESTS"] = filter_
        names = list(why)
    try:
        chosen = steps.named(names)
    except steps.NoSuchStep as error:
        sys.exit(f"scripts/test: there is no step `{error}`; see scripts/test --help")
    began = time.monotonic()
    took, failed = run(chosen, environment, fails_fast=not given.no_fail_fast)
    print()
    for name, seconds in took.items():
        print(f"{seconds:6.0f} s  {name}")
    print(f"{time.monotonic() - began:6.0f} s  all of it\n")
    if failed:
        logs = ", ".join(f"{LOGS.relative_to(ROOT)}/{name}.log" for name in failed)
        left = [step.name for step in chosen if step.name not in took]
        begun = f" Not run: {' '.join(left)}." if left else ""
        sys.exit(f"{' '.join(failed)} failed; the output is above, and in {logs}.{begun}")
    print(f"All of it holds: {' '.join(step.name for step in chosen if step.says)}.")


def interrupted(*_):
    raise KeyboardInterrupt


if __name__ == "__main__":
    # Of a job in the background shells would have Ctrl-C ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupted)
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("\nscripts/test: interrupted; nothing of it runs any more")
    except BrokenPipeError:
        # Whoever read what it says has gone.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
