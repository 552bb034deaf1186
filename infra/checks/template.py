"""Transforms infra/template.yaml as AWS would, and checks what no linter knows.

Usage: template.py [--json | --rights] TEMPLATE FOLDER. Writes FOLDER/transformed.json; prints every problem, with --json
as JSON; exits 1 if there is any. With --rights it prints every right of every role, as JSON.
"""

import argparse
import json
import os
import sys
from pathlib import Path

from samtranslator.public.translator import ManagedPolicyLoader
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

from facts import Facts
from findings import RULES, findings
from model import STATE_MACHINE, Template
from rules import reasons


class NoPolicies(ManagedPolicyLoader):
    """The template names no managed policy, so none has to be fetched from IAM."""

    def __init__(self):
        super().__init__(None)

    def load(self):
        return {}


def transformed(source):
    # The transform wants a region, though nothing here depends on it.
    os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
    template = yaml_parse(source.read_text())
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            # What `aws cloudformation package` would put here.
            resource["Properties"]["CodeUri"] = {"Bucket": "packaged", "Key": "bootstrap.zip"}
        elif resource["Type"] == STATE_MACHINE:
            # It would put this into a bucket, too; here it is for the rules and for cfn-lint to read.
            definition = source.parent / resource["Properties"].pop("DefinitionS3Location")
            resource["Properties"]["Definition"] = json.loads(definition.read_text())
    return transform(template, {}, NoPolicies())


# Who deploys with a file of parameters, by the file's name.
DEPLOYED = {"local": "on ministack", "localstack": "on LocalStack"}


def deployments(source):
    """The parameters of every place that the template is deployed to."""
    # With somebody to tell, so that alarms can be seen to tell them.
    places = {"on AWS": {"AlarmTopicArn": "arn:aws:sns:us-east-1:000000000000:alarms"}}
    for name, place in DEPLOYED.items():
        parameters = source.parent / f"{name}.parameters.json"
        if parameters.is_file():
            places[place] = json.loads(parameters.read_text())
    return places


def found_in(template, places, facts):
    """Every finding, and the places where it is one."""
    found = {}
    for place, parameters in places.items():
        for finding in findings(Template(template, parameters, facts)):
            found.setdefault(finding, []).append(place)
    return found


def report(found, places):
    """Every problem as a sentence, and where it is one if not everywhere."""
    return [
        str(finding) if len(where) == len(places) else f"{finding} ({', '.join(where)})"
        for finding, where in found.items()
    ]


def main():
    parser = argparse.ArgumentParser(description="Checks infra/template.yaml: what no linter knows.")
    parser.add_argument("--json", action="store_true", help="print what was found as JSON")
    parser.add_argument("--rights", action="store_true", help="print every right and its reason as JSON")
    parser.add_argument("template", type=Path)
    parser.add_argument("folder", type=Path, help="where to write transformed.json")
    arguments = parser.parse_args()
    template, places = transformed(arguments.template), deployments(arguments.template)
    facts = Facts.of(arguments.template.resolve().parent.parent)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    (arguments.folder / "transformed.json").write_text(json.dumps(template, indent=1))
    if arguments.rights:
        json.dump(list(reasons.explained(Template(template, places["on AWS"], facts))), sys.stdout, indent=1)
        return
    found = found_in(template, places, facts)
    if arguments.json:
        json.dump(as_json(template, places, found), sys.stdout, indent=1)
    else:
        for problem in report(found, places):
            print(problem, file=sys.stderr)
        print(f"{len(template['Resources'])} resources, {len(RULES)} rules; problems: {len(found)}")
    sys.exit(1 if found else 0)


def as_json(template, places, found):
    """Where a finding is one: nothing if everywhere."""
    problems = [finding.as_json([] if len(where) == len(places) else where) for finding, where in found.items()]
    return {"resources": len(template["Resources"]), "rules": len(RULES), "problems": problems}


if __name__ == "__main__":
    main()
