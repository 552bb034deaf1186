"""Checks the documents against the working tree: links, anchors, named files, quoted code and lengths.

Every Markdown file that git knows is read. It is wrong if

- a relative link leads to no file, or to no heading of a file
- a link uses a name that its page does not define
- a path in backticks, such as `shared/core/src/process.rs`, is not there
- Rust in README.md is not, line by line, in a page of the guide, where it is compiled and run
- a page of the guide is no module of src/guide.rs, or links to another page by something else than its name
- README.md, ARCHITECTURE.md or its glossary is longer than a reader has time for

It needs nothing but Python and git, and takes a second.

Usage: documents.py
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

# The source that makes modules of the guide's pages. The pages are in docs/ beside src/.
GUIDE = "guide.rs"

README_LINES = 150
ARCHITECTURE_WORDS = 1800
GLOSSARY_TERMS = 25

# Files that a reader makes while following a page.
MADE_BY_READERS = ["functions/keep-receipt"]

# It tells of files that were there once.
HISTORY = "CHANGELOG.md"

FENCE = re.compile(r"^(```+)(.*)$")
CODE = re.compile(r"`([^`]+)`")
INLINE = re.compile(r"!?\[(?:[^\[\]]|\[[^\[\]]*\])*\]\(([^()\s]+)\)")
DEFINITION = re.compile(r"^\[([^\]]+)\]:\s*(\S+)\s*$")
REFERENCE = re.compile(r"\[[^\[\]]+\]\[([^\[\]]+)\]")
PATH = re.compile(r"(?:shared|functions|infra|events|scripts|findings|\.github|\.ci|\.cargo)/[\w./*-]*\w[\w/*-]*")


class Page:
    """A Markdown file: its prose without code, its headings, its blocks of code."""

    def __init__(self, path, text):
        self.path = path
        self.prose, self.blocks = [], []
        fence, language, block = None, "", []
        for number, line in enumerate(text.splitlines(), 1):
            found = FENCE.match(line)
            if fence is None and found:
                fence, language, block = found[1], found[2].strip(), []
            elif fence is not None and line == fence:
                self.blocks.append((language, block))
                fence = None
            elif fence is not None:
                block.append(line)
            else:
                self.prose.append((number, line))
        self.definitions = {found[1]: found[2] for _, line in self.prose if (found := DEFINITION.match(line))}

    def headings(self):
        return [line.lstrip("#").strip() for _, line in self.prose if re.match(r"#{1,6} ", line)]

    def anchors(self):
        """The anchors that GitHub gives the headings."""
        anchors = set()
        for heading in self.headings():
            name = slug(heading)
            number, candidate = 0, name
            while candidate in anchors:
                number += 1
                candidate = f"{name}-{number}"
            anchors.add(candidate)
        return anchors

    def links(self):
        """Each line's number and the target of a link in it."""
        for number, line in self.prose:
            definition = DEFINITION.match(line)
            targets = [definition[2]] if definition else INLINE.findall(CODE.sub("`code`", line))
            yield from ((number, target) for target in targets)

    def undefined(self):
        for number, line in self.prose:
            for label in REFERENCE.findall(CODE.sub("`code`", line)):
                if label not in self.definitions:
                    yield number, label

    def paths(self):
        for number, line in self.prose:
            for code in CODE.findall(line):
                if PATH.fullmatch(code):
                    yield number, code

    def words(self):
        text = "\n".join(line for _, line in self.prose)
        text = re.sub(r"\]\([^()]*\)", "]", text) + "\n".join("\n".join(block) for _, block in self.blocks)
        return sum(1 for word in text.split() if re.search(r"\w", word))


