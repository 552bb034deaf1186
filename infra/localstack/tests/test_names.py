"""What is translated between LocalStack and what stands beside it."""

import unittest
from datetime import UTC, datetime
from types import SimpleNamespace

from throughline_localstack.dynamodb import _ANY_ARN, _NAMED_ARN, with_region
from throughline_localstack.replays import in_state, rules_named_by, with_its_time
from throughline_localstack.schedules import due_time

TABLE = "arn:aws:dynamodb:dynoxide:000000000000:table/shop"


class Arns(unittest.TestCase):
    def test_an_arn_of_dynoxide_becomes_one_of_aws(self):
        self.assertEqual(
            with_region(TABLE, "123456789012", "eu-west-1"), "arn:aws:dynamodb:eu-west-1:123456789012:table/shop"
        )

    def test_the_arns_of_an_answer_are_found(self):
        answer = f'{{"TableArn":"{TABLE}","LatestStreamArn": "{TABLE}/stream/1.2","Name":"shop"}}'
        found = [(match.group(1), match.group(2)) for match in _NAMED_ARN.finditer(answer)]
        self.assertEqual(found, [('"TableArn"', "table/shop"), ('"LatestStreamArn"', "table/shop/stream/1.2")])
        self.assertEqual(_ANY_ARN.search(f'"no stream {TABLE}"').group(1), "table/shop")


class Times(unittest.TestCase):
    def schedule(self, **changes):
        target = {"Arn": "arn:aws:sqs:us-east-1:000000000000:queue"}
        given = {"schedule_expression": "at(2026-01-05T09:30:00)", "schedule_expression_timezone": "UTC", "target": target}
        return SimpleNamespace(**{**given, **changes})

    def test_a_schedule_is_due_when_it_says(self):
        self.assertEqual(due_time(self.schedule()), datetime(2026, 1, 5, 9, 30, tzinfo=UTC))

    def test_other_schedules_are_not_for_us(self):
        for changes in (
            {"schedule_expression": "rate(1 hour)"},
            {"schedule_expression_timezone": "Europe/Berlin"},
            {"target": {"Arn": "arn:aws:lambda:us-east-1:000000000000:function:f"}},
        ):
            self.assertIsNone(due_time(self.schedule(**changes)), changes)

    def test_an_archived_event_has_a_time_and_the_delivered_one_keeps_its_text(self):
        event = {"id": "1", "time": "2026-01-05T09:30:00Z"}
        self.assertEqual(with_its_time(event)["time"], datetime(2026, 1, 5, 9, 30, tzinfo=UTC))
        self.assertEqual(event["time"], "2026-01-05T09:30:00Z")
        time = datetime(2026, 1, 5, tzinfo=UTC)
        self.assertEqual(with_its_time({"id": "1", "time": time})["time"], time)


class Replays(unittest.TestCase):
    def test_a_replay_sends_to_the_rules_that_it_names_or_to_all(self):
        rules = [SimpleNamespace(arn=arn) for arn in ("a", "b", "c")]
        for named, expected in ((["a", "c"], "ac"), ([], "abc"), (None, "abc")):
            replay = SimpleNamespace(destination={"Arn": "bus", "FilterArns": named})
            self.assertEqual("".join(rule.arn for rule in rules_named_by(replay, rules)), expected)

    def test_replays_are_told_by_their_state(self):
        replays = [{"State": "RUNNING"}, {"State": "COMPLETED"}]
        self.assertEqual(in_state(replays, "RUNNING"), replays[:1])
        self.assertEqual(in_state(replays, None), replays)


class WhatIsMended(unittest.TestCase):
    """That LocalStack still has what is put in another's place: a new version would go unnoticed otherwise."""

    def test_localstack_has_what_we_replace(self):
        from localstack.services.dynamodb import utils
        from localstack.services.dynamodb.server import DynamodbServer
        from localstack.services.dynamodb.v2.provider import DynamoDBProvider
        from localstack.services.dynamodbstreams.v2.provider import DynamoDBStreamsProvider
        from localstack.services.events.archive import ArchiveService
        from localstack.services.events.provider import EventsProvider
        from localstack.services.lambda_.event_source_mapping.pollers import sqs_poller
        from localstack.services.stepfunctions.asl.component.state.state_execution.state_task.service import (
            state_task_service_callback,
        )
        from localstack.services.stepfunctions.backend.execution import Execution
        from localstack.services.stepfunctions.provider import StepFunctionsProvider

        for owner, names in (
            (utils, ["_ddb_local_arn_pattern", "_ddb_local_exception_arn_pattern"]),
            (DynamodbServer, ["start_dynamodb", "stop_dynamodb"]),
            (DynamoDBProvider, ["fix_table_arn", "update_time_to_live", "describe_time_to_live"]),
            (DynamoDBStreamsProvider, ["modify_stream_arn_for_ddb_local"]),
            (ArchiveService, ["put_events"]),
            (EventsProvider, ["_process_rules_async", "list_replays"]),
            (sqs_poller, ["transform_into_events"]),
            (sqs_poller.SqsPoller, ["filter_events"]),
            (state_task_service_callback, ["CustomErrorName"]),
            (Execution, ["stop"]),
            (StepFunctionsProvider, ["send_task_success", "send_task_failure"]),
        ):
            for name in names:
                self.assertTrue(hasattr(owner, name), f"{owner.__name__}.{name}")


if __name__ == "__main__":
    unittest.main()
