"""Whether what goes wrong is seen: alarms, the dashboard, saved queries, traces."""

import re
from fnmatch import fnmatchcase

import watched
from facts import AWS_METRICS, DISCOVERED_FIELDS, RELAY
from findings import missing_right, rule
from model import (
    ALARM,
    DASHBOARD,
    FUNCTION,
    KEY,
    LOG_GROUP,
    METRIC_FILTER,
    QUERY,
    QUEUE,
    STATE_MACHINE,
    TOPIC,
    TOPIC_POLICY,
    listed,
    reference,
)

# Alarms under this condition compute from several metrics. Where it does not hold the cloud cannot create them.
COMPUTED = "ComputesAlarms"

COMMAND = re.compile(r"`throughline [a-z]")
TRACE_ACTIONS = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]

# What the values of AWS's dimensions are.
DIMENSION_OF = {"FunctionName": FUNCTION, "StateMachineArn": STATE_MACHINE}


# ---- Names that must be right -------------------------------------------------------------------------------------------


@rule
def what_is_watched_is_measured(template):
    """An alarm or a widget on a name that nobody emits stays silent for ever."""
    for metric in [*watched.by_alarms(template), *watched.by_widgets(template)]:
        if not is_measured(template, metric):
            yield (
                f"{metric.watcher}: nobody emits {metric}; name a metric of infra/metrics.json with one of its sets of "
                "dimensions, in the namespace that the functions write to, or one of AWS that facts.py knows"
            )


def is_measured(template, metric):
    if metric.namespace in namespaces(template):
        declared = template.facts.metrics.get(metric.metric, {"dimensions": []})
        return any(metric.names() == set(dimensions) for dimensions in declared["dimensions"])
    if metric.namespace in AWS_METRICS:
        dimension, metrics = AWS_METRICS[metric.namespace]
        return metric.metric in metrics and metric.names() == {dimension}
    return (metric.namespace, metric.metric) in watched.counted_in_logs(template)


def namespaces(template):
    """Where the functions put their metrics."""
    return {
        template.variables_of(function).get("THROUGHLINE_METRICS_NAMESPACE", template.facts.namespace)
        for function in template.of_type(FUNCTION)
    }


@rule
def what_is_measured_is_watched(template):
    """Nobody pays for a figure that nobody looks at."""
    watchers = [*watched.by_alarms(template), *watched.by_widgets(template)]
    seen = {metric.metric for metric in watchers if metric.namespace in namespaces(template)}
    for metric in sorted(template.facts.metrics.keys() - seen):
        yield f"{metric}: the functions emit it, and no alarm or widget is on it; add it to the dashboard, or emit it no more"


@rule
def functions_share_a_namespace(template):
    """Or a search would find the figures of some of them only."""
    if len(namespaces(template)) > 1:
        names = ", ".join(sorted(namespaces(template)))
        yield f"THROUGHLINE_METRICS_NAMESPACE: the functions write to {names}; set it once, in the template's Globals"


@rule
def what_is_watched_is_of_the_template(template):
    """A name that was mistyped, or a queue that is gone."""
    for metric in [*watched.by_alarms(template), *watched.by_widgets(template)]:
        for dimension, value in metric.dimensions:
            if value is not None and not is_known(template, metric, dimension, value):
                yield f"{metric.watcher}: {dimension} {value} has no {metric.metric}; name one of this template that has"


def is_known(template, metric, dimension, value):
    if dimension == "QueueName":
        return any(value == f"${{{queue}.QueueName}}" for queue in template.of_type(QUEUE))
    if dimension in DIMENSION_OF:
        return template.by_reference(value, DIMENSION_OF[dimension]) is not None
    if dimension != "handler":
        return False
    emitters = set(template.facts.metrics.get(metric.metric, {}).get("emittedBy", []))
    if value == RELAY:
        return "relay" in emitters
    return value in template.facts.handlers and bool({"handler", "saga"} & emitters)


# ---- Alarms -------------------------------------------------------------------------------------------------------------


@rule
def an_alarm_says_what_to_do(template):
    """Whoever it wakes up has a command to begin with."""
    for name, alarm in template.of_type(ALARM).items():
        if not COMMAND.search(alarm.get("AlarmDescription", "")):
            yield (
                f"{name}: whoever it wakes up would have to think; say in AlarmDescription what is wrong and what to do, "
                "with the command to run, such as `throughline dlq list`"
            )


@rule
def an_alarm_tells_somebody(template):
    """The topic, if there is one."""
    topic = template.parameters.get("AlarmTopicArn")
    for name, alarm in template.of_type(ALARM).items():
        if topic and topic not in listed(alarm.get("AlarmActions")):
            yield f"{name}: nobody would be told; put AlarmTopicArn into AlarmActions, under the condition Alarms"


@rule
def an_alarm_reaches_its_topic(template):
    """CloudWatch says nowhere but in an alarm's history that it could not publish."""
    for topic, properties, statements in alarm_topics(template):
        yield from problems_of_key(template, topic, properties.get("KmsMasterKeyId"))
        if statements and not is_allowed(statements, CLOUD_WATCH, ["sns:Publish"]):
            yield (
                f"{topic}: its policy does not let CloudWatch publish, and nobody would be told of an alarm; allow "
                f"{CLOUD_WATCH} sns:Publish in it"
            )


