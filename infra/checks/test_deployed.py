"""A deployed stack is held to its template: what somebody changed by hand is seen, and which rule it breaks."""

import json
import unittest
from functools import cached_property

from botocore.exceptions import ClientError

from deployed import READERS, Stack, found_in
from findings import findings
from model import Template
from mutation import FACTS, PLACES, TEMPLATE


class DeployedStack(unittest.TestCase):
    """A stack that is as its template says. The names of its resources are made up, as a cloud makes them up."""

    def setUp(self):
        self.template = Template(TEMPLATE, PLACES["on AWS"], FACTS)
        arn = "arn:aws:cloudformation:eu-west-1:111122223333:stack/production/1"
        physical = {name: (entry["Type"], f"its-{name}") for name, entry in self.template.resources.items()}
        self.stack = Stack("production", arn, {}, physical)
        self.stack.values |= {
            f"{name}.{attribute}": f"{attribute}-of-{name}"
            for name in self.template.resources
            for attribute in ["Arn", "QueueName", "StreamArn"]
        }
        for name, entry in self.template.resources.items():
            if entry["Type"] in READERS:
                self.stack.observed[name] = self.stack.concrete(entry.get("Properties", {}))

    @cached_property
    def found(self):
        return [str(finding) for finding in found_in(self.template, self.stack)]

    def assert_found(self, name, *words):
        matching = [text for text in self.found if text.startswith(f"{name}: ") and all(word in text for word in words)]
        self.assertTrue(matching, f"nothing of {name} with {words} in {self.found}")

    def test_one_that_is_as_its_template_says_has_no_problem(self):
        self.assertEqual(self.found, [])

    def test_numbers_and_truths_may_be_told_as_texts(self):
        queue = self.stack.observed["PlaceOrderQueue"]
        queue["VisibilityTimeout"], queue["SqsManagedSseEnabled"] = "60", "true"
        self.assertEqual(self.found, [])

    def test_what_only_the_cloud_tells_is_no_difference(self):
        self.stack.observed["PlaceOrderQueue"]["MaximumMessageSize"] = 262_144
        self.assertEqual(self.found, [])

    def test_a_figure_that_was_changed_is_found_and_so_is_the_rule_it_breaks(self):
        self.stack.observed["PlaceOrderQueue"]["VisibilityTimeout"] = "20"
        self.assert_found("PlaceOrderQueue", "VisibilityTimeout is 20, and 60 in the template")
        self.assert_found("PlaceOrderQueue", "VisibilityTimeout is 20 s", "6 x the 10 s Timeout")

    def test_a_change_that_breaks_no_rule_is_found_once(self):
        self.stack.observed["PlaceOrderQueue"]["VisibilityTimeout"] = "90"
        self.assertEqual(len(self.found), 1)

    def test_a_mapping_that_was_switched_off_is_found(self):
        self.stack.observed["PlaceOrderMapping"]["Enabled"] = False
        self.assert_found("PlaceOrderMapping", "Enabled is false, and not set in the template")
        self.assert_found("PlaceOrderFunction", "nothing invokes it")

    def test_dead_letters_that_go_elsewhere_are_found_by_their_names_in_the_template(self):
        redrive = self.stack.observed["PlaceOrderQueue"]["RedrivePolicy"]
        redrive["deadLetterTargetArn"] = "Arn-of-ReserveStockDeadLetterQueue"
        self.assert_found("PlaceOrderQueue", "RedrivePolicy.deadLetterTargetArn is Arn-of-ReserveStockDeadLetterQueue")
        self.assert_found("PlaceOrderFunction", "THROUGHLINE_DEAD_LETTER_QUEUE_URL", "ReserveStockDeadLetterQueue")

    def test_a_setting_that_was_changed_or_lost_is_found(self):
        settings = self.stack.observed["PlaceOrderFunction"]["Environment"]["Variables"]
        settings["THROUGHLINE_CLAIM_LIFETIME_DAYS"] = "3"
        del settings["THROUGHLINE_QUEUE_URL"]
        self.assert_found("PlaceOrderFunction", "THROUGHLINE_CLAIM_LIFETIME_DAYS is 3, and 50 in the template")
        self.assert_found("PlaceOrderFunction", "a message may come again")
        self.assert_found("PlaceOrderFunction", "THROUGHLINE_QUEUE_URL is not set, and its-PlaceOrderQueue")

    def test_a_log_level_that_was_changed_and_drops_metrics_is_found(self):
        self.stack.observed["PlaceOrderFunction"]["LoggingConfig"] = {"LogFormat": "JSON", "ApplicationLogLevel": "WARN"}
        self.assert_found("PlaceOrderFunction", "LoggingConfig is", "not set in the template")
        self.assert_found("PlaceOrderFunction", "Lambda drops its metrics")

    def test_an_archive_that_keeps_longer_than_claims_is_found(self):
        self.stack.observed["EventArchive"]["RetentionDays"] = 400
        self.assert_found("EventArchive", "RetentionDays is 400")
        self.assert_found("PlaceOrderFunction", "EventArchive 400")

    def test_a_pattern_may_be_told_in_another_order(self):
        pattern = self.stack.observed["ReserveStockRule"]["EventPattern"]
        self.stack.observed["ReserveStockRule"]["EventPattern"] = dict(reversed(pattern.items()))
        self.assertEqual(self.found, [])

    def test_what_is_missing_and_what_is_left_over_is_found(self):
        kind, _ = self.stack.physical.pop("PlaceOrderWaitAlarm")
        self.stack.observed.pop("PlaceOrderWaitAlarm")
        self.stack.physical["OldAlarm"] = (kind, "its-OldAlarm")
        self.assert_found("PlaceOrderWaitAlarm", "the stack has none")
        self.assert_found("OldAlarm", "the template does not")

    def test_what_the_cloud_does_not_tell_is_found(self):
        self.stack.observed.pop("PlaceOrderQueue")
        self.stack.unread["PlaceOrderQueue"] = "AccessDenied: no"
        self.assert_found("PlaceOrderQueue", "the cloud does not tell what it is (AccessDenied: no)")


