"""Adds to each verdict of a test program, as it comes, how many seconds the test took: one test runs at a time.

Usage: TEST-PROGRAM --test-threads 1 | stopwatch.py
"""

import sys
import time


def timed(lines, now=time.monotonic):
    """The lines, with the seconds after each verdict."""
    begun = now()
    for line in lines:
        if line.startswith("running "):
            begun = now()
        elif line.startswith("test ") and " ... " in line:
            line, begun = f"{line.rstrip()} {now() - begun:.1f} s\n", now()
        yield line


if __name__ == "__main__":
    for line in timed(sys.stdin):
        print(line, end="", flush=True)
