"""What the rules know beside the template: what the functions emit and log, and what AWS measures by itself."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

# Where the fields of log lines are written, and those that every line has.
LOGGING_CRATES = ["shared/core/src", "shared/aws/src", "shared/throughline/src"]
FIELDS_OF_EVERY_LINE = {"timestamp", "level", "message", "target"}
# What CloudWatch Logs finds in every line, and in those that Lambda writes itself
# ("Supported logs and discovered fields").
DISCOVERED_FIELDS = {
    "@timestamp",
    "@message",
    "@log",
    "@logStream",
    "@type",
    "@requestId",
    "@duration",
    "@billedDuration",
    "@initDuration",
    "@maxMemoryUsed",
    "@memorySize",
}

# The relay is no handler, and measures itself like one.
RELAY = "relay"

# What AWS's services measure, and by which dimension: "Available CloudWatch metrics for Amazon SQS", "Types of metrics
# for Lambda functions", "Step Functions execution metrics".
AWS_METRICS = {
    "AWS/SQS": (
        "QueueName",
        {
            "ApproximateAgeOfOldestMessage",
            "ApproximateNumberOfMessagesDelayed",
            "ApproximateNumberOfMessagesNotVisible",
            "ApproximateNumberOfMessagesVisible",
            "NumberOfMessagesDeleted",
            "NumberOfMessagesReceived",
            "NumberOfMessagesSent",
        },
    ),
    "AWS/Lambda": (
        "FunctionName",
        {
            "AsyncEventAge",
            "AsyncEventsDropped",
            "AsyncEventsReceived",
            "ConcurrentExecutions",
            "DeadLetterErrors",
            "DestinationDeliveryFailures",
            "Duration",
            "Errors",
            "Invocations",
            "IteratorAge",
            "Throttles",
        },
    ),
    "AWS/States": (
        "StateMachineArn",
        {
            "ExecutionsAborted",
            "ExecutionsFailed",
            "ExecutionsStarted",
            "ExecutionsSucceeded",
            "ExecutionsTimedOut",
            "ExecutionThrottled",
            "ExecutionTime",
        },
    ),
}

MACRO = re.compile(r"\b(?:trace|debug|info|warn|error)(?:_span)?!\(")
TEXT = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
TESTS = re.compile(r"\n#\[cfg\(test\)\]\nmod \w+ \{")


@dataclass(frozen=True)
class Facts:
    """The `metrics` by name, each with its sets of dimensions and who emits it; the `handlers` by name; the `fields` of
    log lines; why roles have their `rights`; and the project's `root`, where the code is that these speak of."""

    root: Path
    namespace: str
    metrics: dict
    handlers: frozenset
    fields: frozenset
    rights: tuple

    @classmethod
    def of(cls, root):
        declared = json.loads((root / "infra/metrics.json").read_text())
        lines = (root / "functions/handlers.lock").read_text().splitlines()
        return cls(
            root=root,
            namespace=declared["namespace"],
            metrics={metric["name"]: metric for metric in declared["metrics"]},
            # A word behind the name says what a replay does with it.
            handlers=frozenset(line.split()[0] for line in lines if line.strip() and not line.startswith("#")),
            fields=frozenset(FIELDS_OF_EVERY_LINE.union(*map(logged_fields, sources(root)))),
            rights=tuple(json.loads((root / "infra/rights.json").read_text())["rights"]),
        )


def sources(root):
    return (path.read_text() for crate in LOGGING_CRATES for path in sorted((root / crate).rglob("*.rs")))


def logged_fields(source):
    """The fields that a Rust source gives to `tracing`'s macros."""
    source = TEXT.sub('""', TESTS.split(source)[0])
    return {field for found in MACRO.finditer(source) for field in fields_of(arguments(source, found.end()))}


def arguments(source, start):
    """What stands between the parentheses, at its commas."""
    parts, depth = [""], 0
    for character in source[start:]:
        if character in ")]}" and depth == 0:
            return parts
        depth += (character in "([{") - (character in ")]}")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def fields_of(parts):
    for part in parts:
        found = re.fullmatch(r"\s*(?:[?%]\s*)?(\w+)(?:\.\w+)*\s*(?:=[^=>].*)?", part, re.DOTALL)
        if found:
            yield found[1]
