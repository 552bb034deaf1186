"""Transforms infra/template.yaml as AWS would, and checks what no linter knows.

Usage: template.py TEMPLATE FOLDER. Writes FOLDER/transformed.json; prints every problem; exits 1 if there is any.
"""

import json
import re
import sys
from pathlib import Path

from samtranslator.public.translator import ManagedPolicyLoader
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

SECONDS_IN_DAY = 86_400

# Rights that AWS grants on no narrower resource than these, each with the reason.
WIDE_RESOURCES = {
    "dynamodb:ListStreams": "streams are listed by table; a stream's own ARN is not accepted",
    "logs:CreateLogStream": "a log stream's name is made by Lambda; the log group is the function's own",
    "logs:PutLogEvents": "a log stream's name is made by Lambda; the log group is the function's own",
}


class NoPolicies(ManagedPolicyLoader):
    """The template names no managed policy, so none has to be fetched from IAM."""

    def __init__(self):
        super().__init__(None)

    def load(self):
        return {}


def transformed(source):
    template = yaml_parse(source.read_text())
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            # What `aws cloudformation package` would put here.
            resource["Properties"]["CodeUri"] = {"Bucket": "packaged", "Key": "bootstrap.zip"}
    return transform(template, {}, NoPolicies())


def listed(value):
    return value if isinstance(value, list) else [value]


