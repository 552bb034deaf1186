"""Holds a deployed stack to the template and its rules, by what the cloud says of each resource.

Usage: deployed.py STACK TEMPLATE. Prints what was found as JSON; exits 1 if anything was. The cloud is the one that
AWS's own variables name, AWS_ENDPOINT_URL included. It only reads.
"""

import argparse
import json
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from facts import Facts
from findings import RULES, Finding, findings
from model import (
    ALARM,
    ARCHIVE,
    FUNCTION,
    LOG_GROUP,
    MAPPING,
    PLACEHOLDER,
    QUEUE,
    RULE,
    Template,
    listed,
)
from rules.functions import LEVELS_WITHOUT_METRICS
from template import transformed  # which knows the rules

READERS_AT_ONCE = 8


# How a resource of a type is asked for what it is, by its name in the cloud and what the template says: its properties as
# the template would write them, and what `!GetAtt` gives of it.
READERS = {}


def reader(kind):
    def keep(read):
        READERS[kind] = read
        return read

    return keep


def picked(answer, names):
    return {name: answer[name] for name in names if answer.get(name) is not None}


@reader(FUNCTION)
def function(cloud, physical, _):
    answer = cloud("lambda").get_function_configuration(FunctionName=physical)
    names = ["Timeout", "MemorySize", "Runtime", "Environment", "TracingConfig"]
    logging = picked(answer.get("LoggingConfig", {}), ["LogFormat", "ApplicationLogLevel"])
    drops = logging.get("ApplicationLogLevel") in LEVELS_WITHOUT_METRICS
    return picked(answer, names) | ({"LoggingConfig": logging} if drops else {}), {"Arn": answer["FunctionArn"]}


@reader(QUEUE)
def queue(cloud, physical, _):
    answer = cloud("sqs").get_queue_attributes(QueueUrl=physical, AttributeNames=["All"])["Attributes"]
    found = picked(answer, ["VisibilityTimeout", "MessageRetentionPeriod", "SqsManagedSseEnabled"])
    if "RedrivePolicy" in answer:
        found["RedrivePolicy"] = json.loads(answer["RedrivePolicy"])
    name = answer["QueueArn"].rpartition(":")[2]
    return found, {"Arn": answer["QueueArn"], "QueueName": name}


@reader(MAPPING)
def mapping(cloud, physical, _):
    answer = cloud("lambda").get_event_source_mapping(UUID=physical)
    names = ["BatchSize", "FunctionResponseTypes", "ScalingConfig", "BisectBatchOnFunctionError", "FilterCriteria"]
    # "Enabling" and "Updating" are on their way to it.
    is_off = answer.get("State") in ("Disabled", "Disabling")
    return picked(answer, names) | ({"Enabled": False} if is_off else {}), {}


@reader(RULE)
def event_rule(cloud, physical, wanted):
    # CloudFormation calls a rule of another bus than the default one `BUS|RULE`; ministack says RULE.
    bus = {"EventBusName": wanted["EventBusName"]} if "EventBusName" in wanted else {}
    answer = cloud("events").describe_rule(Name=physical.rpartition("|")[2], **bus)
    found = {"State": answer["State"]} if answer.get("State") == "DISABLED" else {}
    return found | ({"EventPattern": json.loads(answer["EventPattern"])} if "EventPattern" in answer else {}), {}


@reader(ARCHIVE)
def archive(cloud, physical, _):
    return picked(cloud("events").describe_archive(ArchiveName=physical), ["RetentionDays"]), {}


@reader(LOG_GROUP)
def log_group(cloud, physical, _):
    groups = cloud("logs").describe_log_groups(logGroupNamePrefix=physical)["logGroups"]
    group = next(group for group in groups if group["logGroupName"] == physical)
    return {"RetentionInDays": group.get("retentionInDays", "without an end")}, {}


@reader(ALARM)
def alarm(cloud, physical, _):
    (answer,) = cloud("cloudwatch").describe_alarms(AlarmNames=[physical])["MetricAlarms"]
    found = picked(answer, ["Namespace", "MetricName", "Statistic", "ComparisonOperator", "Threshold", "Period"])
    return found | ({} if answer.get("ActionsEnabled", True) else {"AlarmActions": []}), {}