class AlarmTopics(unittest.TestCase):
    """The topic that a stack was told to send its alarms to is another's."""

    TOPIC = "arn:aws:sns:us-east-1:000000000000:alarms"

    def found(self, cloud):
        template = Template(TEMPLATE, PLACES["on AWS"], FACTS)
        stack = Stack("production", "arn:aws:cloudformation:eu-west-1:111122223333:stack/production/1", {}, {})
        stack.look_at_topics(cloud, template)
        return stack, [str(finding) for finding in findings(template)]

    def test_one_that_cloudwatch_may_publish_to_is_no_problem(self):
        by_default = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": ["SNS:Subscribe", "SNS:Publish"]}
        attributes = {"KmsMasterKeyId": "1234", "Policy": json.dumps({"Statement": [by_default]})}
        cloud = Cloud(get_topic_attributes={"Attributes": attributes})
        self.assertEqual(self.found(cloud)[1], [])
        self.assertEqual(cloud.asked["get_topic_attributes"], {"TopicArn": self.TOPIC})

    def test_one_with_the_key_that_aws_manages_is_found(self):
        _, (found,) = self.found(Cloud(get_topic_attributes={"Attributes": {"KmsMasterKeyId": "alias/aws/sns"}}))
        self.assertIn("alarms: it is encrypted with alias/aws/sns, which CloudWatch may not use", found)

    def test_one_whose_policy_leaves_cloudwatch_out_is_found(self):
        of_budgets = {"Effect": "Allow", "Principal": {"Service": "budgets.amazonaws.com"}, "Action": "SNS:Publish"}
        attributes = {"Policy": json.dumps({"Statement": [of_budgets]})}
        _, (found,) = self.found(Cloud(get_topic_attributes={"Attributes": attributes}))
        self.assertIn("alarms: its policy does not let CloudWatch publish", found)

    def test_one_that_the_cloud_does_not_tell_of_is_found(self):
        class Refusing(Cloud):
            def get_topic_attributes(self, **_):
                raise ClientError({"Error": {"Code": "AuthorizationError", "Message": "no"}}, "GetTopicAttributes")

        stack, found = self.found(Refusing())
        self.assertEqual((list(stack.unread), found), (["alarms"], []))


class Cloud:
    """Answers one service's calls with what a test says."""

    def __init__(self, **answers):
        self.answers, self.asked = answers, {}

    def __call__(self, _):
        return self

    def __getattr__(self, operation):
        def call(**arguments):
            self.asked[operation] = arguments
            return self.answers[operation]

        return call


class Readers(unittest.TestCase):
    def test_a_queue_is_told_with_its_redrive_policy_and_its_names(self):
        arn = "arn:aws:sqs:eu-west-1:1:shop-x"
        attributes = {"VisibilityTimeout": "30", "QueueArn": arn, "RedrivePolicy": '{"maxReceiveCount": 5}'}
        cloud = Cloud(get_queue_attributes={"Attributes": attributes})
        found, names = READERS["AWS::SQS::Queue"](cloud, "url", {})
        self.assertEqual(found, {"VisibilityTimeout": "30", "RedrivePolicy": {"maxReceiveCount": 5}})
        self.assertEqual(names, {"Arn": arn, "QueueName": "shop-x"})

    def test_a_rule_is_asked_for_on_its_bus_whether_its_name_has_the_bus_or_not(self):
        for physical in ["shop|its-rule", "its-rule"]:
            cloud = Cloud(describe_rule={"State": "DISABLED", "EventPattern": '{"source": ["shop"]}'})
            found, _ = READERS["AWS::Events::Rule"](cloud, physical, {"EventBusName": "shop"})
            self.assertEqual(cloud.asked["describe_rule"], {"Name": "its-rule", "EventBusName": "shop"})
            self.assertEqual(found, {"State": "DISABLED", "EventPattern": {"source": ["shop"]}})

    def test_an_alarm_that_is_silenced_tells_nobody(self):
        cloud = Cloud(describe_alarms={"MetricAlarms": [{"Threshold": 0.0, "ActionsEnabled": False}]})
        self.assertEqual(READERS["AWS::CloudWatch::Alarm"](cloud, "a", {})[0], {"Threshold": 0.0, "AlarmActions": []})

    def test_a_log_level_is_told_if_it_drops_metrics(self):
        for level, expected in [("INFO", None), ("ERROR", {"LogFormat": "JSON", "ApplicationLogLevel": "ERROR"})]:
            logging = {"LogFormat": "JSON", "ApplicationLogLevel": level, "LogGroup": "x"}
            cloud = Cloud(get_function_configuration={"FunctionArn": "a", "LoggingConfig": logging})
            found, _ = READERS["AWS::Lambda::Function"](cloud, "f", {})
            self.assertEqual(found.get("LoggingConfig"), expected)

    def test_a_log_group_of_a_longer_name_is_another_one(self):
        groups = [{"logGroupName": "x-long"}, {"logGroupName": "x", "retentionInDays": 3}]
        cloud = Cloud(describe_log_groups={"logGroups": groups})
        self.assertEqual(READERS["AWS::Logs::LogGroup"](cloud, "x", {})[0], {"RetentionInDays": 3})


if __name__ == "__main__":
    unittest.main()
