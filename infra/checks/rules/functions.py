"""Functions: their runtime, source, role and logs."""

from findings import rule
from model import FUNCTION, LOG_GROUP, MAPPING, RULE, is_on

from .arns import log_streams

LOG_ACTIONS = ["logs:CreateLogStream", "logs:PutLogEvents"]


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
    fed |= template.workers()
    for name in template.of_type(FUNCTION).keys() - fed:
        yield (
            f"{name}: nothing invokes it; add an event source mapping, or a rule with it as target, and enable it, or a "
            "state machine"
        )


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


# Of Lambda's levels, those that leave out what has none: it counts as INFO.
LEVELS_WITHOUT_METRICS = ["WARN", "ERROR", "FATAL"]


@rule
def a_function_s_log_level_keeps_its_metrics(template):
    """The metrics are lines of the log without a level. The level of what the function logs itself is THROUGHLINE_LOG."""
    for name, function in template.of_type(FUNCTION).items():
        logging = function.get("LoggingConfig", {})
        level = logging.get("ApplicationLogLevel")
        if logging.get("LogFormat") == "JSON" and str(level).upper() in LEVELS_WITHOUT_METRICS:
            yield (
                f"{name}: Lambda drops its metrics, since ApplicationLogLevel is {level}; set it to INFO, and "
                f"THROUGHLINE_LOG to {str(level).lower().replace('fatal', 'error')}"
            )


@rule
def a_function_may_write_its_logs(template):
    """Or it would run in silence."""
    for name in template.of_type(FUNCTION):
        role, written = template.role_of(name), log_streams(template, name)
        for action in LOG_ACTIONS:
            if role and not any(template.may(role, action, streams) for streams in written):
                yield f"{role}: {name} could not write its logs; allow {action} on {written[0]}"
