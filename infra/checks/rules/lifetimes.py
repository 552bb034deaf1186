"""What is remembered outlives what can come again."""

from findings import rule
from model import ARCHIVE, FUNCTION, number

from .queues import retention_days

# What the framework takes where the template says nothing.
DEFAULT_CLAIM_LIFETIME_DAYS = 60

ARCHIVE_NAME = "${AWS::StackName}-events"
NOT_RESENT = {"detail": {"resent": [{"exists": False}]}}


@rule
def an_archive_ends(template):
    """No claim outlives an archive without an end."""
    for name, archive in template.of_type(ARCHIVE).items():
        if number(archive.get("RetentionDays", 0)) == 0:
            yield f"{name}: it would keep events for ever, longer than any claim; set RetentionDays"


@rule
def an_archive_has_the_name_it_is_looked_for_by(template):
    """A replay finds it by the stack's name, on a local cloud as well, where no template can make it."""
    for name, archive in template.of_type(ARCHIVE).items():
        if archive.get("ArchiveName") != ARCHIVE_NAME:
            yield f"{name}: `throughline replay` would not find it; set ArchiveName to !Sub {ARCHIVE_NAME}"


@rule
def an_archive_leaves_out_what_it_holds(template):
    """What a replay publishes one by one says that it is `resent`; EventBridge itself leaves out what it replays."""
    for name, archive in template.of_type(ARCHIVE).items():
        if archive.get("EventPattern") != NOT_RESENT:
            yield f"{name}: what is replayed would be archived again; set EventPattern to detail: resent: [exists: false]"


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
