"""Holds the public interface of the crates that users see against the listings in shared/throughline/api.

Usage: api.py FEATURES | FOLDER OF RUSTDOC'S JSON

Given features, it has cargo write the JSON first, from the check build that `scripts/test docs` makes with them, too. A line is
a public item with its signature; types are named by their last segment. THROUGHLINE_WRITE=1 writes the listings anew.
An item whose signature names a type that users cannot name is an error in either case.
"""

import difflib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

CRATES = ("throughline", "throughline_core", "throughline_aws", "throughline_testing")
ROOT = Path(__file__).resolve().parents[2]
LISTINGS = ROOT / "shared/throughline/api"
# The format that this reads; rustdoc counts it up whenever it changes.
FORMAT = 57


def generated(features):
    """Has cargo write the JSON; returns its folder."""
    told = subprocess.run(
        ["cargo", "metadata", "--no-deps", "--format-version", "1"], cwd=ROOT, check=True, stdout=subprocess.PIPE
    )
    folder = Path(json.loads(told.stdout)["target_directory"]) / "doc"
    for crate in CRATES:
        (folder / f"{crate}.json").unlink(missing_ok=True)
    environment = os.environ | {
        "RUSTDOC": str(ROOT / "infra/checks/rustdoc-json"),
        # Another set of flags than that of the pages, so that cargo does not take the one for the other.
        "RUSTDOCFLAGS": "--cfg api_listing",
    }
    command = ["cargo", "doc", "--locked", "--quiet", "--workspace", "--lib", "--examples", "--no-deps", "--features", features]
    subprocess.run(command, cwd=ROOT, check=True, env=environment)
    return folder


