"""What functions are told by their environment, and whether they may use it."""

import re

from findings import missing_right, rule
from model import EVENT_BUS, FUNCTION, QUEUE, ROLE, SCHEDULE_GROUP, TABLE, arn, listed, reference, source_arns

from .arns import SCHEDULE_ACTIONS, schedules


@rule
def a_function_sends_its_dead_letters_to_its_own_queue(template):
    """One place to look: where SQS or Lambda put what the function failed at. A state machine is told instead."""
    for function in template.of_type(FUNCTION).keys() - template.workers():
        value = template.variables_of(function).get("THROUGHLINE_DEAD_LETTER_QUEUE_URL")
        own = sorted(template.dead_letter_queues_of(function))
        if template.by_reference(value, QUEUE) not in own:
            yield (
                f"{function}: THROUGHLINE_DEAD_LETTER_QUEUE_URL is {value or 'not set'}; set it to the !Ref of a queue "
                "that its source's RedrivePolicy or OnFailure destination names"
                + (f", such as {own[0]}" if own else "; there is none yet")
            )


@rule
def a_function_knows_the_queue_it_reads(template):
    """It changes visibilities there."""
    for name, _, function, queue in template.queue_mappings():
        value = template.variables_of(function).get("THROUGHLINE_QUEUE_URL")
        if value != reference(queue):
            yield f"{function}: THROUGHLINE_QUEUE_URL is {value or 'not set'}; set it to !Ref {queue}, which {name} reads"


@rule
def a_function_names_no_queue_that_it_does_not_read(template):
    """A queue's URL without a mapping is a mapping that was forgotten."""
    readers = {function for _, _, function, _ in template.queue_mappings()}
    for function in template.of_type(FUNCTION).keys() - readers:
        if "THROUGHLINE_QUEUE_URL" in template.variables_of(function):
            yield f"{function}: THROUGHLINE_QUEUE_URL is set, but it reads no queue; add the mapping, or remove the setting"


@rule
def a_setting_names_what_the_function_may_use(template):
    """A table, a bus or a queue of the template, by !Ref, with the right to write to it."""
    for function in template.of_type(FUNCTION):
        for setting, value in template.variables_of(function).items():
            kind, action = used_by(setting)
            if kind and not template.by_reference(value, kind):
                yield f"{function}: {setting} is {value}; set it to the !Ref of an {kind} of this template"
            elif kind:
                resource = arn(template.by_reference(value, kind))
                yield from missing_right(template, function, action, resource, f"for its setting {setting}")
                if setting.startswith("THROUGHLINE_TABLE_"):
                    purpose = f"for its setting {setting}: to leave alone what others write into the table"
                    yield from missing_right(template, function, "dynamodb:UpdateItem", resource, purpose)


def used_by(setting):
    """The type of resource that a setting names, and the call that is made on it."""
    match = re.fullmatch(
        r"THROUGHLINE_((?P<queue>DEAD_LETTER_QUEUE_URL|COMMAND_QUEUE_.*)|(?P<table>TABLE(_.*)?)|(?P<bus>EVENT_BUS))", setting
    )
    if not match:
        return None, None
    if match["queue"]:
        return QUEUE, "sqs:SendMessage"
    return (TABLE, "dynamodb:PutItem") if match["table"] else (EVENT_BUS, "events:PutEvents")


@rule
def a_saga_can_be_started_and_looked_at(template):
    """A start whose name is taken is compared with the execution that has it."""
    for function in template.of_type(FUNCTION):
        for setting, machine in template.settings_of(function, "THROUGHLINE_STATE_MACHINE_"):
            executions = template.executions_of(machine)
            purpose = f"for its setting {setting}"
            if executions:
                yield from missing_right(template, function, "states:StartExecution", machine, purpose)
                yield from missing_right(template, function, "states:DescribeExecution", executions, purpose)
            else:
                yield f"{function}: {setting} is {machine}; set it to the ARN of a state machine"


@rule
def a_schedule_can_be_kept(template):
    """In a group of the template, with a role that only EventBridge Scheduler takes on."""
    for function in template.of_type(FUNCTION):
        for setting, value in template.settings_of(function, "THROUGHLINE_SCHEDULE_GROUP"):
            group = template.by_reference(value, SCHEDULE_GROUP)
            if not group:
                yield f"{function}: {setting} is {value}; set it to the !Ref of an {SCHEDULE_GROUP} of this template"
                continue
            for action in SCHEDULE_ACTIONS:
                yield from missing_right(template, function, action, schedules(group), f"for its setting {setting}")
            role = schedule_role(template, function)
            if not role:
                yield f"{function}: set THROUGHLINE_SCHEDULE_ROLE_ARN to the Arn of an {ROLE} of this template"
            else:
                yield from missing_right(template, function, "iam:PassRole", arn(role), "to schedule with that role")
                yield from problems_of_trust(template, role, group)


def schedule_role(template, function):
    return template.by_arn(template.variables_of(function).get("THROUGHLINE_SCHEDULE_ROLE_ARN"), ROLE)


def problems_of_trust(template, role, group):
    """EventBridge Scheduler acts for anyone who asks; only aws:SourceArn tells for which group."""
    statements = listed(template.of_type(ROLE)[role]["AssumeRolePolicyDocument"]["Statement"])
    for statement in statements:
        services = listed(statement.get("Principal", {}).get("Service"))
        if services != ["scheduler.amazonaws.com"] or source_arns(statement) != [arn(group)]:
            yield (
                f"{role}: only scheduler.amazonaws.com may take it on, with the Condition ArnEquals aws:SourceArn "
                f"{arn(group)}"
            )


@rule
def a_schedule_reaches_its_queue(template):
    """And its dead-letter queue, with the schedules' role, not with the function's."""
    for function in template.of_type(FUNCTION):
        targets = template.settings_of(function, "THROUGHLINE_SCHEDULE_TARGET_")
        dead_letters = template.settings_of(function, "THROUGHLINE_SCHEDULE_DEAD_LETTER_ARN")
        for setting, value in targets + dead_letters:
            queue, role = template.by_arn(value, QUEUE), schedule_role(template, function)
            if not queue:
                yield f"{function}: {setting} is {value}; set it to the Arn of a queue of this template"
            elif role and not template.may(role, "sqs:SendMessage", value):
                yield f"{role}: schedules need sqs:SendMessage on {value} for the setting {setting}; allow it there"
            if queue and template.is_fifo(queue) and not template.of_type(QUEUE)[queue].get("ContentBasedDeduplication"):
                yield f"{queue}: schedules cannot send to it; set ContentBasedDeduplication to true"
