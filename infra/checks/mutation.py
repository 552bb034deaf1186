"""What the tests of the rules have in common: a copy of the real template to change."""

import copy
import json
import unittest
from pathlib import Path

from facts import Facts
from template import deployments, found_in, report, transformed

SOURCE = Path(__file__).resolve().parent.parent / "template.yaml"
TEMPLATE = transformed(SOURCE)
PLACES = deployments(SOURCE)
FACTS = Facts.of(SOURCE.parent.parent)


class Mutation(unittest.TestCase):
    """A copy of the template to change, and what is to be said of it."""

    def setUp(self):
        self.template = copy.deepcopy(TEMPLATE)
        self.facts = FACTS
        self.resources = self.template["Resources"]

    def properties(self, name):
        return self.resources[name]["Properties"]

    def variables(self, function):
        return self.properties(function)["Environment"]["Variables"]

    def default(self, parameter, value):
        self.template["Parameters"][parameter]["Default"] = value

    def remove(self, name):
        del self.resources[name]

    def add(self, name, kind, **properties):
        self.resources[name] = {"Type": kind, "Properties": properties}

    def statements(self, name):
        properties = self.properties(name)
        policy = properties["Policies"][0] if "Policies" in properties else properties
        return policy["PolicyDocument"]["Statement"]

    def statement(self, name, sid):
        return next(statement for statement in self.statements(name) if statement["Sid"] == sid)

    def without_action(self, role, sid, action):
        self.statement(role, sid)["Action"].remove(action)

    def without_statement(self, role, sid):
        self.statements(role).remove(self.statement(role, sid))

    def allow(self, role, action, resource):
        self.statements(role).append({"Effect": "Allow", "Action": action, "Resource": resource})

    def assert_reported(self, name, *words):
        """One problem begins with the resource's name and has these words. Each says what to do."""
        found = found_in(self.template, PLACES, self.facts)
        self.assertEqual([finding for finding in found if not finding.action], [], "these say not what to do")
        found = report(found, PLACES)
        matching = [text for text in found if text.startswith(f"{name}: ") and all(word in text for word in words)]
        self.assertTrue(matching, f"no problem of {name} with {words} among {json.dumps(found, indent=1)}")

    def assert_accepted(self):
        self.assertEqual(report(found_in(self.template, PLACES, self.facts), PLACES), [])


def reference(name):
    return {"Ref": name}


def arn(name):
    return {"Fn::GetAtt": [name, "Arn"]}
