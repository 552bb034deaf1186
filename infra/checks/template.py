"""Transforms infra/template.yaml as AWS would, and checks what no linter knows.

Usage: template.py TEMPLATE FOLDER. Writes FOLDER/transformed.json; prints every problem; exits 1 if there is any.
"""

import json
import os
import sys
from pathlib import Path

from samtranslator.public.translator import ManagedPolicyLoader
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

from model import STATE_MACHINE, Template
from rules import RULES, problems


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


def deployments(source):
    """The parameters of every place that the template is deployed to."""
    local = json.loads((source.parent / "local.parameters.json").read_text())
    return {"on AWS": {}, "on the local cloud": local}


def report(template, places):
    """Every problem, and where it is one if not everywhere."""
    found = {}
    for place, parameters in places.items():
        for problem in problems(Template(template, parameters)):
            found.setdefault(problem, []).append(place)
    return [problem if len(where) == len(places) else f"{problem} ({where[0]})" for problem, where in found.items()]


def main():
    source, folder = Path(sys.argv[1]), Path(sys.argv[2])
    template = transformed(source)
    (folder / "transformed.json").write_text(json.dumps(template, indent=1))
    found = report(template, deployments(source))
    for problem in found:
        print(problem, file=sys.stderr)
    print(f"{len(template['Resources'])} resources, {len(RULES)} rules; problems: {len(found)}")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
