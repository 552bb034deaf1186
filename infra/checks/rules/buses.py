"""Rules of event buses, and their targets."""

from findings import rule
from model import (
    FUNCTION,
    PERMISSION,
    PIPE,
    QUEUE,
    QUEUE_POLICY,
    RULE,
    SCHEDULE,
    arn,
    listed,
    on_failure,
    reference,
    source_arns,
)

from .mappings import problems_of_destination

# Resources under this condition collect what a test counts. Nothing is lost with them.
CAPTURE = "CapturesEvents"


@rule
def a_rule_names_what_it_takes(template):
    """By source and type, as every handler expects."""
    for name, properties in template.of_type(RULE).items():
        if not is_capture(template, name) and not {"source", "detail-type"} <= properties.get("EventPattern", {}).keys():
            yield f"{name}: its EventPattern must name source and detail-type, or a handler would get events it rejects"


@rule
def a_rule_has_a_target(template):
    """Or what it takes would go nowhere."""
    for name, properties in template.of_type(RULE).items():
        if not properties.get("Targets"):
            yield f"{name}: what it takes would go nowhere; give it a target"


@rule
def a_target_has_a_dead_letter_queue(template):
    """Or what EventBridge cannot deliver would be lost."""
    for name, target in template.targets():
        if not is_capture(template, name) and "DeadLetterConfig" not in target:
            yield f"{name}: what target {target.get('Id')} cannot be given would be lost; give it a DeadLetterConfig"


def is_capture(template, name):
    return template.resources[name].get("Condition") == CAPTURE


@rule
def a_target_is_a_function_or_queue_of_the_template(template):
    """Of any other, nothing can be checked."""
    for name, target in template.targets():
        target_arn, dead_letters = target.get("Arn"), target.get("DeadLetterConfig", {}).get("Arn")
        if not (template.by_arn(target_arn, FUNCTION) or template.by_arn(target_arn, QUEUE)):
            yield f"{name}: target {target_arn} is not the Arn of a function or queue of this template; name one"
        if "DeadLetterConfig" in target and not template.by_arn(dead_letters, QUEUE):
            yield f"{name}: DeadLetterConfig {dead_letters} is not the Arn of a queue of this template; name one"


@rule
def a_rule_may_invoke_its_function(template):
    """EventBridge needs a permission of the function for it."""
    for name, function in template.direct_invocations():
        if not any(permits(template, properties, name, function) for properties in template.of_type(PERMISSION).values()):
            yield (
                f"{name}: it may not invoke {function}; add an AWS::Lambda::Permission of {function} with Action "
                f"lambda:InvokeFunction, Principal events.amazonaws.com and SourceArn {arn(name)}"
            )


def permits(template, permission, name, function):
    """Whether the permission lets the rule invoke the function."""
    return (
        template.function_of(permission) == function
        and permission.get("Action") == "lambda:InvokeFunction"
        and permission.get("Principal") == "events.amazonaws.com"
        and permission.get("SourceArn") == arn(name)
    )


@rule
def a_rule_may_send_to_its_queues(template):
    """EventBridge needs a policy of the queue for it, of the dead-letter queue as well."""
    for name, target in template.targets():
        for value in (target.get("Arn"), target.get("DeadLetterConfig", {}).get("Arn")):
            queue = template.by_arn(value, QUEUE)
            if queue and not queue_admits(template, queue, name):
                yield (
                    f"{name}: it may not send to {queue}; add an AWS::SQS::QueuePolicy of {queue} that allows "
                    f"events.amazonaws.com sqs:SendMessage on {arn(queue)}, with the Condition ArnEquals "
                    f"aws:SourceArn {arn(name)}"
                )


def queue_admits(template, queue, name):
    """Whether a policy of the queue lets the rule send to it."""
    return any(
        reference(queue) in listed(policy.get("Queues")) and admits(statement, queue, name)
        for policy in template.of_type(QUEUE_POLICY).values()
        for statement in listed(policy["PolicyDocument"]["Statement"])
    )


def admits(statement, queue, name):
    principal = statement.get("Principal")
    return (
        statement.get("Effect") == "Allow"
        and isinstance(principal, dict)
        and "events.amazonaws.com" in listed(principal.get("Service"))
        and "sqs:SendMessage" in listed(statement.get("Action"))
        and arn(queue) in listed(statement.get("Resource"))
        and arn(name) in source_arns(statement)
    )


@rule
def a_fifo_queue_is_sent_to_with_a_group(template):
    """SQS refuses a message without a group, or without anything to tell a repeat by: every event would be given up."""
    for name, target in [*template.targets(), *targets_of_others(template)]:
        queue, dead_letters = (
            template.by_arn(value, QUEUE) for value in (target.get("Arn"), target.get("DeadLetterConfig", {}).get("Arn"))
        )
        if queue and template.is_fifo(queue):
            parameters = next((key for key in target if key.endswith("Parameters")), "SqsParameters")
            if not target.get(parameters, {}).get("MessageGroupId"):
                yield f"{name}: {queue} is a FIFO queue and takes nothing without a group; set MessageGroupId in {parameters}"
            if str(template.of_type(QUEUE)[queue].get("ContentBasedDeduplication", False)).lower() != "true":
                yield f"{queue}: {name} names no deduplication id, and cannot send to it; set ContentBasedDeduplication to true"
        if dead_letters and template.is_fifo(dead_letters):
            yield f"{name}: {dead_letters} is a FIFO queue, and EventBridge keeps nothing there; name a standard queue"


def targets_of_others(template):
    """What schedules and pipes send to, as a rule would name it."""
    for name, schedule in template.of_type(SCHEDULE).items():
        yield name, schedule.get("Target", {})
    for name, pipe in template.of_type(PIPE).items():
        parameters = pipe.get("TargetParameters", {}).get("SqsQueueParameters", {})
        yield name, {"Arn": pipe.get("Target"), "SqsQueueParameters": parameters}


@rule
def a_direct_invocation_keeps_what_fails(template):
    """Lambda drops an asynchronous invocation after its last attempt, unless the function has a destination for it."""
    for name, function in template.direct_invocations():
        configs = {config: on_failure(properties) for config, properties in template.invoke_configs(function)}
        if not any(configs.values()):
            yield (
                f"{function}: {name} invokes it directly, and what it fails at would be lost; add an "
                "AWS::Lambda::EventInvokeConfig of it with Qualifier $LATEST and an OnFailure destination"
            )
        for config, destination in configs.items():
            if destination:
                yield from problems_of_destination(template, config, function, destination)
