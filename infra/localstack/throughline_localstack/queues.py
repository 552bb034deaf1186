"""Mends LocalStack 4.14's event source mapping of queues: it reads a body that is JSON and writes it anew."""


def mend():
    from localstack.services.lambda_.event_source_mapping.pollers import sqs_poller

    read = sqs_poller.transform_into_events
    choose = sqs_poller.SqsPoller.filter_events

    def with_bodies_as_sent(messages):
        events = read(messages)
        for event in events:
            event[_AS_SENT] = event["body"]
        return events

    def chosen_with_bodies_as_sent(self, events):
        # Filters need the body read; functions get it as it was sent.
        chosen = choose(self, events)
        for event in chosen:
            event["body"] = event.pop(_AS_SENT)
        return chosen

    sqs_poller.transform_into_events = with_bodies_as_sent
    sqs_poller.SqsPoller.filter_events = chosen_with_bodies_as_sent


_AS_SENT = "throughline-body-as-sent"
