"""Rights: each one call on one resource."""

import json
import re

from findings import rule
from model import FUNCTION, ROLE, SCHEDULE_GROUP, STATE_MACHINE, listed

from .arns import SCHEDULE_ACTIONS, log_streams, schedules, streams


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