CLOUD_WATCH = "cloudwatch.amazonaws.com"
# AWS's own key for topics: its policy names nobody but SNS's callers of the account, and cannot be changed.
AWS_MANAGED_KEY = "alias/aws/sns"
KEY_ACTIONS = ["kms:Decrypt", "kms:GenerateDataKey*"]


def alarm_topics(template):
    """Each topic that an alarm goes to, with its properties and its policies' statements."""
    named = {
        action
        for alarm in template.of_type(ALARM).values()
        for kind in ("AlarmActions", "OKActions", "InsufficientDataActions")
        for action in listed(alarm.get(kind))
        # What the template imports is known to nobody here.
        if isinstance(action, str)
    }
    for topic, properties in template.of_type(TOPIC).items():
        if reference(topic) in named:
            policies = template.of_type(TOPIC_POLICY).values()
            policies = [policy for policy in policies if reference(topic) in listed(policy.get("Topics"))]
            yield topic, properties, [one for policy in policies for one in statements_of(policy, "PolicyDocument")]
    for topic, properties in template.foreign_topics.items():
        if topic in named:
            yield topic.rpartition(":")[2], properties, statements_of(properties, "Policy")


def statements_of(properties, name):
    return listed(properties.get(name, {}).get("Statement"))


def problems_of_key(template, topic, key):
    if not isinstance(key, str):
        return
    if key.endswith(AWS_MANAGED_KEY):
        yield (
            f"{topic}: it is encrypted with {AWS_MANAGED_KEY}, which CloudWatch may not use, and nobody would be told of an "
            f"alarm; name a key of your own in KmsMasterKeyId whose policy allows {CLOUD_WATCH} {' and '.join(KEY_ACTIONS)}"
        )
    for name, properties in template.of_type(KEY).items():
        is_it = key in (reference(name), reference(f"{name}.Arn"))
        if is_it and not is_allowed(statements_of(properties, "KeyPolicy"), CLOUD_WATCH, KEY_ACTIONS):
            yield (
                f"{name}: CloudWatch may not use it for {topic}, and nobody would be told of an alarm; allow {CLOUD_WATCH} "
                f"{' and '.join(KEY_ACTIONS)} in its KeyPolicy"
            )


def is_allowed(statements, service, actions):
    """Whether statements of a resource's policy let a service do all of this."""
    return all(any(lets(statement, service, action) for statement in statements) for action in actions)


def lets(statement, service, action):
    principal = statement.get("Principal")
    services, everybody = ([], [principal]) if not isinstance(principal, dict) else (
        listed(principal.get("Service")),
        listed(principal.get("AWS")),
    )
    is_named = any(fnmatchcase(action.lower(), pattern.lower()) for pattern in listed(statement.get("Action")))
    return statement.get("Effect") == "Allow" and is_named and (service in services or "*" in everybody)


def alarms_on(template, metric, dimension, value):
    """The alarms that this very metric raises."""
    found = {entry.watcher for entry in watched.by_alarms(template) if is_of(entry, metric, dimension, value)}
    return [name for name in template.of_type(ALARM) if name in found]


def is_of(entry, metric, dimension, value):
    return entry.metric == metric and entry.value(dimension) == value


@rule
def a_dead_letter_raises_an_alarm(template):
    """With the first one: every one is something that did not happen."""
    for queue in sorted(template.dead_letter_queues()):
        name = f"${{{queue}.QueueName}}"
        alarms = alarms_on(template, "ApproximateNumberOfMessagesVisible", "QueueName", name)
        if not any(is_raised_by_the_first(template.of_type(ALARM)[alarm]) for alarm in alarms):
            yield (
                f"{queue}: nobody is told of what is given up; add an {ALARM} on the Maximum of its "
                "ApproximateNumberOfMessagesVisible above 0"
            )


def is_raised_by_the_first(alarm):
    return (alarm.get("Statistic"), alarm.get("ComparisonOperator"), str(alarm.get("Threshold"))) == (
        "Maximum",
        "GreaterThanThreshold",
        "0",
    )


@rule
def a_message_that_waits_raises_an_alarm(template):
    """A function that is switched off or throttled fails nothing, and emits nothing."""
    for queue in sorted(template.source_queues()):
        if not alarms_on(template, "ApproximateAgeOfOldestMessage", "QueueName", f"${{{queue}.QueueName}}"):
            yield f"{queue}: nobody is told when it is not read; add an {ALARM} on its ApproximateAgeOfOldestMessage"


@rule
def an_old_event_raises_an_alarm(template):
    """Wherever it was held up between what happened and its handler."""
    for function in sorted(takers_of_events(template)):
        handler = template.handler_of(function)
        if not alarms_on(template, "EventAge", "handler", handler):
            yield f"{function}: nobody is told when events reach it late; add an {ALARM} on EventAge of handler {handler}"


