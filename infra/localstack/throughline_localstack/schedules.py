"""Fires EventBridge Scheduler's one-time schedules, which LocalStack keeps and never looks at.

Only what the shop's template uses: `at(…)` in UTC, sent to a queue. Other schedules are told of once, in the log.
"""

import logging
import threading
from datetime import UTC, datetime

LOG = logging.getLogger(__name__)
_LOOK_AGAIN_SECONDS = 1
_AT = "at(%Y-%m-%dT%H:%M:%S)"

_is_stopping = threading.Event()
_told: set[str] = set()


def start():
    _is_stopping.clear()
    threading.Thread(target=_run, name="throughline-schedules", daemon=True).start()


def stop():
    _is_stopping.set()


def _run():
    while not _is_stopping.wait(_LOOK_AGAIN_SECONDS):
        try:
            _fire_what_is_due(datetime.now(UTC))
        except Exception:
            LOG.exception("the schedules could not be looked through")


def due_time(schedule) -> datetime | None:
    """When a schedule is due. None if it is not of the kind that is fired here."""
    target = schedule.target["Arn"]
    if schedule.schedule_expression_timezone != "UTC" or ":sqs:" not in target:
        return None
    try:
        return datetime.strptime(schedule.schedule_expression, _AT).replace(tzinfo=UTC)
    except ValueError:
        return None


def _fire_what_is_due(now: datetime):
    from moto.scheduler.models import scheduler_backends

    for account, regions in list(scheduler_backends.items()):
        for region, backend in list(regions.items()):
            for group in list(backend.schedule_groups.values()):
                for schedule in list(group.schedules.values()):
                    _look_at(schedule, group, now, account, region)


def _look_at(schedule, group, now: datetime, account: str, region: str):
    due = due_time(schedule)
    if due is None:
        if schedule.arn not in _told:
            _told.add(schedule.arn)
            LOG.warning("%s never fires here: only at(…) in UTC to a queue does", schedule.arn)
        return
    if schedule.state != "ENABLED" or due > now:
        return
    _send(schedule, account, region)
    # Whoever changed it meanwhile has made it another one.
    if group.schedules.get(schedule.name) is schedule and due_time(schedule) == due:
        del group.schedules[schedule.name]


def _send(schedule, account: str, region: str):
    """What cannot be sent stays, and is tried again: that is what `RetryPolicy` asks for, without its bounds."""
    from localstack.aws.connect import connect_to
    from localstack.services.lambda_.event_source_mapping.pollers.sqs_poller import get_queue_url

    target = schedule.target
    group = target.get("SqsParameters", {}).get("MessageGroupId")
    message = {"QueueUrl": get_queue_url(target["Arn"]), "MessageBody": target.get("Input", "")}
    if group:
        message["MessageGroupId"] = group
    connect_to(aws_access_key_id=account, region_name=region).sqs.send_message(**message)
