"""The steps of `scripts/test`: what each one needs, what it may run beside, and which changed files can touch it.

`steps.sh` holds what each step does, `run.py` runs them.
"""

import fnmatch
from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    name: str
    # Its text in `--help`; empty for a step that only others need.
    says: str
    # Steps of one lane run one after the other, in the order of `STEPS`. Lanes run side by side.
    lane: str
    # Steps that have to be done before, and that are done although nobody named them.
    needs: tuple[str, ...] = ()
    # Steps that must not run at the same time, if they run at all: they come first.
    after: tuple[str, ...] = ()
    # Patterns of the files whose change can touch what it finds.
    touched_by: tuple[str, ...] = ()


# The files that say what is compiled, and how.
BUILD = ("Cargo.toml", "Cargo.lock", "*/Cargo.toml", ".cargo/*", "rust-toolchain.toml")
RUST = (*BUILD, "shared/*", "functions/*")
# The sources of a deployed function.
FUNCTIONS = (
    *BUILD,
    "functions/*",
    "shared/aws/*",
    "shared/core/*",
    "shared/shop/*",
    "shared/throughline/*",
)
# The sources of the operator's tools.
COMMAND = ("shared/cli/*", "shared/operations/*", "shared/providers/*", "events/*")
# The template and what it names, but not the rules that check it.
TEMPLATE = ("infra/*.yaml", "infra/*.json", "infra/checkout.definitions", "infra/functions/*", "infra/generated/*")
CLOUDS = (*FUNCTIONS, *COMMAND, *TEMPLATE, "shared/testing/*", "scripts/setup", "scripts/requirements/*")
LABORATORY = ("shared/laboratory/*", "shared/testing/*")
# A change of how steps are chosen and run may touch each of them.
OF_ALL = (".ci/*", "scripts/test", "infra/checks/steps.py", "infra/checks/steps.sh", "infra/checks/run.py")

STEPS = (
    Step("nextest", "", "tools"),
    Step("cloud-tools", "", "tools"),
    Step("localstack-tools", "", "tools"),
    Step("check-tools", "", "tools"),
    Step("format", "cargo fmt", "tools", touched_by=("*.rs", "rustfmt.toml")),
    Step(
        "pure",
        "core, shop and testing compile no AWS crate",
        "tools",
        touched_by=(*BUILD, "shared/core/*", "shared/shop/*", "shared/testing/*"),
    ),
    Step(
        "features",
        "each function's dependencies have the features when it is built alone that they are tested with",
        "tools",
        touched_by=(*BUILD, "infra/checks/*features.py"),
    ),
    Step(
        "template",
        "scripts/check-template",
        "tools",
        needs=("check-tools",),
        touched_by=("infra/*", "scripts/check-template", "scripts/requirements/*"),
    ),
    # Apart from the programs, which go into another folder: each of the two ends with what keeps one processor busy.
    Step("functions", "", "functions"),
    Step("programs", "", "compiler"),
    Step("lints", "clippy, warnings denied", "compiler", touched_by=(*RUST, "clippy.toml")),
    Step(
        "docs",
        "rustdoc, warnings denied; links and words of the documents; the public interface; licences of what is used",
        "compiler",
        needs=("check-tools",),
        touched_by=(*RUST, "*.md", "deny.toml", "infra/checks/words.py", "infra/checks/documents.py", "infra/checks/api.py", "scripts/check-api"),
    ),
    Step(
        "unit",
        "unit, integration, compile-error, conformance and documentation tests",
        "compiler",
        needs=("nextest",),
        touched_by=(*RUST, *TEMPLATE, "events/*", "*.md", ".config/*"),
    ),
    Step(
        "model",
        "the commit protocol explored exhaustively, each rule switched off in turn: the counts, printed",
        "compiler",
        touched_by=(*BUILD, "shared/core/*", "shared/testing/*"),
    ),
    Step(
        "traces",
        "traces, with the feature `otel`: within a process, and of real functions",
        "compiler",
        # One of its tests holds an invocation against a time limit, which the clouds' load would count in.
        after=("ministack", "localstack", "crash-matrix"),
        touched_by=(*FUNCTIONS, *LABORATORY),
    ),
    Step(
        "crash-matrix",
        "real functions killed at every request they make, before and after",
        "functions",
        needs=("functions",),
        touched_by=(*FUNCTIONS, *LABORATORY),
    ),
    Step(
        "differential",
        "state machines on a local cloud, held against the executor that runs them in process",
        "ministack",
        needs=("cloud-tools", "programs"),
        touched_by=(*FUNCTIONS, *LABORATORY, "scripts/requirements/cloud.txt"),
    ),
    Step(
        "ministack",
        "the shop on ministack: real binaries, real event source mappings",
        "ministack",
        needs=("cloud-tools", "check-tools", "functions", "programs"),
        touched_by=CLOUDS,
    ),
    Step(
        "localstack",
        "the shop on LocalStack, which needs Python 3.13: where there is none, it says so and does not fail",
        "localstack",
        needs=("cloud-tools", "localstack-tools", "check-tools", "functions", "programs"),
        touched_by=(*CLOUDS, "infra/localstack/*"),
    ),
    Step(
        "table",
        "a table of every scenario on every local cloud, with its seconds",
        "table",
        needs=("ministack", "localstack"),
        touched_by=(*CLOUDS, "infra/localstack/*"),
    ),
    Step(
        "documents",
        'the guide\'s "Add a function" and its day with the shop, done word for word in a copy of the project, on a local '
        "cloud of its own. With THROUGHLINE_WRITE=1 the day's page is written anew",
        "documents",
        needs=("cloud-tools", "check-tools", "functions"),
        # The copy builds into the folder that the scenarios' deployments build into.
        after=("ministack", "localstack", "crash-matrix"),
        touched_by=(*CLOUDS, "README.md", "shared/*.md"),
    ),
)

