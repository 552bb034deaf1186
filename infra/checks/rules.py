"""What must hold between the template's resources, and no linter knows.

See findings.py for what a rule is.
"""

import json
import re

from findings import missing_right, rule
from model import (
    ALARM,
    ARCHIVE,
    EVENT_BUS,
    FUNCTION,
    LOG_GROUP,
    MAPPING,
    METRIC_FILTER,
    PERMISSION,
    PLACEHOLDER,
    QUEUE,
    QUEUE_POLICY,
    ROLE,
    RULE,
    SCHEDULE_GROUP,
    STATE_MACHINE,
    TABLE,
    arn,
    listed,
    number,
    on_failure,
    reference,
)

SECONDS_IN_DAY = 86_400
# What SQS and the framework take where the template says nothing.
DEFAULT_RETENTION_SECONDS = 4 * SECONDS_IN_DAY
DEFAULT_VISIBILITY_SECONDS = 30
DEFAULT_CLAIM_LIFETIME_DAYS = 60

# Resources under this condition collect what a test counts. Nothing is lost with them.
CAPTURE = "CapturesEvents"

QUEUE_READER_ACTIONS = [
    "sqs:ChangeMessageVisibility",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
    "sqs:ReceiveMessage",
]
STREAM_READER_ACTIONS = ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"]
LOG_ACTIONS = ["logs:CreateLogStream", "logs:PutLogEvents"]

SCHEDULE_ACTIONS = ["scheduler:CreateSchedule", "scheduler:DeleteSchedule", "scheduler:UpdateSchedule"]

OUTBOX_PREFIXES = {"event#", "command#"}

# ---- Mappings -----------------------------------------------------------------------------------------------------------


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


# ---- Queues -------------------------------------------------------------------------------------------------------------


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


def source_arns(statement):
    """What a statement's Condition demands of aws:SourceArn."""
    found = []
    for operator in ("ArnEquals", "ArnLike", "StringEquals"):
        for key, value in statement.get("Condition", {}).get(operator, {}).items():
            if key.lower() == "aws:sourcearn":
                found += listed(value)
    return found


# ---- Rules --------------------------------------------------------------------------------------------------------------


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


# ---- State machines -----------------------------------------------------------------------------------------------------

# How much longer than its worker may take a saga's state machine waits for a task.
LONGER_THAN_THE_WORKER_SECONDS = 10
# How an execution can end that nobody would hear of otherwise.
BAD_ENDS = ["ExecutionsAborted", "ExecutionsFailed", "ExecutionsTimedOut"]


@rule
def a_state_machine_knows_its_worker(template):
    """A function of the template, put where the definition leaves a place for it."""
    for name, machine in template.of_type(STATE_MACHINE).items():
        places = set(PLACEHOLDER.findall(json.dumps(machine.get("Definition", {}))))
        for place in sorted(places - template.substitutions_of(name).keys()):
            yield f"{name}: nothing takes the place of ${{{place}}} in its definition; name it in DefinitionSubstitutions"
        for unused in sorted(template.substitutions_of(name).keys() - places):
            yield f"{name}: DefinitionSubstitutions has {unused}, which its definition has no place for; take it out"
        if not template.workers_of(name):
            yield f"{name}: its tasks invoke no function of this template; substitute the Arn of one for its worker"


@rule
def a_state_machine_waits_longer_than_its_worker_runs(template):
    """Or it would give up, and try again, while the worker is still at it. Answers from outside take their own time."""
    for name in template.of_type(STATE_MACHINE):
        limits = [
            number(task.get("TimeoutSeconds", 0))
            for _, task in template.tasks_of(name)
            if not task["Resource"].endswith(".waitForTaskToken")
        ]
        longest_run = min(limits, default=0) - LONGER_THAN_THE_WORKER_SECONDS
        for function in template.workers_of(name):
            timeout = number(template.of_type(FUNCTION)[function].get("Timeout", 3))
            if timeout > longest_run:
                yield (
                    f"{function}: Timeout is {timeout} s, but {name} gives it {longest_run} s; lower it, or raise the "
                    "saga's worker_time_limit and write the definition anew"
                )


@rule
def a_state_machine_may_invoke_its_worker(template):
    """With its own role, which does nothing else to the template's resources."""
    for name in template.of_type(STATE_MACHINE):
        role = template.role_of_machine(name)
        if not role:
            yield f"{name}: its rights cannot be checked; set RoleArn to the Arn of an {ROLE} of this template"
        for function in template.workers_of(name):
            if role and not template.may(role, "lambda:InvokeFunction", arn(function)):
                yield f"{role}: {name} needs lambda:InvokeFunction on {arn(function)}; allow it there"


