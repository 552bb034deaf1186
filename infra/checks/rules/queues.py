"""Queues, their dead-letter queues, and who may send to them."""

from findings import rule
from model import QUEUE, QUEUE_POLICY, listed, number, source_arns

SECONDS_IN_DAY = 86_400
# What SQS takes where the template says nothing.
DEFAULT_RETENTION_SECONDS = 4 * SECONDS_IN_DAY


@rule
def a_queue_is_encrypted(template):
    """With SQS's own keys, which cost nothing."""
    for name, queue in template.of_type(QUEUE).items():
        if not queue.get("SqsManagedSseEnabled"):
            yield f"{name}: its messages would not be encrypted by SQS; set SqsManagedSseEnabled to true"


@rule
def a_queue_that_feeds_a_function_has_a_dead_letter_queue(template):
    """Or a message that always fails would be received until it expires, and then be lost."""
    for queue in template.source_queues():
        if not template.redrive_target(queue):
            yield f"{queue}: it feeds a function; give it a RedrivePolicy to the Arn of a dead-letter queue of this template"


@rule
def a_queue_with_a_dead_letter_queue_feeds_a_function(template):
    """Or what is sent to it would wait until it expires."""
    for name, queue in template.of_type(QUEUE).items():
        if "RedrivePolicy" in queue and name not in template.source_queues():
            yield f"{name}: it has a RedrivePolicy and feeds no function; add an event source mapping from it, or remove it"


@rule
def a_queue_receives_a_message_often_enough(template):
    """The function dead-letters with a reason at the last receive; SQS would move without one."""
    for queue in template.source_queues():
        if max_receive_count(template, queue) < 5:
            yield (
                f"{queue}: maxReceiveCount is below 5: SQS would move messages before the function dead-letters them "
                "with a reason; raise it to 5 at least"
            )


@rule
def a_function_knows_how_often_its_queue_is_received(template):
    """It dead-letters at the last receive, with a reason."""
    for _, _, function, queue in template.queue_mappings():
        known = template.variables_of(function).get("THROUGHLINE_MAX_RECEIVE_COUNT")
        if str(known) != str(max_receive_count(template, queue)):
            yield f"{function}: THROUGHLINE_MAX_RECEIVE_COUNT is {known}; set it to the maxReceiveCount of {queue}"


def max_receive_count(template, queue):
    return number(template.of_type(QUEUE)[queue].get("RedrivePolicy", {}).get("maxReceiveCount", 0))


@rule
def a_dead_letter_queue_keeps_its_messages(template):
    """As long as SQS can: they wait for people."""
    for queue in template.dead_letter_queues():
        if retention_days(template, queue) < 14:
            yield f"{queue}: a dead-letter queue's messages wait for people; set MessageRetentionPeriod to 14 days (1209600)"


def retention_days(template, queue):
    seconds = template.of_type(QUEUE)[queue].get("MessageRetentionPeriod", DEFAULT_RETENTION_SECONDS)
    return number(seconds) / SECONDS_IN_DAY


@rule
def a_queue_policy_names_who_sends(template):
    """A service acts for anyone who asks; only aws:SourceArn tells which rule or topic it acts for."""
    for name, policy in template.of_type(QUEUE_POLICY).items():
        for statement in listed(policy["PolicyDocument"]["Statement"]):
            sources = source_arns(statement)
            if statement.get("Effect") == "Allow" and (not sources or any("*" in source for source in sources)):
                yield (
                    f"{name}: the statement {statement.get('Sid', '')} lets anyone's rule or topic send; give it the "
                    "Condition ArnEquals aws:SourceArn with the one that may"
                )