class Cloud:
    """The clients of one cloud. All are made at once: making one is not safe while others are made."""

    SERVICES = ["cloudformation", "cloudwatch", "events", "lambda", "logs", "sns", "sqs"]

    def __init__(self):
        session = boto3.session.Session()
        self.clients = {service: session.client(service) for service in self.SERVICES}

    def __call__(self, service):
        return self.clients[service]


class Stack:
    """A deployed stack: the parameters it has, its resources' names, and what the cloud says of them."""

    def __init__(self, name, arn, parameters, physical):
        self.parameters, self.physical = parameters, physical
        _, partition, _, region, account, *_ = arn.split(":")
        place = {"StackName": name, "Partition": partition, "Region": region, "AccountId": account}
        # What the texts of the template leave open.
        self.values = {f"AWS::{key}": value for key, value in place.items()}
        self.values |= {logical: found for logical, (_, found) in physical.items()}
        self.observed, self.unread = {}, {}

    @classmethod
    def of(cls, cloud, name):
        (stack,) = cloud("cloudformation").describe_stacks(StackName=name)["Stacks"]
        pages = cloud("cloudformation").get_paginator("list_stack_resources").paginate(StackName=name)
        physical = {
            entry["LogicalResourceId"]: (entry["ResourceType"], entry.get("PhysicalResourceId", ""))
            for page in pages
            for entry in page["StackResourceSummaries"]
            if entry.get("ResourceStatus") != "DELETE_COMPLETE"
        }
        parameters = {entry["ParameterKey"]: entry["ParameterValue"] for entry in stack.get("Parameters", [])}
        return cls(name, stack["StackId"], parameters, physical)

    def look(self, cloud, template):
        """Asks the cloud for every resource of a type that it is known how to ask for."""

        def ask(logical):
            kind, physical = self.physical[logical]
            wanted = self.concrete(template.resources.get(logical, {}).get("Properties", {}))
            try:
                return logical, READERS[kind](cloud, physical, wanted), None
            except (ClientError, BotoCoreError, ValueError, StopIteration, KeyError) as error:
                return logical, ({}, {}), f"{type(error).__name__}: {error}"

        with ThreadPoolExecutor(READERS_AT_ONCE) as pool:
            known = [logical for logical, (kind, _) in self.physical.items() if kind in READERS]
            for logical, (properties, attributes), error in pool.map(ask, known):
                if error:
                    self.unread[logical] = error
                else:
                    self.observed[logical] = properties
                self.values |= {f"{logical}.{name}": value for name, value in attributes.items()}

    def look_at_topics(self, cloud, template):
        """Asks the cloud for the topics of others that alarms go to."""
        actions = {
            action
            for alarm in template.of_type(ALARM).values()
            for kind in ("AlarmActions", "OKActions", "InsufficientDataActions")
            for action in self.concrete(listed(alarm.get(kind)))
            # What the template imports is known to nobody here.
            if isinstance(action, str)
        }
        for topic in sorted(action for action in actions if ":sns:" in action and action not in self.values.values()):
            try:
                answer = cloud("sns").get_topic_attributes(TopicArn=topic)["Attributes"]
            except (ClientError, BotoCoreError) as error:
                self.unread[topic.rpartition(":")[2]] = f"{type(error).__name__}: {error}"
                continue
            template.foreign_topics[topic] = picked(answer, ["KmsMasterKeyId"]) | {
                "Policy": json.loads(answer.get("Policy", "{}"))
            }

    def concrete(self, value):
        """What a value of the template is in this stack; texts keep the places of what is not known."""
        if isinstance(value, dict):
            return {key: self.concrete(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.concrete(item) for item in value]
        if isinstance(value, str):
            return PLACEHOLDER.sub(lambda found: str(self.values.get(found[1], found[0])), value)
        return value

    def in_words_of_the_template(self, value):
        """A value of the stack, its names as the template refers to them."""
        if isinstance(value, dict):
            return {key: self.in_words_of_the_template(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.in_words_of_the_template(item) for item in value]
        names = {known: name for name, known in self.values.items()}
        return f"${{{names[value]}}}" if isinstance(value, str) and value in names else value


def comparable(value):
    """The same for 60, 60.0 and "60", and for true and "true"; a text of JSON counts by what it says."""
    if isinstance(value, dict):
        return {key: comparable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [comparable(item) for item in value]
    if isinstance(value, str) and value.startswith(("{", "[")) and not value.startswith("${"):
        try:
            return comparable(json.loads(value))
        except ValueError:
            return value
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return text.removesuffix(".0")


def is_unknown(value):
    return bool(re.search(PLACEHOLDER, json.dumps(value)))


def differences(template, stack):
    """Each thing in which the stack is not what the template says; the template is made to say what the stack is."""
    for name in sorted(template.resources.keys() - stack.physical.keys()):
        yield f"{name}: the stack has none; deploy it"
    for name in sorted(stack.physical.keys() - template.resources.keys()):
        yield f"{name}: the stack has it, and the template does not; deploy the template"
    for name, error in sorted(stack.unread.items()):
        yield f"{name}: the cloud does not tell what it is ({error}); create it again, or ask with the rights to read it"
    for name, observed in sorted(stack.observed.items()):
        if name in template.resources:
            properties = template.resources[name].setdefault("Properties", {})
            yield from differences_of(stack, name, properties, observed, "")


def differences_of(stack, name, wanted, observed, path):
    for key, value in observed.items():
        expected = stack.concrete(wanted.get(key))
        # What only the cloud adds, such as a default, is no difference; what the rules need they take as a default.
        if key not in wanted and not is_a_change(key):
            continue
        if isinstance(value, dict) and isinstance(expected, dict) and key != "EventPattern":
            yield from differences_of(stack, name, wanted[key], value, f"{path}{key}.")
            for missing in sorted(wanted[key].keys() - value.keys()):
                yield f"{name}: {path}{key}.{missing} is not set, and {expected[missing]} in the template; {DEPLOY}"
                del wanted[key][missing]
        elif comparable(expected) != comparable(value) and not is_unknown(expected):
            said = "not set" if expected is None else shown(expected)
            yield f"{name}: {path}{key} is {shown(value)}, and {said} in the template; {DEPLOY}"
            wanted[key] = stack.in_words_of_the_template(value)


DEPLOY = "deploy again, or write it into the template"


def is_a_change(key):
    """Properties that are reported only when somebody switched something off."""
    return key in ("Enabled", "State", "AlarmActions", "LoggingConfig")


def shown(value):
    return value if isinstance(value, str) else json.dumps(value)


def a_stack_is_as_its_template_says(template, stack):
    """Somebody may have changed a queue by hand; the next deployment may undo it, or not."""
    return [Finding.of(a_stack_is_as_its_template_says, sentence) for sentence in differences(template, stack)]


def found_in(template, stack):
    """Where the stack differs from the template, and then which rules it breaks as it is."""
    return a_stack_is_as_its_template_says(template, stack) + findings(template)


def main():
    parser = argparse.ArgumentParser(description="Holds a deployed stack to the template and its rules.")
    parser.add_argument("stack")
    parser.add_argument("template", type=Path)
    arguments = parser.parse_args()
    facts = Facts.of(arguments.template.resolve().parent.parent)
    try:
        cloud = Cloud()
        stack = Stack.of(cloud, arguments.stack)
        template = Template(transformed(arguments.template), stack.parameters, facts)
        stack.look(cloud, template)
        stack.look_at_topics(cloud, template)
    except (ClientError, BotoCoreError) as error:
        sys.exit(f"the stack {arguments.stack} cannot be read: {error}")
    found = found_in(template, stack)
    problems = [finding.as_json([]) for finding in found]
    json.dump({"resources": len(stack.observed), "rules": len(RULES) + 1, "problems": problems}, sys.stdout, indent=1)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