@rule
def a_state_machine_tells_what_fails(template):
    """To a log group that ends, without what it carries."""
    for name, machine in template.of_type(STATE_MACHINE).items():
        logging = machine.get("LoggingConfiguration", {})
        groups = [entry["CloudWatchLogsLogGroup"]["LogGroupArn"] for entry in logging.get("Destinations", [])]
        if logging.get("Level") not in ("ALL", "ERROR", "FATAL") or not groups:
            yield f"{name}: nobody could see why it failed; give LoggingConfiguration a Level and a log group"
        if str(logging.get("IncludeExecutionData", False)).lower() == "true":
            yield f"{name}: its logs would hold what customers entrust us with; set IncludeExecutionData to false"
        for group in groups:
            found = template.by_arn(group, LOG_GROUP)
            if not found or "RetentionInDays" not in template.of_type(LOG_GROUP)[found]:
                yield f"{name}: its log group must be one of this template, with RetentionInDays"


@rule
def a_stuck_saga_raises_an_alarm(template):
    """However it ended."""
    for name in template.of_type(STATE_MACHINE):
        watched = {metric for metric, machine in watched_ends(template) if machine == reference(name)}
        for metric in sorted(set(BAD_ENDS) - watched):
            yield (
                f"{name}: nobody is told when an execution ends so; add an {ALARM} on the Sum of {metric} of AWS/States "
                "above 0"
            )


def watched_ends(template):
    """Each metric of a state machine that raises an alarm with its first occurrence: its name, the machine."""
    for alarm in template.of_type(ALARM).values():
        is_first = alarm.get("ComparisonOperator") == "GreaterThanThreshold" and number(alarm.get("Threshold")) == 0
        if alarm.get("Namespace") == "AWS/States" and alarm.get("Statistic") == "Sum" and is_first:
            for dimension in alarm.get("Dimensions", []):
                yield alarm.get("MetricName"), dimension["Value"]


@rule
def a_worker_that_does_not_understand_raises_an_alarm(template):
    """Executions wait for days, and nobody else would notice."""
    alarms = [(alarm.get("Namespace"), alarm.get("MetricName")) for alarm in template.of_type(ALARM).values()]
    for function in workers(template):
        filtered = {
            (entry.get("MetricNamespace"), entry.get("MetricName"))
            for properties in template.of_type(METRIC_FILTER).values()
            if template.by_reference(properties.get("LogGroupName"), LOG_GROUP) in template.log_groups_of(function)
            and "Saga.NotUnderstood" in properties.get("FilterPattern", "")
            for entry in properties.get("MetricTransformations", [])
        }
        if not filtered & set(alarms):
            yield (
                f"{function}: nobody is told when executions wait for a worker that understands them; add an "
                f"{METRIC_FILTER} of its log group for error_type Saga.NotUnderstood, and an {ALARM} on its metric"
            )


@rule
def a_stuck_saga_is_reported(template):
    """Step Functions tells it once, on the default bus."""
    for name in template.of_type(STATE_MACHINE):
        if not any(reports(properties, name) for properties in template.of_type(RULE).values() if is_on(properties)):
            yield (
                f"{name}: no rule on the default bus takes its ABORTED, FAILED and TIMED_OUT; add one with source "
                "aws.states, detail-type Step Functions Execution Status Change and its stateMachineArn"
            )


def reports(properties, machine):
    pattern = properties.get("EventPattern", {})
    detail = pattern.get("detail", {})
    return (
        "EventBusName" not in properties
        and pattern.get("source") == ["aws.states"]
        and pattern.get("detail-type") == ["Step Functions Execution Status Change"]
        and set(detail.get("status", [])) == {"ABORTED", "FAILED", "TIMED_OUT"}
        and reference(machine) in detail.get("stateMachineArn", [])
    )


# ---- Functions ----------------------------------------------------------------------------------------------------------


@rule
def a_function_runs_on_the_runtime_it_is_built_for(template):
    """A native binary needs no other."""
    for name, function in template.of_type(FUNCTION).items():
        if function.get("Runtime") != "provided.al2023":
            yield f"{name}: Runtime is {function.get('Runtime')}; set it to provided.al2023"


@rule
def a_function_has_a_source(template):
    """Or it would never run."""
    fed = {template.function_of(mapping) for mapping in template.of_type(MAPPING).values() if is_on(mapping)}
    fed |= {function for name, function in template.direct_invocations() if is_on(template.of_type(RULE)[name])}
    fed |= workers(template)
    for name in template.of_type(FUNCTION).keys() - fed:
        yield (
            f"{name}: nothing invokes it; add an event source mapping, or a rule with it as target, and enable it, or a "
            "state machine"
        )