class Checks:
    def __init__(self, template, parameters):
        self.resources = template["Resources"]
        self.parameters = {name: value.get("Default") for name, value in template["Parameters"].items()} | parameters
        self.problems = []

    def of_type(self, name):
        return {key: value["Properties"] for key, value in self.resources.items() if value["Type"] == name}

    def value(self, value):
        """A literal, or the number behind a reference to a parameter."""
        if isinstance(value, dict) and value.get("Ref") in self.parameters:
            value = self.parameters[value["Ref"]]
        return value

    def number(self, value):
        return int(self.value(value))

    def logical(self, value):
        """The resource that a Ref or GetAtt means."""
        if isinstance(value, dict):
            if "Ref" in value:
                return value["Ref"]
            target = value.get("Fn::GetAtt")
            if target:
                return target[0] if isinstance(target, list) else target.split(".")[0]
        return None

    def problem(self, text):
        self.problems.append(text)

    def run(self):
        self.mappings()
        self.queues()
        self.rules()
        self.functions()
        self.lifetimes()
        self.rights()
        return self.problems

    def mappings(self):
        functions, queues = self.of_type("AWS::Lambda::Function"), self.of_type("AWS::SQS::Queue")
        for name, mapping in self.of_type("AWS::Lambda::EventSourceMapping").items():
            if "ReportBatchItemFailures" not in mapping.get("FunctionResponseTypes", []):
                self.problem(f"{name}: FunctionResponseTypes lacks ReportBatchItemFailures: one bad record would fail its batch")
            function = functions.get(self.logical(mapping["FunctionName"]))
            source = self.logical(mapping["EventSourceArn"])
            if source not in queues:
                if "OnFailure" not in mapping.get("DestinationConfig", {}) or not mapping.get("BisectBatchOnFunctionError"):
                    self.problem(f"{name}: a stream's mapping needs BisectBatchOnFunctionError and an OnFailure destination")
                continue
            timeout, visibility = self.number(function["Timeout"]), self.number(queues[source].get("VisibilityTimeout", 30))
            if visibility < 6 * timeout:
                self.problem(f"{source}: VisibilityTimeout is {visibility} s, less than 6 x the {timeout} s time-out of {name}'s function")
            if "MaximumConcurrency" not in mapping.get("ScalingConfig", {}):
                self.problem(f"{name}: ScalingConfig lacks MaximumConcurrency: one queue could take every invocation of the account")
            redrive = queues[source].get("RedrivePolicy", {})
            if self.number(redrive.get("maxReceiveCount", 0)) < 5:
                self.problem(f"{source}: maxReceiveCount is below 5: SQS would move messages before the function dead-letters them with a reason")
            variables = function["Environment"]["Variables"]
            if self.value(variables.get("THROUGHLINE_MAX_RECEIVE_COUNT")) != self.value(redrive.get("maxReceiveCount")):
                self.problem(f"{source}: its maxReceiveCount is not the THROUGHLINE_MAX_RECEIVE_COUNT of its function")

    def queues(self):
        queues = self.of_type("AWS::SQS::Queue")
        targets = {self.logical(queue.get("RedrivePolicy", {}).get("deadLetterTargetArn")) for queue in queues.values()}
        fed = {self.logical(mapping["EventSourceArn"]) for mapping in self.of_type("AWS::Lambda::EventSourceMapping").values()}
        for name, queue in queues.items():
            if not queue.get("SqsManagedSseEnabled"):
                self.problem(f"{name}: SqsManagedSseEnabled is not set: its messages would not be encrypted by SQS")
            if name in fed and "RedrivePolicy" not in queue:
                self.problem(f"{name}: it feeds a function and has no dead-letter queue (RedrivePolicy)")
            if name in targets and self.number(queue.get("MessageRetentionPeriod", 345_600)) < 14 * SECONDS_IN_DAY:
                self.problem(f"{name}: a dead-letter queue keeps its messages for 14 days, the longest SQS can")

    def rules(self):
        for name, rule in self.of_type("AWS::Events::Rule").items():
            if self.resources[name].get("Condition") == "CapturesEvents":
                continue
            if not {"source", "detail-type"} <= rule.get("EventPattern", {}).keys():
                self.problem(f"{name}: its pattern must name source and detail-type")
            for target in rule["Targets"]:
                if "DeadLetterConfig" not in target:
                    self.problem(f"{name}: target {target['Id']} has no DeadLetterConfig: what cannot be delivered would be lost")

    def functions(self):
        for name, function in self.of_type("AWS::Lambda::Function").items():
            if function["Runtime"] != "provided.al2023":
                self.problem(f"{name}: Runtime is {function['Runtime']}, not provided.al2023")
            if "THROUGHLINE_DEAD_LETTER_QUEUE_URL" not in function["Environment"]["Variables"]:
                self.problem(f"{name}: THROUGHLINE_DEAD_LETTER_QUEUE_URL is not set")

    def lifetimes(self):
        archive = self.number({"Ref": "ArchiveRetentionDays"}) if self.parameters["ArchiveEvents"] == "true" else 0
        queue = self.number({"Ref": "MessageRetentionSeconds"}) / SECONDS_IN_DAY
        dead_letters = self.number({"Ref": "DeadLetterRetentionSeconds"}) / SECONDS_IN_DAY
        needed, claims = archive + queue + dead_letters + 2, self.number({"Ref": "ClaimLifetimeDays"})
        if claims < needed:
            self.problem(
                f"ClaimLifetimeDays is {claims}, but a message may come again for {needed:g} days "
                f"(archive {archive:g}, queue {queue:g}, dead-letter queue {dead_letters:g}, and 2): it would be handled twice"
            )

    def rights(self):
        for name, role in self.of_type("AWS::IAM::Role").items():
            for policy in role.get("Policies", []):
                for statement in listed(policy["PolicyDocument"]["Statement"]):
                    for action in listed(statement["Action"]):
                        if "*" in action:
                            self.problem(f"{name}: the right {action} is wider than one call")
                        for resource in listed(statement["Resource"]):
                            if re.search(r"\*", json.dumps(resource)) and action not in WIDE_RESOURCES:
                                self.problem(f"{name}: {action} is allowed on {json.dumps(resource)}; name the resource")
            if role.get("ManagedPolicyArns"):
                self.problem(f"{name}: managed policies allow more than the function calls")


def main():
    source, folder = Path(sys.argv[1]), Path(sys.argv[2])
    template = transformed(source)
    (folder / "transformed.json").write_text(json.dumps(template, indent=1))
    problems = []
    local = json.loads((source.parent / "local.parameters.json").read_text())
    for place, parameters in (("on AWS", {}), ("on the local cloud", local)):
        problems += [f"{problem} ({place})" for problem in Checks(template, parameters).run()]
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"{len(template['Resources'])} resources; rights on more than one resource: {', '.join(sorted(WIDE_RESOURCES))}")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
