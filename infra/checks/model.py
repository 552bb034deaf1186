"""A transformed template as one deployment sees it: parameters filled in, conditions decided, relations found.

Every value is a text. What only a deployed stack knows stays as `Fn::Sub` writes it: `${Queue}`, `${Queue.Arn}`.
"""

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase

ALARM = "AWS::CloudWatch::Alarm"
ARCHIVE = "AWS::Events::Archive"
DASHBOARD = "AWS::CloudWatch::Dashboard"
EVENT_BUS = "AWS::Events::EventBus"
FUNCTION = "AWS::Lambda::Function"
INVOKE_CONFIG = "AWS::Lambda::EventInvokeConfig"
KEY = "AWS::KMS::Key"
LOG_GROUP = "AWS::Logs::LogGroup"
MAPPING = "AWS::Lambda::EventSourceMapping"
METRIC_FILTER = "AWS::Logs::MetricFilter"
PERMISSION = "AWS::Lambda::Permission"
PIPE = "AWS::Pipes::Pipe"
QUERY = "AWS::Logs::QueryDefinition"
QUEUE = "AWS::SQS::Queue"
QUEUE_POLICY = "AWS::SQS::QueuePolicy"
ROLE = "AWS::IAM::Role"
RULE = "AWS::Events::Rule"
SCHEDULE = "AWS::Scheduler::Schedule"
SCHEDULE_GROUP = "AWS::Scheduler::ScheduleGroup"
STATE_MACHINE = "AWS::StepFunctions::StateMachine"
TABLE = "AWS::DynamoDB::Table"
TOPIC = "AWS::SNS::Topic"
TOPIC_POLICY = "AWS::SNS::TopicPolicy"

# Policies that are resources themselves, and the property that names whom they are for.
STANDALONE_POLICIES = {
    "AWS::IAM::Policy": "Roles",
    "AWS::IAM::ManagedPolicy": "Roles",
    "AWS::IAM::RolePolicy": "RoleName",
    "AWS::IAM::UserPolicy": "UserName",
    "AWS::IAM::GroupPolicy": "GroupName",
}

PLACEHOLDER = re.compile(r"\$\{([^!}]+)\}")
NO_VALUE = "${AWS::NoValue}"


class Unreadable(Exception):
    """A value that the checks must know and cannot."""


def listed(value):
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def reference(name):
    return f"${{{name}}}"


def arn(name):
    return f"${{{name}.Arn}}"


def number(value):
    try:
        return int(value)
    except (TypeError, ValueError):
        raise Unreadable(f"{value!r} is not a number; write one, or a parameter with a default") from None


def on_failure(properties):
    """The destination that a mapping or an asynchronous invocation has for what failed."""
    return properties.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination")


def source_arns(statement):
    """What a statement's Condition demands of aws:SourceArn."""
    found = []
    for operator in ("ArnEquals", "ArnLike", "StringEquals"):
        for key, value in statement.get("Condition", {}).get(operator, {}).items():
            if key.lower() == "aws:sourcearn":
                found += listed(value)
    return found


def is_on(properties):
    """Whether a mapping or a rule passes anything on."""
    return str(properties.get("Enabled", True)).lower() == "true" and properties.get("State") != "DISABLED"


@dataclass(frozen=True)
class Grant:
    """One statement of a policy: `holder` is the resource that it is written in, `roles` have it."""

    holder: str
    roles: list
    statement: dict

    def allows(self):
        return self.statement.get("Effect") == "Allow"

    def is_conditional(self):
        return "Condition" in self.statement

    def covers(self, action, resource):
        """Whether it is about this call, wildcards and the inverted lists included."""
        return self._matches("Action", action) and self._matches("Resource", resource)

    def _matches(self, key, value):
        if f"Not{key}" in self.statement:
            return not any(fnmatchcase(value, pattern) for pattern in listed(self.statement[f"Not{key}"]))
        return any(fnmatchcase(value, pattern) for pattern in listed(self.statement.get(key)))