def workers(template):
    """The functions that do the tasks of state machines."""
    return {function for machine in template.of_type(STATE_MACHINE) for function in template.workers_of(machine)}


def is_on(properties):
    return str(properties.get("Enabled", True)).lower() == "true" and properties.get("State") != "DISABLED"


@rule
def a_function_has_a_role_of_the_template(template):
    """Of any other, its rights cannot be checked."""
    for name in template.of_type(FUNCTION):
        if not template.role_of(name):
            yield f"{name}: its rights cannot be checked; set Role to the Arn of an AWS::IAM::Role of this template"


@rule
def a_function_has_a_log_group(template):
    """One that Lambda makes itself keeps its logs, and their cost, for ever."""
    for name in template.of_type(FUNCTION):
        groups = template.log_groups_of(name)
        if not groups:
            yield (
                f"{name}: it has no log group; add an AWS::Logs::LogGroup named {template.log_group_name(name)} "
                "with RetentionInDays"
            )
        for group in groups:
            if "RetentionInDays" not in template.of_type(LOG_GROUP)[group]:
                yield f"{group}: the logs of {name} would be kept for ever; set RetentionInDays"


@rule
def a_function_may_write_its_logs(template):
    """Or it would run in silence."""
    for name in template.of_type(FUNCTION):
        role, written = template.role_of(name), log_streams(template, name)
        for action in LOG_ACTIONS:
            if role and not any(template.may(role, action, streams) for streams in written):
                yield f"{role}: {name} could not write its logs; allow {action} on {written[0]}"


def log_streams(template, function):
    """The ARNs that mean the streams of the function's log group. The Arn of a log group ends in `:*`, too."""
    place = "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group"
    return [f"{place}:{template.log_group_name(function)}:*"] + [arn(group) for group in template.log_groups_of(function)]


# ---- Settings -----------------------------------------------------------------------------------------------------------


@rule
def a_function_sends_its_dead_letters_to_its_own_queue(template):
    """One place to look: where SQS or Lambda put what the function failed at. A state machine is told instead."""
    for function in template.of_type(FUNCTION).keys() - workers(template):
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


def schedules(group):
    return f"arn:${{AWS::Partition}}:scheduler:${{AWS::Region}}:${{AWS::AccountId}}:schedule/{reference(group)}/*"


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
            if queue and is_fifo(template, queue) and not template.of_type(QUEUE)[queue].get("ContentBasedDeduplication"):
                yield f"{queue}: schedules cannot send to it; set ContentBasedDeduplication to true"


def is_fifo(template, queue):
    return str(template.of_type(QUEUE)[queue].get("FifoQueue", False)).lower() == "true"


# ---- Lifetimes ----------------------------------------------------------------------------------------------------------


@rule
def an_archive_ends(template):
    """No claim outlives an archive without an end."""
    for name, archive in template.of_type(ARCHIVE).items():
        if number(archive.get("RetentionDays", 0)) == 0:
            yield f"{name}: it would keep events for ever, longer than any claim; set RetentionDays"


@rule
def a_claim_outlives_every_way_to_come_again(template):
    """A replay, then the queue, then the dead-letter queue; and two days for retries on the way."""
    archives = {name: number(archive.get("RetentionDays", 0)) for name, archive in template.of_type(ARCHIVE).items()}
    keepers = [
        longest("archive", archives),
        longest("queue", {name: retention_days(template, name) for name in template.source_queues()}),
        longest("dead-letter queue", {name: retention_days(template, name) for name in template.dead_letter_queues()}),
    ]
    needed = sum(days for _, days in keepers) + 2
    parts = ", ".join(f"{name} {days:g}" for name, days in keepers)
    for function in template.of_type(FUNCTION):
        settings = template.variables_of(function)
        claims = number(settings.get("THROUGHLINE_CLAIM_LIFETIME_DAYS", DEFAULT_CLAIM_LIFETIME_DAYS))
        if "THROUGHLINE_TABLE" in settings and claims < needed:
            yield (
                f"{function}: THROUGHLINE_CLAIM_LIFETIME_DAYS is {claims}, but a message may come again for {needed:g} "
                f"days ({parts}, and 2) and would be handled twice; raise it, or lower those"
            )


def longest(kind, days):
    """The name and the days of what keeps messages longest."""
    return max(sorted(days.items()), key=lambda item: item[1], default=(f"no {kind}", 0))


# ---- Rights -------------------------------------------------------------------------------------------------------------


