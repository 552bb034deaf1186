"""Whether every right has its reason in infra/rights.json, and the code that needs it is there."""

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache

from findings import rule
from model import FUNCTION, Unreadable, listed

FILE = "infra/rights.json"
DEFINITION = r"\bfn {name}\b[^{{;]*"
# A place that is named with what must stand there.
PLACE = re.compile(r"(?P<code>\S+::\w+) says (?P<says>.+)")


@dataclass(frozen=True)
class Right:
    """One action that one role allows on one resource."""

    role: str
    action: str
    resource: str


def rights_of(template):
    for grant in template.grants():
        if grant.allows():
            for role in grant.roles:
                for action in listed(grant.statement.get("Action")):
                    for resource in listed(grant.statement.get("Resource")):
                        yield Right(role, action, str(resource))


def reason_of(template, right):
    """The first entry of the file that fits a right, or None."""
    return next((entry for entry in template.facts.rights if fits(template, entry, right)), None)


def fits(template, entry, right):
    return (
        entry["action"] == right.action
        and any(fnmatchcase(right.resource, pattern) for pattern in entry["on"])
        and any(fnmatchcase(right.role, pattern) for pattern in entry.get("roles", ["*"]))
        and ("functions" not in entry or is_of(entry["functions"], handlers_with(template, right.role)))
    )


def is_of(functions, handlers):
    return bool(handlers) and functions.keys() >= set(handlers)


def handlers_with(template, role):
    """The functions that have a role, by their names."""
    return sorted(template.handler_of(name) for name in template.of_type(FUNCTION) if template.role_of(name) == role)


@rule
def a_right_has_its_reason(template):
    """Nobody dares to take away what nobody can explain."""
    for right in rights_of(template):
        if not reason_of(template, right):
            yield (
                f"{right.role}: {FILE} has no reason for {right.action} on {right.resource}; add it, with the code that "
                "makes the call, or take the right away"
            )


@rule
def a_reason_is_of_a_right(template):
    """What is explained and no longer allowed misleads."""
    used = [(reason_of(template, right), right) for right in rights_of(template)]
    for entry in template.facts.rights:
        explained = [right for reason, right in used if reason is entry]
        if not explained:
            yield f"{FILE}: no role has {entry['action']} on {' or '.join(entry['on'])}; take its entry out, or mend it"
        granted = {name for right in explained for name in handlers_with(template, right.role)}
        for name in sorted(entry.get("functions", {}).keys() - granted):
            yield f"{FILE}: {name} has no {entry['action']}; take it out of the entry's functions"


@rule
def the_code_that_needs_a_right_is_there(template):
    """The function that is named, and the call in it."""
    for entry in template.facts.rights:
        if "code" not in entry and "unseen" not in entry:
            yield f"{FILE}: {entry['action']} names no code; add the function that makes the call, and what it says"
        for code, says in places_of(entry):
            if not is_said(template.facts.root, code, says):
                yield f"{FILE}: {entry['action']} is needed by {code}, which does not say {says}; name the code that does"


def places_of(entry):
    """Each function of the code that an entry names, and what must stand in it."""
    if "code" in entry:
        yield entry["code"], entry["says"]
    for place in entry.get("functions", {}).values():
        found = PLACE.fullmatch(place)
        if not found:
            raise Unreadable(f"{FILE} names {place}; write FILE::FUNCTION says TEXT")
        yield found["code"], found["says"]


@cache
def is_said(root, code, says):
    """Whether a function of a Rust source contains a text. `code` is `path/of/file.rs::function`."""
    path, _, name = code.partition("::")
    file = root / path
    return file.is_file() and any(says in body for body in bodies_of(file.read_text(), name))


def bodies_of(source, name):
    """The bodies of the functions with this name. Braces in texts are taken to come in pairs."""
    for found in re.finditer(DEFINITION.format(name=re.escape(name)), source):
        depth, start = 0, found.end()
        for at in range(start, len(source)):
            depth += (source[at] == "{") - (source[at] == "}")
            if depth == 0:
                yield source[start : at + 1]
                break


def explained(template):
    """Every right of every role: who has it, on what, why, and the code that needs it or who makes the call."""
    for right in rights_of(template):
        entry = reason_of(template, right) or {}
        yield {
            "function": ", ".join(handlers_with(template, right.role)) or right.role,
            "action": right.action,
            "resource": right.resource,
            "why": entry.get("why", ""),
            "code": entry.get("code", ""),
            "proof": entry.get("unseen") or "seen in the end-to-end tests",
        }
