"""What a deployment needs is allowed, and what nothing needs is not."""

import copy
import json
import unittest
from pathlib import Path

from deployment import problems
from template import transformed

INFRA = Path(__file__).resolve().parent.parent
TEMPLATE = transformed(INFRA / "template.yaml")
POLICY = json.loads((INFRA / "deploy-policy.json").read_text())


class DeployPolicy(unittest.TestCase):
    def setUp(self):
        self.template = copy.deepcopy(TEMPLATE)
        self.policy = copy.deepcopy(POLICY)

    def statement(self, action):
        return next(statement for statement in self.policy["Statement"] if action in statement["Action"])

    def assert_only_problem(self, *words):
        found = list(problems(self.template, self.policy))
        self.assertTrue(found and all(all(word in text for word in words) for text in found), found)

    def test_the_real_policy_fits_the_real_template(self):
        self.assertEqual(list(problems(self.template, self.policy)), [])

    def test_a_right_that_is_taken_away_is_missed(self):
        self.statement("sqs:CreateQueue")["Action"].remove("sqs:CreateQueue")
        self.assert_only_problem("AWS::SQS::Queue", "sqs:CreateQueue")

    def test_a_call_of_our_own_is_missed(self):
        self.statement("sts:GetCallerIdentity")["Action"].remove("sts:GetCallerIdentity")
        self.assert_only_problem("throughline deploy", "sts:GetCallerIdentity")

    def test_a_new_type_of_resource_needs_its_rights(self):
        self.template["Resources"]["Stream"] = {"Type": "AWS::Kinesis::Stream", "Properties": {}}
        self.assert_only_problem("AWS::Kinesis::Stream")

    def test_a_right_that_nothing_needs_is_found(self):
        self.statement("sqs:CreateQueue")["Action"].append("sqs:PurgeQueue")
        self.assert_only_problem("sqs:PurgeQueue", "take it out")

    def test_a_right_on_everything_is_found(self):
        self.statement("sqs:CreateQueue")["Resource"] = "*"
        self.assert_only_problem("on everything")

    def test_a_role_that_may_be_passed_to_anybody_is_found(self):
        del self.statement("iam:PassRole")["Condition"]
        self.assert_only_problem("iam:PassedToService")


if __name__ == "__main__":
    unittest.main()
