"""State machines of sagas: their workers, their logs, and who hears of bad ends."""

import json

from findings import rule
from model import (
    ALARM,
    FUNCTION,
    LOG_GROUP,
    METRIC_FILTER,
    PLACEHOLDER,
    ROLE,
    RULE,
    STATE_MACHINE,
    arn,
    is_on,
    number,
    reference,
)

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
    for function in template.workers():
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
