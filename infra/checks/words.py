"""Counts the doc comments that begin with a question word, by crate and by file.

"What is left of it." makes a reader look for the subject; "The remaining letters." and "Returns the remaining letters."
do not. `Whether` is allowed where the documented item is a `bool` or returns one: there it is the plain word.

Usage: words.py [--at-most PERCENT] [--list] [FOLDER …]

  --at-most PERCENT   end with 1 if more of all doc comments than this begin so
  --list              every one of them, as FILE:LINE: its first line
  FOLDER …            where to look (default: shared and functions)
"""

import argparse
import re
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ["shared", "functions"]

DOC = re.compile(r"\s*(///|//!)(?!/) ?(.*)")
QUESTION = re.compile(r"[*_\[`(]*(What|Whether|How|Where|Who)\b")

# Files with the most of them that are shown without --list.
SHOWN = 15


@dataclass(frozen=True)
class Block:
    """A doc comment: where it begins, its first line, and the code that it documents."""

    line: int
    text: str
    item: str

    def is_riddle(self):
        found = QUESTION.match(self.text)
        return found is not None and not (found[1] == "Whether" and is_bool(self.item))


def blocks(source):
    """The doc comments of a file. Neighbouring lines with the same marker are one."""
    lines = source.splitlines()
    at = 0
    while at < len(lines):
        doc = DOC.match(lines[at])
        if not doc:
            at += 1
            continue
        first, marker = at, doc[1]
        text = ""
        while at < len(lines) and (more := DOC.match(lines[at])) and more[1] == marker:
            text = text or more[2].strip()
            at += 1
        # A module's own comment documents no item.
        yield Block(first + 1, text, item(lines[at:]) if marker == "///" else "")


def item(lines):
    """The head of the item that the lines begin with, without attributes and bodies, on one line."""
    head = re.sub(r"^\s*(#\[[^\]]*(\[[^\]]*\][^\]]*)*\]\s*)*", "", "\n".join(lines[:40]))
    if re.match(r"(pub(\([^)]*\))?\s+)?((async|const|default|unsafe|extern)\s+)*fn\b", head):
        return " ".join(re.split(r"[{;]", head, maxsplit=1)[0].split())
    return " ".join(re.split(r"[{;,=\n]", head, maxsplit=1)[0].split())


def is_bool(item):
    """Whether an item is a field, constant or static of type `bool`, or a function that returns one."""
    returned = re.search(r"->(.*)", item)
    if returned:
        # `Result<bool, E>` and `impl Future<Output = bool>` are answered by yes or no, too.
        return re.match(r"\s*(bool\b|(Result|Option)<bool\b|impl .*Future<Output = (Result<)?bool\b)", returned[1]) is not None
    return re.search(r":\s*bool$", item) is not None


def sources(folders):
    """The Rust files below the folders, in order, but for what is built."""
    for folder in folders:
        yield from sorted(path for path in (ROOT / folder).rglob("*.rs") if "target" not in path.relative_to(ROOT).parts)


def crate(path):
    return "/".join(path.parts[:2])


def share(riddles, count):
    return 100 * riddles / count if count else 0.0


def table(counts, riddles, names):
    width = max((len(name) for name in names), default=0)
    for name in names:
        yield f"{name:{width}}  {riddles[name]:5} of {counts[name]:5}  {share(riddles[name], counts[name]):5.1f} %"


def main(arguments):
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n\nUsage")[0], formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--at-most", type=float, metavar="PERCENT", help="end with 1 above this share of all doc comments")
    parser.add_argument("--list", action="store_true", help="show every one of them, as FILE:LINE: its first line")
    parser.add_argument("folders", nargs="*", default=FOLDERS, metavar="FOLDER", help="default: shared and functions")
    options = parser.parse_args(arguments)

    by_crate, by_file, riddles, riddles_by_file = Counter(), Counter(), Counter(), Counter()
    for path in sources(options.folders):
        name = path.relative_to(ROOT)
        for block in blocks(path.read_text(encoding="utf-8")):
            by_crate[crate(name)] += 1
            by_file[str(name)] += 1
            if block.is_riddle():
                riddles[crate(name)] += 1
                riddles_by_file[str(name)] += 1
                if options.list:
                    print(f"{name}:{block.line}: {block.text}")
    count, found = by_crate.total(), riddles.total()
    if not count:
        print(f"words: there is no doc comment in {', '.join(options.folders)}", file=sys.stderr)
        return 2
    if not options.list:
        print(*table(by_crate, riddles, sorted(by_crate)), sep="\n")
        most = [name for name, _ in riddles_by_file.most_common(SHOWN)]
        if most:
            print("\nThe files with the most:", *table(by_file, riddles_by_file, most), sep="\n")
        print()
    print(f"{found} of {count} doc comments, {share(found, count):.1f} %, begin with What, Whether, How, Where or Who.")
    if options.at_most is not None and share(found, count) > options.at_most:
        print(
            f"words: that is more than {options.at_most:g} %. Put the subject first, and say what a function returns with "
            '"Returns …" (.github/CONTRIBUTING.md, "Style"). `infra/checks/words.py --list` names each.',
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