class Template:
    def __init__(self, template, parameters, facts):
        self.facts = facts
        defaults = {name: parameter.get("Default") for name, parameter in template.get("Parameters", {}).items()}
        self.parameters = {name: value for name, value in (defaults | parameters).items() if value is not None}
        self.conditions = template.get("Conditions", {})
        self.resources = {
            name: self.resolved(resource)
            for name, resource in template["Resources"].items()
            if "Condition" not in resource or self.holds(resource["Condition"])
        }
        # Topics of others that alarms go to, by their ARNs, as the cloud tells them; only a deployed stack knows them.
        self.foreign_topics = {}
        self.by_type = {}
        for name, resource in self.resources.items():
            self.by_type.setdefault(resource["Type"], {})[name] = resource.get("Properties", {})

    # ---- Values -----------------------------------------------------------------------------------------------------

    def resolved(self, value):
        """The value with parameters, choices and texts put together."""
        if isinstance(value, list):
            return [item for item in map(self.resolved, value) if item != NO_VALUE]
        if not isinstance(value, dict):
            return value
        match list(value.items()):
            case [("Ref", name)]:
                return self.parameters.get(name, reference(name))
            case [("Fn::GetAtt", name)]:
                return reference(name if isinstance(name, str) else ".".join(name))
            case [("Fn::Sub", [text, names])]:
                return self.substituted(text, self.resolved(names))
            case [("Fn::Sub", text)]:
                return self.substituted(text, {})
            case [("Fn::Join", [separator, parts])]:
                return separator.join(str(part) for part in self.resolved(parts))
            case [("Fn::If", [condition, chosen, otherwise])]:
                return self.resolved(chosen if self.holds(condition) else otherwise)
        properties = {key: self.resolved(item) for key, item in value.items()}
        return {key: item for key, item in properties.items() if item != NO_VALUE}

    def substituted(self, text, names):
        known = self.parameters | names
        return PLACEHOLDER.sub(lambda found: str(known.get(found[1], found[0])), text)

    def holds(self, condition):
        """Whether a condition is true: its name, or what it is made of."""
        if isinstance(condition, str):
            return self.holds(self.conditions[condition])
        ((operation, operands),) = condition.items()
        match operation:
            case "Condition":
                return self.holds(operands)
            case "Fn::Equals":
                left, right = self.resolved(operands)
                return str(left) == str(right)
            case "Fn::Not":
                return not self.holds(operands[0])
            case "Fn::And":
                return all(map(self.holds, operands))
            case "Fn::Or":
                return any(map(self.holds, operands))
        raise Unreadable(f"the condition {operation} is unknown to the checks; teach them in infra/checks/model.py")

    def holds_if_there(self, condition):
        """Whether a condition is true that not every template has."""
        return condition not in self.conditions or self.holds(condition)

    # ---- Resources --------------------------------------------------------------------------------------------------

    def of_type(self, kind):
        return self.by_type.get(kind, {})

    def by_reference(self, value, kind):
        """The resource of that kind whose `!Ref` the value is, or None."""
        return next((name for name in self.of_type(kind) if value == reference(name)), None)

    def by_arn(self, value, kind):
        """The resource of that kind whose ARN the value is, or None."""
        return next((name for name in self.of_type(kind) if value == arn(name)), None)

    def is_fifo(self, queue):
        return str(self.of_type(QUEUE)[queue].get("FifoQueue", False)).lower() == "true"

    # ---- Functions, and what calls them -----------------------------------------------------------------------------

    def function_of(self, properties):
        """The function that a mapping, permission or invocation configuration is for, or None."""
        name = properties.get("FunctionName")
        return self.by_reference(name, FUNCTION) or self.by_arn(name, FUNCTION)

    def role_of(self, function):
        return self.by_arn(self.of_type(FUNCTION)[function].get("Role"), ROLE)

    def variables_of(self, function):
        return self.of_type(FUNCTION)[function].get("Environment", {}).get("Variables", {})

    def settings_of(self, function, prefix):
        """The function's settings whose names begin so: each name and value."""
        return [(name, value) for name, value in self.variables_of(function).items() if name.startswith(prefix)]

    def executions_of(self, machine):
        """What the ARNs of a state machine's executions look like: of one of the template's, or of one by its ARN."""
        named = self.by_reference(machine, STATE_MACHINE)
        if named:
            name = self.of_type(STATE_MACHINE)[named].get("StateMachineName", f"${{{named}.Name}}")
            return f"arn:${{AWS::Partition}}:states:${{AWS::Region}}:${{AWS::AccountId}}:execution:{name}:*"
        return machine.replace(":stateMachine:", ":execution:") + ":*" if ":stateMachine:" in machine else None

    def log_group_name(self, function):
        """The log group that Lambda writes the function's logs to."""
        return f"/aws/lambda/{self.of_type(FUNCTION)[function].get('FunctionName', reference(function))}"

    def log_groups_of(self, function):
        named = self.log_group_name(function)
        return [name for name, group in self.of_type(LOG_GROUP).items() if group.get("LogGroupName") == named]

    def handler_of(self, function):
        """A function's handler, which has the name that the function has within its stack."""
        return self.of_type(FUNCTION)[function].get("FunctionName", "").removeprefix("${AWS::StackName}-")

    def queue_mappings(self):
        """Each mapping of a queue to a function: its name, itself, the function, the queue."""
        for name, mapping in self.of_type(MAPPING).items():
            function, queue = self.function_of(mapping), self.by_arn(mapping.get("EventSourceArn"), QUEUE)
            if function and queue:
                yield name, mapping, function, queue

    def stream_mappings(self):
        """Each mapping of a table's stream to a function: its name, itself, the function, the table."""
        for name, mapping in self.of_type(MAPPING).items():
            function, table = self.function_of(mapping), self.table_of_stream(mapping.get("EventSourceArn"))
            if function and table:
                yield name, mapping, function, table

    def table_of_stream(self, value):
        return next((name for name in self.of_type(TABLE) if value == f"${{{name}.StreamArn}}"), None)

    def targets(self):
        """Each target of each rule: the rule's name, the target."""
        for name, rule in self.of_type(RULE).items():
            for target in rule.get("Targets", []):
                yield name, target

    def direct_invocations(self):
        """Each rule that invokes a function without a queue between: the rule, the function."""
        for rule, target in self.targets():
            function = self.by_arn(target.get("Arn"), FUNCTION)
            if function:
                yield rule, function

    def invoke_configs(self, function):
        """What applies to asynchronous invocations of the function itself, not of a version or alias."""
        for name, config in self.of_type(INVOKE_CONFIG).items():
            if self.function_of(config) == function and config.get("Qualifier") == "$LATEST":
                yield name, config

    # ---- State machines ---------------------------------------------------------------------------------------------

    def role_of_machine(self, machine):
        return self.by_arn(self.of_type(STATE_MACHINE)[machine].get("RoleArn"), ROLE)

    def substitutions_of(self, machine):
        return self.of_type(STATE_MACHINE)[machine].get("DefinitionSubstitutions", {})

    def tasks_of(self, machine):
        """Each task of a state machine, also within branches: its state's name, itself."""
        ahead = [self.of_type(STATE_MACHINE)[machine].get("Definition", {})]
        while ahead:
            for name, state in ahead.pop().get("States", {}).items():
                ahead += state.get("Branches", [])
                if state.get("Type") == "Task":
                    yield name, state

    def workers_of(self, machine):
        """The functions of the template that a state machine's tasks invoke."""
        named = {task.get("Parameters", {}).get("FunctionName") for _, task in self.tasks_of(machine)}
        substituted = {self.substituted(name or "", self.substitutions_of(machine)) for name in named}
        return {self.by_arn(name, FUNCTION) for name in substituted} - {None}

    def workers(self):
        """The functions that do the tasks of state machines."""
        return {function for machine in self.of_type(STATE_MACHINE) for function in self.workers_of(machine)}

    # ---- Queues -----------------------------------------------------------------------------------------------------

    def source_queues(self):
        return {queue for _, _, _, queue in self.queue_mappings()}

    def redrive_target(self, queue):
        policy = self.of_type(QUEUE)[queue].get("RedrivePolicy", {})
        return self.by_arn(policy.get("deadLetterTargetArn"), QUEUE)

    def dead_letter_queues_of(self, function):
        """Where SQS or Lambda put what the function failed at."""
        mappings = [mapping for mapping in self.of_type(MAPPING).values() if self.function_of(mapping) == function]
        configs = [config for _, config in self.invoke_configs(function)]
        found = {self.by_arn(on_failure(properties), QUEUE) for properties in mappings + configs}
        found |= {self.redrive_target(queue) for _, _, reader, queue in self.queue_mappings() if reader == function}
        return found - {None}

    def dead_letter_queues(self):
        found = {self.redrive_target(queue) for queue in self.of_type(QUEUE)}
        found |= {self.by_arn(target.get("DeadLetterConfig", {}).get("Arn"), QUEUE) for _, target in self.targets()}
        for function in self.of_type(FUNCTION):
            found |= self.dead_letter_queues_of(function)
        return found - {None}

    # ---- Rights -----------------------------------------------------------------------------------------------------

    def policies(self):
        """Each policy of a role, user or group: the resource it is written in, the roles that have it, the document."""
        for name, resource in self.resources.items():
            properties = resource.get("Properties", {})
            if resource["Type"] in ("AWS::IAM::Role", "AWS::IAM::User", "AWS::IAM::Group"):
                for policy in properties.get("Policies", []):
                    yield name, [name], policy["PolicyDocument"]
            elif resource["Type"] in STANDALONE_POLICIES:
                named = listed(properties.get(STANDALONE_POLICIES[resource["Type"]]))
                yield name, [self.by_reference(role, ROLE) for role in named], properties["PolicyDocument"]

    def grants(self):
        for holder, roles, document in self.policies():
            for statement in listed(document["Statement"]):
                yield Grant(holder, roles, statement)

    def may(self, role, action, resource):
        """Whether the role names this very call on this very resource, whatever the circumstances, and none forbids it."""
        grants = [grant for grant in self.grants() if role in grant.roles and not grant.is_conditional()]
        allowed = any(
            action in listed(grant.statement.get("Action")) and resource in listed(grant.statement.get("Resource"))
            for grant in grants
            if grant.allows()
        )
        return allowed and not any(grant.covers(action, resource) for grant in grants if not grant.allows())
