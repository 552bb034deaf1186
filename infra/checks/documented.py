"""The programs whose documentation is made, as options of cargo, from what `cargo metadata` says: those that share their
name with no library, as cargo itself chooses if it is not told.

Usage: cargo metadata --no-deps --format-version 1 | documented.py
"""

import json
import sys


def programs(metadata):
    targets = [target for package in metadata["packages"] for target in package["targets"]]
    named = lambda kind: {target["name"].replace("-", "_") for target in targets if kind in target["kind"]}
    alone = named("bin") - named("lib")
    return sorted(t["name"] for t in targets if "bin" in t["kind"] and t["name"].replace("-", "_") in alone)


if __name__ == "__main__":
    print(" ".join(f"--bin {name}" for name in programs(json.load(sys.stdin))))
