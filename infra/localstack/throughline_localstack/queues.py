"""Mends LocalStack 4.14's event source mappings.

That of a queue reads a body that is JSON and writes it anew. And they sleep: one of a queue asks, is told that nothing is
there, and waits before it asks again, where Lambda waits at the queue for the next message; and after the first answer
that brings nothing each waits a second, whatever it was told to wait at most.
"""

# The seconds of one wait at a queue. A mapping that is switched off ends after that.
_WAIT_SECONDS = 2


def mend():
    _leave_bodies_as_they_were_sent()
    _wait_at_queues()
    _wait_no_longer_than_they_were_told()


def _wait_at_queues():
    from localstack.services.lambda_.event_source_mapping.pollers.sqs_poller import SqsPoller

    make = SqsPoller.__init__

    def make_one_that_waits(self, *arguments, **named):
        make(self, *arguments, **named)
        # It asks with this as `WaitTimeSeconds`: the answer comes with the first message. Only beyond SQS's 20 seconds
        # does it wait for a whole batch.
        self.maximum_batching_window = max(self.maximum_batching_window, _WAIT_SECONDS)

    SqsPoller.__init__ = make_one_that_waits


def _wait_no_longer_than_they_were_told():
    from localstack.services.lambda_.event_source_mapping import esm_worker

    backoff = esm_worker.ExponentialBackoff

    def bounded_from_the_first(initial_interval, max_interval):
        return backoff(initial_interval=min(initial_interval, max_interval), max_interval=max_interval)

    esm_worker.ExponentialBackoff = bounded_from_the_first


def _leave_bodies_as_they_were_sent():
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