class Types:
    """Writes types as one reads them in Rust. Collects the ids of the named ones."""

    def __init__(self):
        self.named = set()

    def path(self, path, name="path"):
        self.named.add(path["id"])
        return path[name].rsplit("::", 1)[-1] + self.arguments(path.get("args"))

    def arguments(self, args):
        if not args:
            return ""
        if "parenthesized" in args:
            called = args["parenthesized"]
            inputs = ", ".join(map(self.type, called["inputs"]))
            return f"({inputs})" + (f" -> {self.type(called['output'])}" if called["output"] else "")
        if "angle_bracketed" not in args:
            return "(..)"
        inside = args["angle_bracketed"]
        parts = [self.argument(argument) for argument in inside["args"]]
        parts += [self.constraint(constraint) for constraint in inside["constraints"]]
        return f"<{', '.join(parts)}>" if parts else ""

    def argument(self, argument):
        if argument == "infer":
            return "_"
        ((kind, value),) = argument.items()
        if kind == "type":
            return self.type(value)
        return value["expr"] if kind == "const" else value

    def constraint(self, constraint):
        name = constraint["name"] + self.arguments(constraint.get("args"))
        ((kind, value),) = constraint["binding"].items()
        if kind == "equality":
            return f"{name} = {self.term(value)}"
        return f"{name}: {self.bounds(value)}"

    def term(self, term):
        ((kind, value),) = term.items()
        return self.type(value) if kind == "type" else value["expr"]

    def type(self, written):
        if written == "infer":
            return "_"
        ((kind, value),) = written.items()
        match kind:
            case "resolved_path":
                return self.path(value)
            case "generic" | "primitive":
                return value if value != "never" else "!"
            case "tuple":
                return f"({', '.join(map(self.type, value))}{',' if len(value) == 1 else ''})"
            case "slice":
                return f"[{self.type(value)}]"
            case "array":
                return f"[{self.type(value['type'])}; {value['len']}]"
            case "borrowed_ref":
                lifetime = f"{value['lifetime']} " if value["lifetime"] else ""
                return f"&{lifetime}{'mut ' if value['is_mutable'] else ''}{self.type(value['type'])}"
            case "raw_pointer":
                return f"*{'mut' if value['is_mutable'] else 'const'} {self.type(value['type'])}"
            case "impl_trait":
                return f"impl {self.bounds(value)}"
            case "dyn_trait":
                traits = [self.higher(of["generic_params"]) + self.path(of["trait"]) for of in value["traits"]]
                return "dyn " + " + ".join(traits + ([value["lifetime"]] if value["lifetime"] else []))
            case "qualified_path":
                name = value["name"] + self.arguments(value.get("args"))
                if value["trait"] and value["trait"]["path"]:
                    return f"<{self.type(value['self_type'])} as {self.path(value['trait'])}>::{name}"
                return f"{self.type(value['self_type'])}::{name}"
            case "function_pointer":
                return self.higher(value["generic_params"]) + "fn" + self.called(value["sig"])
        raise ValueError(f"rustdoc writes a type of kind `{kind}`, which {__file__} does not read")

    def higher(self, params):
        return f"for<{', '.join(param['name'] for param in params)}> " if params else ""

    def bounds(self, bounds):
        return " + ".join(map(self.bound, bounds))

    def bound(self, bound):
        ((kind, value),) = bound.items()
        if kind == "outlives":
            return value
        if kind == "use":
            captured = [part if isinstance(part, str) else next(iter(part.values())) for part in value]
            return f"use<{', '.join(captured)}>"
        relaxed = {"maybe": "?", "maybe_const": "~const "}.get(value["modifier"], "")
        return relaxed + self.higher(value["generic_params"]) + self.path(value["trait"])

    def called(self, signature, names=False):
        inputs = [self.parameter(name, of) if names else self.type(of) for name, of in signature["inputs"]]
        output = f" -> {self.type(signature['output'])}" if signature["output"] else ""
        return f"({', '.join(inputs)}){output}"

    def parameter(self, name, of):
        written = self.type(of)
        if name == "self" and written in ("Self", "&Self", "&mut Self"):
            return written.replace("Self", "self")
        return f"{name}: {written}"

    def generics(self, generics):
        """The parameters in brackets, and the where clause."""
        params = []
        for param in generics["params"]:
            ((kind, value),) = param["kind"].items()
            if kind == "lifetime":
                outlives = f": {' + '.join(value['outlives'])}" if value["outlives"] else ""
                params.append(param["name"] + outlives)
            elif kind == "const":
                params.append(f"const {param['name']}: {self.type(value['type'])}")
            elif not value["is_synthetic"]:
                bounds = f": {self.bounds(value['bounds'])}" if value["bounds"] else ""
                default = f" = {self.type(value['default'])}" if value["default"] else ""
                params.append(param["name"] + bounds + default)
        wheres = [self.predicate(predicate) for predicate in generics["where_predicates"]]
        where = f" where {', '.join(wheres)}" if wheres else ""
        return (f"<{', '.join(params)}>" if params else ""), where

    def predicate(self, predicate):
        ((kind, value),) = predicate.items()
        if kind == "bound_predicate":
            return f"{self.higher(value['generic_params'])}{self.type(value['type'])}: {self.bounds(value['bounds'])}"
        if kind == "lifetime_predicate":
            return f"{value['lifetime']}: {' + '.join(value['outlives'])}"
        return f"{self.type(value['lhs'])} == {self.term(value['rhs'])}"


