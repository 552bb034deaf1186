"""Functions are compiled as they are tested: the features that each one's dependencies get when it is built alone, as it
is deployed, against those that they get when the whole workspace is tested.

Cargo gives a crate every feature that anything in one build asks of it. So a test may pass because of a feature that
another member of the workspace asks for, and that a deployed function does not have.

Usage: features.py [FEATURE,…]    the features that the workspace is tested with, besides none
"""

import json
import subprocess
import sys

# What functions run on.
TARGET = "x86_64-unknown-linux-gnu"

# Where the two differ and nothing can come of it: crate, feature, and why. Everything else must be the same.
EXEMPT = {
    "aws-smithy-http-client": {"test-util": "adds clients that answer from a recording; none is used unless it is named"},
    "bitflags": {"std": "makes its error one of the standard library's"},
    "getrandom": {
        "std": "makes its error one of the standard library's",
        "sys_rng": "adds a type that functions do not name",
    },
    "hashbrown": {
        "allocator-api2": "adds maps with an allocator of one's own",
        "default": "is a name for others of these",
        "default-hasher": "is the hasher of whoever names none; in functions everybody names one",
        "equivalent": "lets keys be looked up by what equals them",
        "inline-more": "inlines more",
        "raw-entry": "adds an interface to entries",
    },
    "hyper": {"server": "adds the side of HTTP that functions do not take"},
    "hyper-rustls": {"aws-lc-rs": "adds constructors; the SDK names its own provider of cryptography"},
    "hyper-util": {
        "server": "adds the side of HTTP that functions do not take",
        "server-graceful": "adds the side of HTTP that functions do not take",
        "service": "adds adapters for services that functions do not name",
    },
    "indexmap": {"serde": "makes its maps readable and writable"},
    "libc": {"extra_traits": "makes its structs comparable and printable"},
    "num-integer": {"i128": "asks for what compilers of today have anyway"},
    "num-traits": {"default": "is a name for `std`, which both have"},
    "serde": {"alloc": "is part of `std`, which both have"},
    "serde_core": {"default": "is a name for `std`, which both have"},
    "sync_wrapper": {
        "futures": "makes its wrapper a future and a stream",
        "futures-core": "is what the former is made of",
    },
    "throughline": {"otel": "records traces only where a setting asks for them, which no deployed function has"},
    "throughline-aws": {"testing": "adds services that answer from a script; no function names any"},
    "throughline-core": {"schema": "describes payloads; nothing that a function does asks for that"},
    "throughline-shop": {"testing": "adds orders and providers for tests, which no function names"},
    "tokio": {
        "full": "is a name for others of these",
        "io-std": "adds standard input and output",
        "parking_lot": "locks with another mutex",
        "process": "adds child processes",
        "signal": "adds signals",
        "signal-hook-registry": "is what the former is made of",
        "test-util": "lets tests stop its clock; nobody does in a function",
    },
    "tokio-rustls": {
        "aws-lc-rs": "is a name for the next",
        "aws_lc_rs": "makes a provider of cryptography the default; the SDK names its own",
    },
    "tower": {
        "log": "writes what it traces to the `log` crate, too, where nobody listens",
        "make": "adds a layer that functions do not use",
        "retry": "adds a layer that functions do not use",
        "timeout": "adds a layer that functions do not use",
        "tokio": "is what the layers are made of",
        "tracing": "is what the layers are made of",
    },
    "tower-http": {
        "cors": "adds a layer that functions do not use",
        "default": "asks for nothing",
        "set-header": "adds a layer that functions do not use",
        "trace": "adds a layer that functions do not use",
        "tracing": "is what the former is made of",
    },
    "uuid": {"v4": "adds random identifiers, which the pure crates cannot use"},
}


def read(tree):
    """The sets of features that each crate has, from lines of `name version …|features`."""
    crates = {}
    for line in filter(None, tree.splitlines()):
        package, features = line.split("|")
        # Marked if cargo has shown what it depends on before.
        features = features.removesuffix("(*)").strip()
        name, version, *_ = package.split()
        crates.setdefault((name, version), set()).add(frozenset(filter(None, features.split(","))))
    return crates


def differences(function, deployed, tested):
    """A sentence for each feature that a crate has in one of the two builds only, if it is not exempt; and those that
    are, each as a crate and a feature."""
    sentences, exempt = [], set()
    for (name, version), alone in sorted(deployed.items()):
        if (name, version) not in tested:
            sentences.append(f"{function}: {name} {version} is deployed and not tested")
            continue
        together = tested[name, version]
        one, other = (frozenset().union(*sets) for sets in [alone, together])
        for feature in sorted(one ^ other):
            if feature in EXEMPT.get(name, {}):
                exempt.add((name, feature))
            else:
                where = "tested with it and deployed without" if feature in other else "deployed with it and tested without"
                sentences.append(
                    f"{function}: {name} {version} has the feature `{feature}` in one build only: it is {where}. "
                    "Ask for the feature where the dependency is declared for all, in Cargo.toml, or say in "
                    "infra/checks/features.py why nothing can come of it"
                )
    return sentences, exempt


def tree(*arguments):
    # Normal dependencies are the program's own. Those of build scripts and macros run while it is compiled.
    command = ["cargo", "tree", "--locked", "--quiet", "--prefix", "none", "--format", "{p}|{f}", "--target", TARGET]
    return read(subprocess.run([*command, *arguments], check=True, capture_output=True, text=True).stdout)


def functions():
    command = ["cargo", "metadata", "--locked", "--quiet", "--no-deps", "--format-version", "1"]
    metadata = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return sorted(each["name"] for each in metadata["packages"] if "/functions/" in each["manifest_path"].replace("\\", "/"))


def found(features):
    """Every sentence about every function."""
    sentences, used = [], set()
    for edges, with_tests in [
        ("normal,no-proc-macro", "normal,dev,no-proc-macro"),
        ("normal,build", "normal,build,dev"),
    ]:
        builds = [[], ["--features", features]] if features else [[]]
        tested = [tree("--edges", with_tests, "--workspace", *build) for build in builds]
        for function in functions():
            deployed = tree("--edges", edges, "--package", function)
            for build in tested:
                more, exempt = differences(function, deployed, build)
                sentences += more
                used |= exempt
    for name, exempt in EXEMPT.items():
        sentences += [
            f"{name}: the feature `{feature}` differs nowhere; take it out of infra/checks/features.py"
            for feature in exempt
            if (name, feature) not in used
        ]
    return list(dict.fromkeys(sentences))


if __name__ == "__main__":
    try:
        problems = found(sys.argv[1] if len(sys.argv) > 1 else "")
    except subprocess.CalledProcessError as error:
        sys.exit(f"features: {' '.join(error.cmd)} failed: {error.stderr}")
    for problem in problems:
        print(f"features: {problem}", file=sys.stderr)
    sys.exit(1 if problems else 0)