@rule
def a_right_is_one_call(template):
    """Whoever reads a policy sees what its function does."""
    for grant in template.grants():
        for action in listed(grant.statement.get("Action")):
            if grant.allows() and re.search(r"[*?]", action):
                yield f"{grant.holder}: {action} is wider than one call; name the calls that are made"
        if grant.allows() and ("NotAction" in grant.statement or "NotResource" in grant.statement):
            yield f"{grant.holder}: it allows all but what it names; write Action and Resource"


@rule
def a_right_is_on_one_resource(template):
    """Of one function's own, except where AWS knows no narrower one."""
    for grant in template.grants():
        for action in listed(grant.statement.get("Action")):
            for resource in listed(grant.statement.get("Resource")):
                if grant.allows() and not is_narrow(template, grant.roles, action, resource):
                    yield f"{grant.holder}: {action} is allowed on {text(resource)}; {wanted(template, grant.roles, action)}"


def is_narrow(template, roles, action, resource):
    if action in NARROWEST:
        return roles != [] and all(resource in NARROWEST[action](template, role) for role in roles)
    return not re.search(r"[*?]", text(resource))


def wanted(template, roles, action):
    """What to write instead."""
    narrowest = [shape for role in roles for shape in NARROWEST[action](template, role)] if action in NARROWEST else []
    return f"allow it on {' or '.join(narrowest)} only" if narrowest else "name the one resource that is used"


def text(resource):
    return resource if isinstance(resource, str) else json.dumps(resource)


def own_log_streams(template, role):
    """Lambda makes up the names of log streams; the log group is that of a function with this role."""
    return [
        streams
        for function in template.of_type(FUNCTION)
        if template.role_of(function) == role
        for streams in log_streams(template, function)
    ]


def streams_of_tables(template, role):
    """Streams are listed by table; a stream's own ARN is not accepted."""
    return [
        streams(table) for _, _, function, table in template.stream_mappings() if template.role_of(function) == role
    ]


def streams(table):
    return f"${{{table}.Arn}}/stream/*"


def executions_to_start(template, role):
    """An execution has the name of the message that starts it."""
    return [
        executions
        for function in template.of_type(FUNCTION)
        if template.role_of(function) == role
        for _, machine in template.settings_of(function, "THROUGHLINE_STATE_MACHINE_")
        if (executions := template.executions_of(machine))
    ]


def schedules_of_groups(template, role):
    """A schedule has the name of what is scheduled; the group is that of a function with this role."""
    return [
        schedules(group)
        for function in template.of_type(FUNCTION)
        if template.role_of(function) == role
        for _, value in template.settings_of(function, "THROUGHLINE_SCHEDULE_GROUP")
        if (group := template.by_reference(value, SCHEDULE_GROUP))
    ]


def everything_for_a_state_machine(template, role):
    """The delivery of logs and traces belongs to no resource of the template."""
    is_machine_s = any(template.role_of_machine(machine) == role for machine in template.of_type(STATE_MACHINE))
    return ["*"] if is_machine_s else []


def everything_for_traces(template, role):
    """Traces belong to no resource of the template."""
    is_function_s = any(template.role_of(function) == role for function in template.of_type(FUNCTION))
    return ["*"] if is_function_s else everything_for_a_state_machine(template, role)


# What Step Functions needs to deliver logs and traces ("Using CloudWatch Logs to log execution history in Step
# Functions", "Trace Step Functions request data in AWS X-Ray").
DELIVERIES = [
    "logs:CreateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:DescribeLogGroups",
    "logs:DescribeResourcePolicies",
    "logs:GetLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:UpdateLogDelivery",
    "xray:GetSamplingRules",
    "xray:GetSamplingTargets",
    "xray:PutTelemetryRecords",
    "xray:PutTraceSegments",
]

# The calls that AWS allows on no single resource, and the narrowest resources for them.
NARROWEST = dict.fromkeys(DELIVERIES, everything_for_a_state_machine) | {
    "dynamodb:ListStreams": streams_of_tables,
    "logs:CreateLogStream": own_log_streams,
    "logs:PutLogEvents": own_log_streams,
    "states:DescribeExecution": executions_to_start,
    # "Visualize Lambda function invocations using AWS X-Ray": the execution role.
    "xray:PutTelemetryRecords": everything_for_traces,
    "xray:PutTraceSegments": everything_for_traces,
    **dict.fromkeys(SCHEDULE_ACTIONS, schedules_of_groups),
}


@rule
def a_role_has_no_managed_policy(template):
    """They allow more than a function calls, and change under it."""
    for kind in (ROLE, "AWS::IAM::User", "AWS::IAM::Group"):
        for name, properties in template.of_type(kind).items():
            for policy in listed(properties.get("ManagedPolicyArns")):
                yield f"{name}: the managed policy {text(policy)} allows more than is called; write the statements instead"