class Crate:
    """The public items of a crate, from its rustdoc JSON."""

    def __init__(self, written):
        if written["format_version"] != FORMAT:
            raise SystemExit(
                f"api: rustdoc writes format {written['format_version']}, and this reads {FORMAT}. Look at what "
                f"changed in the crate rustdoc-types, mend {__file__}, and set FORMAT there."
            )
        self.index, self.paths = written["index"], written["paths"]
        self.lines, self.public, self.foreign, self.names = [], {}, set(), {}
        root = self.item(written["root"])
        self.place(root, root["name"])
        for item, path in sorted(self.public.values(), key=lambda found: found[1]):
            self.write(item, path)

    def item(self, number):
        return self.index.get(str(number))

    def defined(self, number):
        """The path at which something is defined."""
        return "::".join(self.paths[str(number)]["path"]) if str(number) in self.paths else None

    def is_ours(self, of):
        defined = self.defined(of["resolved_path"]["id"]) if "resolved_path" in of else None
        return defined is not None and defined.split("::")[0] in CRATES

    def place(self, root, name):
        """Gives every item the shortest path under which it is public, and lists its other paths as `use`."""
        level = [(root, name)]
        while level:
            below = []
            for module, path in level:
                for number in module["inner"]["module"]["items"]:
                    item = self.item(number)
                    if item is None:
                        continue
                    self.member(item, path, below)
            level = sorted(below, key=lambda found: found[1])

    def member(self, item, path, below):
        ((kind, inner),) = item["inner"].items()
        name = item["name"]
        if kind == "use":
            name, target = inner["name"], self.item(inner["id"]) if inner["id"] is not None else None
            if target is None or inner["is_glob"]:
                glob = "::*" if inner["is_glob"] else ""
                self.lines.append(f"use {path}{glob or f'::{name}'} = {inner['source']}{glob}")
                self.foreign.add(inner["id"])
                return
            item = target
            ((kind, inner),) = item["inner"].items()
        full = f"{path}::{name}"
        if item["id"] in self.public:
            self.lines.append(f"use {full} = {self.public[item['id']][1]}")
            return
        if kind != "impl":
            self.public[item["id"]] = (item, full)
        if kind == "module":
            below.append((item, full))

    def write(self, item, path):
        ((kind, inner),) = item["inner"].items()
        types = Types()
        open_ended = " (non-exhaustive)" if "non_exhaustive" in map(attribute, item["attrs"]) else ""
        if kind in ("struct", "enum", "trait", "union"):
            params, where = types.generics(inner["generics"])
            supers = f": {types.bounds(inner['bounds'])}" if kind == "trait" and inner["bounds"] else ""
            line = f"{kind} {path}{params}{supers}{where}{open_ended}"
            if kind == "struct":
                line += self.fields(inner["kind"], path, types)
            self.lines.append(line)
            if kind == "enum":
                for number in inner["variants"]:
                    self.variant(self.item(number), path, types)
            if kind == "trait":
                for number in inner["items"]:
                    self.associated(self.item(number), path, types)
            else:
                self.impls(inner["impls"], path, types)
        elif kind in ("function", "constant", "type_alias", "macro", "module", "static"):
            self.associated(item, path.rsplit("::", 1)[0], types, path.rsplit("::", 1)[1])
        else:
            self.lines.append(f"{kind} {path}")
        for number in types.named:
            if (defined := self.defined(number)) and defined.split("::")[0] in CRATES:
                self.names.setdefault(defined, path)

    def fields(self, kind, path, types):
        """The fields of a struct as lines of their own; returns what stands behind its name."""
        if kind == "unit":
            return ""
        if "tuple" in kind:
            fields = [self.item(number) if number is not None else None for number in kind["tuple"]]
            shown = [types.type(field["inner"]["struct_field"]) if field else "_" for field in fields]
            return f"({', '.join(shown)})"
        plain = kind["plain"]
        for number in plain["fields"]:
            if field := self.item(number):
                self.lines.append(f"field {path}::{field['name']}: {types.type(field['inner']['struct_field'])}")
        return " { .. }" if plain["has_stripped_fields"] else ""

    def variant(self, item, path, types):
        if item is None:
            return
        kind = item["inner"]["variant"]["kind"]
        if kind == "plain":
            shown = ""
        elif "tuple" in kind:
            fields = [self.item(number) if number is not None else None for number in kind["tuple"]]
            shown = f"({', '.join(types.type(field['inner']['struct_field']) if field else '_' for field in fields)})"
        else:
            fields = [self.item(number) for number in kind["struct"]["fields"]]
            named = [f"{field['name']}: {types.type(field['inner']['struct_field'])}" for field in fields if field]
            shown = f" {{ {', '.join(named)} }}"
        self.lines.append(f"variant {path}::{item['name']}{shown}")

    def associated(self, item, path, types, name=None):
        """A function, constant, type or macro, of a module, a type or a trait."""
        if item is None:
            return
        ((kind, inner),) = item["inner"].items()
        full = f"{path}::{name or item['name']}"
        match kind:
            case "function":
                params, where = types.generics(inner["generics"])
                header = inner["header"]
                before = "".join(word for word in ("const ", "async ", "unsafe ") if header[f"is_{word.strip()}"])
                self.lines.append(f"{before}fn {full}{params}{types.called(inner['sig'], names=True)}{where}")
            case "constant":
                self.lines.append(f"const {full}: {types.type(inner['type'])}")
            case "static":
                self.lines.append(f"static {full}: {types.type(inner['type'])}")
            case "assoc_const":
                default = " = .." if inner["value"] else ""
                self.lines.append(f"const {full}: {types.type(inner['type'])}{default}")
            case "assoc_type":
                params, where = types.generics(inner["generics"])
                bounds = f": {types.bounds(inner['bounds'])}" if inner["bounds"] else ""
                given = f" = {types.type(inner['type'])}" if inner["type"] else ""
                self.lines.append(f"type {full}{params}{bounds}{given}{where}")
            case "type_alias":
                params, where = types.generics(inner["generics"])
                self.lines.append(f"type {full}{params} = {types.type(inner['type'])}{where}")
            case "macro":
                self.lines.append(f"macro {full}!")
            case "module":
                self.lines.append(f"mod {full}")

    def impls(self, numbers, path, types):
        traits = []
        for number in numbers:
            impl = self.item(number)
            if impl is None:
                continue
            inner = impl["inner"]["impl"]
            if inner["is_synthetic"] or inner["blanket_impl"]:
                continue
            params, where = types.generics(inner["generics"])
            if inner["trait"] is None:
                for of in inner["items"]:
                    self.associated(self.item(of), path, types)
            elif inner["trait"]["path"] != "StructuralPartialEq":
                self_type = Types().type(inner["for"]).lstrip("&")
                # Here stand those for other types, too, that take this one. Ours are listed with those types.
                is_own = self_type.split("<")[0] == path.rsplit("::", 1)[1]
                if not is_own and self.is_ours(inner["for"]):
                    continue
                written = (types if is_own else Types()).path(inner["trait"])
                target = "" if is_own else f" for {self_type}"
                bounds = f" if {params}{where}" if ":" in params or where else ""
                traits.append(f"{written}{target}{bounds}")
        if traits:
            self.lines.append(f"impl {path}: {' + '.join(sorted(set(traits)))}")


