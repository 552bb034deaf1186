"""Mappings of queues and streams to functions."""

import json

from findings import missing_right, rule
from model import FUNCTION, MAPPING, QUEUE, arn, number, on_failure

from .arns import streams

# What SQS takes where the template says nothing.
DEFAULT_VISIBILITY_SECONDS = 30

QUEUE_READER_ACTIONS = [
    "sqs:ChangeMessageVisibility",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
    "sqs:ReceiveMessage",
]
STREAM_READER_ACTIONS = ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"]

OUTBOX_PREFIXES = {"event#", "command#"}


@rule
def a_mapping_joins_a_source_and_a_function_of_the_template(template):
    """Of any other, nothing can be checked."""
    known = {name for name, *_ in template.queue_mappings()} | {name for name, *_ in template.stream_mappings()}
    for name in template.of_type(MAPPING).keys() - known:
        yield (
            f"{name}: it must name a function of this template, and as EventSourceArn the Arn of one of its queues "
            "or the StreamArn of one of its tables"
        )


@rule
def a_mapping_reports_single_failures(template):
    """Or one bad record would fail its batch."""
    for name, mapping in template.of_type(MAPPING).items():
        if "ReportBatchItemFailures" not in mapping.get("FunctionResponseTypes", []):
            yield f"{name}: one bad record would fail its batch; put ReportBatchItemFailures in FunctionResponseTypes"


@rule
def a_mapping_reads_with_its_function_s_rights(template):
    """Lambda's poller uses the function's role; the framework changes visibilities with it."""
    for name, _, function, queue in template.queue_mappings():
        for action in QUEUE_READER_ACTIONS:
            yield from missing_right(template, function, action, arn(queue), f"to read it by {name}")
    for name, _, function, table in template.stream_mappings():
        for action in STREAM_READER_ACTIONS:
            yield from missing_right(template, function, action, f"${{{table}.StreamArn}}", f"to read it by {name}")
        yield from missing_right(template, function, "dynamodb:ListStreams", streams(table), f"to read one by {name}")


@rule
def a_mapping_sends_failures_with_its_function_s_rights(template):
    """Lambda uses the function's role for the destination, too."""
    for name, mapping in template.of_type(MAPPING).items():
        function = template.function_of(mapping)
        if function and on_failure(mapping):
            yield from problems_of_destination(template, name, function, on_failure(mapping))


def problems_of_destination(template, place, function, destination):
    """A destination is a queue of the template that the function may send to."""
    if not template.by_arn(destination, QUEUE):
        yield f"{place}: its OnFailure destination {destination} is not the Arn of a queue of this template; name one"
    else:
        yield from missing_right(
            template, function, "sqs:SendMessage", destination, f"for the OnFailure destination of {place}"
        )


@rule
def a_stream_mapping_isolates_what_fails(template):
    """Or one bad record would hold its shard until it expires, and then be lost."""
    for name, mapping, *_ in template.stream_mappings():
        if not mapping.get("BisectBatchOnFunctionError"):
            yield f"{name}: one bad record would hold up its shard; set BisectBatchOnFunctionError to true"
        if not on_failure(mapping):
            yield f"{name}: records that are given up would be lost; give DestinationConfig an OnFailure destination"


@rule
def a_stream_mapping_takes_the_outbox_only(template):
    """Inserted events and commands, all of them, and nothing else: claims and entities are no messages."""
    for name, mapping, *_ in template.stream_mappings():
        patterns = [entry.get("Pattern", "") for entry in mapping.get("FilterCriteria", {}).get("Filters", [])]
        prefixes = [prefix for pattern in patterns for prefix in outbox_prefixes(pattern)]
        if {str(prefix) for prefix in prefixes} != OUTBOX_PREFIXES:
            yield (
                f"{name}: FilterCriteria must pass eventName INSERT with dynamodb.Keys.sk.S of prefix event# or "
                "command#, and nothing else; it would invoke the function for claims, or lose messages"
            )


def outbox_prefixes(pattern):
    """The sort key prefixes that a filter pattern passes; `None` among them if it is of another shape."""
    try:
        prefixes = json.loads(pattern)["dynamodb"]["Keys"]["sk"]["S"]
        exact = {"eventName": ["INSERT"], "dynamodb": {"Keys": {"sk": {"S": prefixes}}}}
        return [prefix["prefix"] for prefix in prefixes] if json.loads(pattern) == exact else [None]
    except (ValueError, KeyError, TypeError):
        return [None]


@rule
def a_queue_hides_a_message_while_it_is_handled(template):
    """AWS's advice: six times the function's time-out."""
    for name, _, function, queue in template.queue_mappings():
        timeout = number(template.of_type(FUNCTION)[function].get("Timeout", 3))
        visibility = number(template.of_type(QUEUE)[queue].get("VisibilityTimeout", DEFAULT_VISIBILITY_SECONDS))
        if visibility < 6 * timeout:
            yield (
                f"{queue}: VisibilityTimeout is {visibility} s; raise it to 6 x the {timeout} s Timeout of {function}, "
                f"which {name} invokes, or a slow batch would be handed out twice"
            )


@rule
def a_queue_mapping_is_bounded(template):
    """One busy queue must leave the account's concurrency to the others."""
    for name, mapping, *_ in template.queue_mappings():
        if "MaximumConcurrency" not in mapping.get("ScalingConfig", {}):
            yield f"{name}: one queue could take every invocation of the account; set ScalingConfig.MaximumConcurrency"