def takers_of_events(template):
    """The functions that rules feed, through a queue or not."""
    targets = {template.by_arn(target.get("Arn"), QUEUE) for _, target in template.targets()}
    through_queues = {function for _, _, function, queue in template.queue_mappings() if queue in targets}
    return through_queues | {function for _, function in template.direct_invocations()}


@rule
def a_stream_that_is_read_late_raises_an_alarm(template):
    """What a stream forgets after a day is lost."""
    for name, _, function, _ in template.stream_mappings():
        if not alarms_on(template, "IteratorAge", "FunctionName", reference(function)):
            yield f"{name}: nobody is told when {function} is behind; add an {ALARM} on IteratorAge of the function"


@rule
def a_function_that_fails_raises_an_alarm(template):
    """Its error rate, invocations that ended in an error included. A state machine sees its worker's errors itself."""
    if not template.holds_if_there(COMPUTED):
        return
    for function in sorted(template.of_type(FUNCTION).keys() - template.workers()):
        if not alarms_on(template, "Errors", "FunctionName", reference(function)):
            yield f"{function}: nobody is told when it fails too often; add an {ALARM} on its error rate, Errors included"


# ---- The dashboard ------------------------------------------------------------------------------------------------------


@rule
def a_queue_is_on_the_dashboard(template):
    """A search cannot tell the queues of one stack from another's, so they are listed."""
    wanted = [(queue, "ApproximateNumberOfMessagesVisible") for queue in template.dead_letter_queues()]
    wanted += [(queue, "ApproximateAgeOfOldestMessage") for queue in template.source_queues()]
    for queue, metric in wanted:
        if not is_shown(template, metric, "QueueName", f"${{{queue}.QueueName}}"):
            yield f"{queue}: no widget shows its {metric}; add a line for it to the dashboard"


@rule
def a_function_is_on_the_dashboard(template):
    """Its errors, of which it emits nothing itself."""
    for function in template.of_type(FUNCTION):
        if not is_shown(template, "Errors", "FunctionName", reference(function)):
            yield f"{function}: no widget shows its Errors; add a line for it to the dashboard"


def is_shown(template, metric, dimension, value):
    return any(is_of(entry, metric, dimension, value) for entry in watched.by_widgets(template))


@rule
def a_widget_has_a_place_of_its_own(template):
    """Within the 24 columns of a dashboard, and on top of no other."""
    for name in template.of_type(DASHBOARD):
        taken = {}
        for widget in watched.widgets_of(template, name):
            title = widget.get("properties", {}).get("title", widget.get("type"))
            for place in places_of(widget):
                if place[0] > 23 or place in taken:
                    other = taken.get(place, "the edge")
                    yield f"{name}: the widget {title} lies over {other} at column {place[0]}, row {place[1]}; move it"
                    break
                taken[place] = title


def places_of(widget):
    columns = range(widget.get("x", 0), widget.get("x", 0) + widget.get("width", 6))
    return [(x, y) for x in columns for y in range(widget.get("y", 0), widget.get("y", 0) + widget.get("height", 6))]


# ---- Logs and traces ----------------------------------------------------------------------------------------------------


@rule
def a_query_asks_for_what_is_logged(template):
    """A field that no line has is an empty column."""
    known = template.facts.fields | template.facts.metrics.keys() | DISCOVERED_FIELDS
    for name, query in template.of_type(QUERY).items():
        for field in sorted(fields_of_query(query.get("QueryString", "")) - known):
            yield f"{name}: no log line has the field {field}; name one that the framework logs (infra/checks/facts.py)"
    for name, properties in template.of_type(METRIC_FILTER).items():
        for field in sorted(set(re.findall(r"\$\.(\w+)", properties.get("FilterPattern", ""))) - known):
            yield f"{name}: no log line has the field {field}; name one that the framework logs (infra/checks/facts.py)"


# What stands in a query and is no field.
QUERY_WORDS = set(
    "and as asc avg by count desc display fields filter in ispresent latest like limit max min not or parse pct sort stats "
    "sum".split()
)


def fields_of_query(query):
    """The fields that a query of CloudWatch Logs Insights reads; not the names that it gives itself."""
    query = re.sub(r'"[^"]*"|/[^/\n]*/', "", query)
    own = set(re.findall(r"\bas\s+(\w+)", query))
    return set(re.findall(r"@?[A-Za-z_]\w*", query)) - own - QUERY_WORDS


@rule
def a_query_reads_every_function_s_logs(template):
    """Or what it does not show is taken for not there."""
    groups = {group for function in template.of_type(FUNCTION) for group in template.log_groups_of(function)}
    for name, query in template.of_type(QUERY).items():
        read = {template.by_reference(group, LOG_GROUP) for group in query.get("LogGroupNames", [])}
        for group in sorted(groups - read):
            yield f"{name}: it does not read {group}; add !Ref {group} to its LogGroupNames"


@rule
def a_function_is_traced(template):
    """By X-Ray, with its own rights."""
    for name, function in template.of_type(FUNCTION).items():
        if function.get("TracingConfig", {}).get("Mode") != "Active":
            yield f"{name}: X-Ray would not see it; set Tracing to Active"
        for action in TRACE_ACTIONS:
            yield from missing_right(template, name, action, "*", "to write its traces")
