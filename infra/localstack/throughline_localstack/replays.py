"""Mends LocalStack 4.14's replays.

It archives an event with its time as text, and compares that with times. It sends what it replays to every rule of the
bus, whichever rules the replay names. And whoever asks for the replays that run is told of all there ever were.
"""

from datetime import datetime


def mend():
    from localstack.services.events.archive import ArchiveService
    from localstack.services.events.provider import EventsProvider

    def put_events(self, events):
        for event in events:
            self.archive.events[event["id"]] = with_its_time(event)

    process_rules = EventsProvider._process_rules_async

    def process_rules_that_are_named(self, params):
        replays = self.get_store(params["region"], params["account_id"]).replays
        replay = replays.get(params["event_formatted"].get("replay-name"))
        rules = rules_named_by(replay, params["rules"]) if replay else params["rules"]
        process_rules(self, {**params, "rules": rules})

    list_replays = EventsProvider.list_replays

    def list_replays_in_a_state(self, context, state=None, **named):
        listed = list_replays(self, context, state=state, **named)
        return {**listed, "Replays": in_state(listed["Replays"], state)}

    ArchiveService.put_events = put_events
    EventsProvider.list_replays = list_replays_in_a_state
    EventsProvider._process_rules_async = process_rules_that_are_named


def with_its_time(event: dict) -> dict:
    """The event with its time as a time. A copy: others deliver the event that this one is read from."""
    time = event["time"]
    return {**event, "time": datetime.fromisoformat(time) if isinstance(time, str) else time}


def rules_named_by(replay, rules: list) -> list:
    """Those of a bus's rules that a replay sends to: all of them if it names none."""
    named = replay.destination.get("FilterArns")
    return [rule for rule in rules if rule.arn in named] if named else rules


def in_state(replays: list, state: str | None) -> list:
    """Those replays that are in a state, or all."""
    return [replay for replay in replays if state in (None, replay["State"])]