def attribute(attribute):
    return attribute if isinstance(attribute, str) else next(iter(attribute))


KINDS = ("mod", "use", "macro", "struct", "enum", "union", "trait", "field", "variant", "const", "type")


def key(line):
    """Sorts by path, a type before what belongs to it."""
    path = re.search(r"\w+(?:::\w+)+", line)
    kind = line[: path.start()].split()[-1]
    return (path[0], KINDS.index(kind) if kind in KINDS else len(KINDS), line)


def listing(crate):
    return "".join(f"{line}\n" for line in sorted(set(crate.lines), key=key))


def unnameable(crates):
    """A sentence for each type that a signature names and users cannot."""
    known = {crate.defined(number) for crate in crates.values() for number in [*crate.public, *crate.foreign]}
    for crate in crates.values():
        for defined, by in sorted(crate.names.items()):
            if defined not in known:
                yield f"{by} names {defined}, which is not public: re-export it, or keep it out of the signature"


def main(arguments):
    given = Path(arguments[0])
    folder = given if given.is_dir() else generated(arguments[0])
    crates = {name: Crate(json.loads((folder / f"{name}.json").read_text())) for name in CRATES}
    problems = list(unnameable(crates))
    is_writing = os.environ.get("THROUGHLINE_WRITE") == "1"
    LISTINGS.mkdir(exist_ok=True)
    for name, crate in crates.items():
        file = LISTINGS / f"{name.replace('_', '-')}.txt"
        before, now = file.read_text() if file.exists() else "", listing(crate)
        if is_writing:
            file.write_text(now)
        elif before != now:
            told = file.relative_to(ROOT)
            lines = before.splitlines(), now.splitlines()
            problems.append("\n".join(difflib.unified_diff(*lines, str(told), "the code", lineterm="", n=0)))
            cure = "If it is meant: THROUGHLINE_WRITE=1 scripts/check-api"
            problems.append(f"{told}: the public interface has changed. {cure}")
    if problems:
        sys.exit("\n".join(f"api: {problem}" for problem in problems))
    counts = ", ".join(f"{name.replace('_', '-')} {len(listing(crate).splitlines())}" for name, crate in crates.items())
    print(f"api: {'written' if is_writing else 'as listed'} ({counts} lines)")


if __name__ == "__main__":
    main(sys.argv[1:])
