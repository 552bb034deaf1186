"""What a rule is, and what it finds.

A rule is a function that yields a sentence for each thing that is wrong: `RESOURCE: what is wrong; what to do`.
"""

from dataclasses import asdict, dataclass

from model import Unreadable

RULES = []


def rule(check):
    RULES.append(check)
    return check


@dataclass(frozen=True, order=True)
class Finding:
    """One thing that is wrong: the rule it breaks, where, what, and what to do."""

    rule: str
    resource: str
    problem: str
    action: str

    @classmethod
    def of(cls, check, sentence):
        resource, _, rest = sentence.partition(": ")
        problem, _, action = rest.rpartition("; ")
        return cls(check.__name__, resource, problem, action)

    def __str__(self):
        return f"{self.resource}: {self.problem}; {self.action}"

    def as_json(self, places):
        return asdict(self) | {"rule": self.rule.replace("_", " "), "where": places}


def findings(template):
    """Everything that is wrong with a template."""
    found = []
    for check in RULES:
        try:
            found += sorted(Finding.of(check, sentence) for sentence in check(template))
        except Unreadable as unreadable:
            found.append(Finding.of(check, f"{check.__name__}: {unreadable}"))
    return found


def missing_right(template, function, action, resource, purpose):
    """The sentence for a right that the function's role lacks."""
    role = template.role_of(function)
    if role and not template.may(role, action, resource):
        yield (
            f"{role}: {function} needs {action} on {resource} {purpose}; "
            "allow it there, in a statement without a Condition"
        )