def slug(heading):
    """The anchor of a heading, as GitHub makes it: small letters, no punctuation, hyphens for spaces."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


def is_elsewhere(target):
    return re.match(r"[a-z][a-z0-9+.-]*:", target) is not None


def link_problems(page, pages, root):
    for number, target in page.links():
        if is_elsewhere(target):
            continue
        place, _, anchor = target.partition("#")
        path = (root / page.path).parent / place if place else root / page.path
        where = f"{page.path}:{number}"
        if not path.exists() or root.resolve() not in [path.resolve(), *path.resolve().parents]:
            yield f"{where}: `{target}` leads to nothing in this repository; name the file from the page's own folder"
        elif anchor:
            name = str(path.resolve().relative_to(root.resolve()))
            if name not in pages or anchor not in pages[name].anchors():
                known = ", ".join(sorted(pages[name].anchors())) if name in pages else "none"
                yield f"{where}: `{name}` has no heading `#{anchor}`; it has: {known}"
    for number, label in page.undefined():
        yield f"{page.path}:{number}: the link `{label}` is not defined; end the page with `[{label}]: …`"


def path_problems(page, root):
    if page.path == HISTORY:
        return
    for number, path in page.paths():
        is_there = any(root.glob(path)) if "*" in path else (root / path).exists()
        if not is_there and not any(path.startswith(made) for made in MADE_BY_READERS):
            yield f"{page.path}:{number}: there is no `{path}`; name the file as it is called now"


def visible(block):
    """Rust as rustdoc shows it: without the lines that a doctest hides."""
    return [line.rstrip() for line in block if line.strip() != "#" and not line.lstrip().startswith("# ")]


def quoted_problems(readme, guide):
    shown = ["\n".join(visible(block)) for page in guide for language, block in page.blocks if language.startswith("rust")]
    for language, block in readme.blocks:
        text = "\n".join(line.rstrip() for line in block)
        if language.startswith("rust") and not any(text in each for each in shown):
            yield f"README.md: the code that begins `{block[0]}` is in no page of the guide; there it would be compiled"


def guide_problems(source, guide):
    """The pages against the modules of guide.rs, and the links between pages against the links it overrides."""
    modules = re.findall(r'(\w+) = "([\w-]+)\.md"', source)
    overridden = re.findall(r'"\[([\w-]+)\]: crate::guide::(\w+)\\n"', source)
    names = {Path(page.path).stem for page in guide}
    for module, name in [*modules, *((module, name) for name, module in overridden)]:
        if name.replace("-", "_") != module:
            yield f"{GUIDE}: the module of `{name}.md` is called `{module}`; call it `{name.replace('-', '_')}`"
    for name in sorted(names ^ {name for _, name in modules}):
        yield f"{GUIDE}: `{name}.md` is a page or a module, but not both; keep `pages!` and the folder alike"
    for name in sorted(names ^ {name for name, _ in overridden}):
        yield f"{GUIDE}: the link `{name}` leads to a page, or is overridden, but not both; keep `concat!` and the folder alike"
    for page in guide:
        for number, target in page.links():
            if is_elsewhere(target):
                continue
            line = dict(page.prose)[number]
            definition = DEFINITION.match(line)
            if not definition or target != f"{definition[1]}.md":
                yield (
                    f"{page.path}:{number}: `{target}` would lead nowhere in rustdoc; "
                    "link as `[text][page]`, and define `[page]: page.md` at the end"
                )


def length_problems(pages, lines):
    if lines > README_LINES:
        yield f"README.md: it has {lines} lines, and {README_LINES} are the most; move what is not for a first look to the guide"
    architecture = pages["ARCHITECTURE.md"]
    words = architecture.words()
    if words > ARCHITECTURE_WORDS:
        yield f"ARCHITECTURE.md: it has {words} words, and {ARCHITECTURE_WORDS} are ten minutes; move reasons to decision records"
    rows, is_in_glossary = [], False
    for _, line in architecture.prose:
        if line.startswith("## "):
            is_in_glossary = line == "## Glossary"
        elif is_in_glossary and line.startswith("|"):
            rows.append([cell.strip() for cell in line.strip("|").split("|")])
    terms = [row for row in rows[2:]]
    if not terms:
        yield "ARCHITECTURE.md: there is no glossary; give one under `## Glossary`"
    if len(terms) > GLOSSARY_TERMS:
        yield f"ARCHITECTURE.md: the glossary has {len(terms)} terms, and {GLOSSARY_TERMS} are the most; use the field's word for some"
    yield from (f"ARCHITECTURE.md: the term `{row[0]}` has no three columns; say ours, the field's, why" for row in terms if len(row) != 3 or not all(row))


def problems(pages, root):
    """A sentence for everything that is wrong with the pages, which are by their paths."""
    folder = next((path.parent.parent / "docs" for path in root.glob(f"shared/*/src/{GUIDE}")), None)
    if folder is None:
        yield f"{GUIDE}: there is no shared/*/src/{GUIDE}; without it no page of the guide is compiled"
        return
    guide = [page for name, page in sorted(pages.items()) if (root / name).parent == folder]
    for _, page in sorted(pages.items()):
        yield from link_problems(page, pages, root)
        yield from path_problems(page, root)
    yield from guide_problems((folder.parent / "src" / GUIDE).read_text(encoding="utf-8"), guide)
    yield from quoted_problems(pages["README.md"], guide)
    yield from length_problems(pages, len((root / "README.md").read_text(encoding="utf-8").splitlines()))


def read(root):
    """The Markdown files that git knows, or does not know yet and does not ignore, by their paths."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", "--", "*.md"]
    names = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout.split("\0")
    return {
        name: Page(name, (root / name).read_text(encoding="utf-8"))
        for name in sorted(set(filter(None, names)))
        if (root / name).is_file()
    }


def main(arguments):
    if arguments:
        print(__doc__)
        return 0 if arguments[0] in ["-h", "--help"] else 2
    pages = read(ROOT)
    found = list(problems(pages, ROOT))
    for problem in found:
        print(problem, file=sys.stderr)
    links = sum(1 for page in pages.values() for _ in page.links())
    if not found:
        print(f"{len(pages)} documents: all of their {links} links and named files are there.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