BY_NAME = {step.name: step for step in STEPS}

# One name for several.
TOGETHER = {"end-to-end": ("ministack", "localstack", "table")}

# What takes a newcomer three minutes once all is built.
QUICK = ("format", "pure", "lints", "unit")


class NoSuchStep(Exception):
    pass


def named(names):
    """The steps of these names, and what they need, in their order."""
    chosen = set()
    waiting = [step for name in names for step in TOGETHER.get(name, (name,))]
    while waiting:
        name = waiting.pop()
        if name not in BY_NAME:
            raise NoSuchStep(name)
        if name not in chosen:
            chosen.add(name)
            waiting += BY_NAME[name].needs
    return [step for step in STEPS if step.name in chosen]


def asked_for():
    """The names of all steps that a person may name, in their order."""
    return [step.name for step in STEPS if step.says]


def touched(files):
    """The names of the steps that a change of these files can touch, each with a file that is why. A file that no step
    claims touches every step, unless it only tells people something."""
    names = {}
    for file in files:
        claimed = [name for name in asked_for() if _matches(file, BY_NAME[name].touched_by)]
        if _matches(file, OF_ALL) or not claimed and not _matches(file, ONLY_TELLS):
            claimed = asked_for()
        for name in claimed:
            names.setdefault(name, file)
    return {name: names[name] for name in asked_for() if name in names}


# Nothing is made of these.
ONLY_TELLS = (".github/*", ".gitignore", ".editorconfig", "LICENSE*", "findings/*", "scripts/benchmark", "scripts/demo", "scripts/deploy")


def _matches(file, patterns):
    return any(fnmatch.fnmatchcase(file, pattern) for pattern in patterns)


def packages(files, folders):
    """The packages whose own files these are, by the folders of all packages; None if one belongs to no package, so that
    its change may touch any."""
    found = set()
    for file in files:
        of = [name for name, folder in folders.items() if file.startswith(f"{folder}/")]
        if of:
            found |= set(of)
        elif not _matches(file, (*ONLY_TELLS, "*.md", "infra/checks/*", "infra/localstack/*", "scripts/*")):
            return None
    return found


def next_ones(chosen, done, running, failed=()):
    """Those of the chosen steps that may begin: all that they wait for is done, none that they need has failed, and
    nothing runs in their lane."""
    failed = _not_to_be_run(chosen, failed)
    chosen_names = {step.name for step in chosen}
    lanes = {BY_NAME[name].lane for name in running}
    begun = set(done) | set(running)
    beginning = []
    for step in chosen:
        waits_for = {name for name in (*step.needs, *step.after) if name in chosen_names}
        if step.name in begun or step.name in failed:
            continue
        if step.lane not in lanes and waits_for <= {*done, *failed}:
            beginning.append(step)
            lanes.add(step.lane)
    return beginning


def _not_to_be_run(chosen, failed):
    """The steps that failed, and those that need one of them."""
    failed = set(failed)
    while more := {step.name for step in chosen if failed & set(step.needs)} - failed:
        failed |= more
    return failed
