"""What the ARNs look like that a right is on whose resources have no name yet."""

from model import arn, reference

SCHEDULE_ACTIONS = ["scheduler:CreateSchedule", "scheduler:DeleteSchedule", "scheduler:UpdateSchedule"]


def log_streams(template, function):
    """The ARNs that mean the streams of the function's log group. The Arn of a log group ends in `:*`, too."""
    place = "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group"
    return [f"{place}:{template.log_group_name(function)}:*"] + [arn(group) for group in template.log_groups_of(function)]


def streams(table):
    return f"${{{table}.Arn}}/stream/*"


def schedules(group):
    return f"arn:${{AWS::Partition}}:scheduler:${{AWS::Region}}:${{AWS::AccountId}}:schedule/{reference(group)}/*"
