"""What goes wrong is seen: each rule meets the fault that it is there for."""

import dataclasses
import unittest

import facts
from mutation import Mutation, arn, reference
from rules import monitoring


class MonitoringMutation(Mutation):
    def dashboard(self, *replacement):
        body = self.properties("Dashboard")["DashboardBody"]
        text = body["Fn::Sub"] if isinstance(body, dict) else body
        if replacement:
            self.assertIn(replacement[0], text, "the mutation changes nothing")
            self.properties("Dashboard")["DashboardBody"] = {"Fn::Sub": text.replace(*replacement)}
        return text

    def without_line(self, words):
        """Takes a line out of a widget, and the comma that is left over."""
        lines = self.dashboard().split("\n")
        kept = [line for line in lines if not all(word in line for word in words)]
        self.assertEqual(len(kept), len(lines) - 1, "the mutation is of one line")
        self.dashboard("\n".join(lines), "\n".join(kept).replace("],\n              ]", "]\n              ]"))


class Names(MonitoringMutation):
    def test_an_alarm_on_a_metric_that_nobody_emits_is_reported(self):
        self.properties("ReserveStockAgeAlarm")["MetricName"] = "EventAges"
        self.assert_reported("ReserveStockAgeAlarm", "nobody emits EventAges", "infra/metrics.json")

    def test_an_alarm_on_a_metric_by_a_dimension_that_it_has_not_is_reported(self):
        self.properties("ReserveStockAgeAlarm")["Dimensions"][0]["Name"] = "step"
        self.assert_reported("ReserveStockAgeAlarm", "EventAge", "by step")

    def test_an_alarm_in_a_namespace_that_nobody_writes_to_is_reported(self):
        self.properties("ReserveStockAgeAlarm")["Namespace"] = "Throughline"
        self.assert_reported("ReserveStockAgeAlarm", "EventAge of Throughline by")

    def test_an_alarm_on_something_that_aws_does_not_measure_is_reported(self):
        self.properties("RelayOutboxLagAlarm")["MetricName"] = "IteratorAges"
        self.assert_reported("RelayOutboxLagAlarm", "IteratorAges of AWS/Lambda")

    def test_an_alarm_that_computes_from_a_metric_that_nobody_emits_is_reported(self):
        self.properties("PlaceOrderErrorRateAlarm")["Metrics"][2]["MetricStat"]["Metric"]["MetricName"] = "Tries"
        self.assert_reported("PlaceOrderErrorRateAlarm", "Tries", "(on AWS")

    def test_an_alarm_on_log_lines_that_are_not_counted_is_reported(self):
        self.remove("CheckoutNotUnderstoodFilter")
        self.assert_reported("CheckoutNotUnderstoodAlarm", "nobody emits CheckoutNotUnderstood")

    def test_a_search_for_a_metric_that_nobody_emits_is_reported(self):
        self.dashboard('MetricName=\\"ColdStart\\"', 'MetricName=\\"ColdStarts\\"')
        self.assert_reported("Dashboard", "nobody emits ColdStarts")

    def test_a_search_by_a_dimension_that_the_metric_has_not_is_reported(self):
        self.dashboard('handler} MetricName=\\"ColdStart\\"', 'handler,step} MetricName=\\"ColdStart\\"')
        self.assert_reported("Dashboard", "ColdStart", "by handler, step")

    def test_a_search_that_cannot_be_read_is_reported(self):
        self.dashboard('MetricName=\\"ColdStart\\"', "ColdStart")
        self.assert_reported("what_is_watched_is_measured", "ColdStart", "write SEARCH")

    def test_a_dashboard_that_is_no_json_is_reported(self):
        self.dashboard('"widgets": [', '"widgets": [,')
        self.assert_reported("a_queue_is_on_the_dashboard", "Dashboard has no DashboardBody in JSON")

    def test_a_metric_that_nobody_looks_at_is_reported(self):
        self.without_line(['MetricName=\\"ColdStart\\"'])
        self.assert_reported("ColdStart", "no alarm or widget")

    def test_a_metric_that_is_new_is_reported_until_somebody_looks_at_it(self):
        new = {"Naps": {"name": "Naps", "dimensions": [["handler"]], "emittedBy": ["handler"]}}
        self.facts = dataclasses.replace(self.facts, metrics=self.facts.metrics | new)
        self.assert_reported("Naps", "no alarm or widget")

    def test_functions_that_write_to_several_namespaces_are_reported(self):
        self.variables("PlaceOrderFunction")["THROUGHLINE_METRICS_NAMESPACE"] = "Elsewhere"
        self.assert_reported("THROUGHLINE_METRICS_NAMESPACE", "Elsewhere", "Globals")

    def test_an_alarm_of_a_handler_that_there_is_not_is_reported(self):
        self.properties("ReserveStockAgeAlarm")["Dimensions"][0]["Value"] = "reserve-stocks"
        self.assert_reported("ReserveStockAgeAlarm", "handler reserve-stocks")

    def test_an_alarm_of_a_handler_that_does_not_emit_the_metric_is_reported(self):
        self.properties("ReserveStockAgeAlarm")["Dimensions"][0]["Value"] = "relay"
        self.assert_reported("ReserveStockAgeAlarm", "handler relay has no EventAge")

    def test_an_alarm_of_a_queue_by_its_url_is_reported(self):
        self.properties("PlaceOrderWaitAlarm")["Dimensions"][0]["Value"] = reference("PlaceOrderQueue")
        self.assert_reported("PlaceOrderWaitAlarm", "QueueName ${PlaceOrderQueue}")

    def test_an_alarm_of_a_function_by_its_arn_is_reported(self):
        self.properties("RelayOutboxLagAlarm")["Dimensions"][0]["Value"] = arn("RelayOutboxFunction")
        self.assert_reported("RelayOutboxLagAlarm", "FunctionName ${RelayOutboxFunction.Arn}")


class Alarms(MonitoringMutation):
    def test_an_alarm_without_a_command_is_reported(self):
        self.properties("CheckoutFailedAlarm")["AlarmDescription"] = "A checkout failed. Look into it."
        self.assert_reported("CheckoutFailedAlarm", "AlarmDescription")

    def test_an_alarm_that_tells_nobody_is_reported(self):
        del self.properties("CheckoutFailedAlarm")["AlarmActions"]
        self.assert_reported("CheckoutFailedAlarm", "nobody would be told", "(on AWS")

    def test_a_dead_letter_queue_without_an_alarm_is_reported(self):
        self.remove("ConfirmOrderDeadLettersAlarm")
        self.assert_reported("ConfirmOrderDeadLetterQueue", "ApproximateNumberOfMessagesVisible above 0")

    def test_an_alarm_that_the_first_dead_letter_does_not_raise_is_reported(self):
        self.properties("ConfirmOrderDeadLettersAlarm")["Threshold"] = 1
        self.assert_reported("ConfirmOrderDeadLetterQueue", "ApproximateNumberOfMessagesVisible above 0")

    def test_a_queue_whose_messages_may_wait_unnoticed_is_reported(self):
        self.remove("PlaceOrderWaitAlarm")
        self.assert_reported("PlaceOrderQueue", "ApproximateAgeOfOldestMessage")

    def test_a_function_that_events_may_reach_late_is_reported_behind_a_queue_and_without_one(self):
        for function in ["ReserveStock", "ConfirmOrder"]:
            with self.subTest(function):
                self.setUp()
                self.remove(f"{function}AgeAlarm")
                self.assert_reported(f"{function}Function", "EventAge of handler")

    def test_a_relay_that_may_fall_behind_unnoticed_is_reported(self):
        self.remove("RelayOutboxLagAlarm")
        self.assert_reported("RelayOutboxMapping", "IteratorAge")

    def test_a_function_that_may_fail_unnoticed_is_reported_where_alarms_can_compute(self):
        self.remove("PlaceOrderErrorRateAlarm")
        self.assert_reported("PlaceOrderFunction", "error rate", "(on AWS")


class AlarmTopics(MonitoringMutation):
    """A template that has the topic of its alarms itself, with a key of its own."""

    def setUp(self):
        super().setUp()
        self.add("AlarmKey", "AWS::KMS::Key", KeyPolicy={"Statement": [self.of_cloud_watch("kms:Decrypt", "kms:GenerateDataKey*")]})
        self.add("AlarmTopic", "AWS::SNS::Topic", KmsMasterKeyId=arn("AlarmKey"))
        policy = {"Statement": self.of_cloud_watch("sns:Publish")}
        self.add("AlarmTopicPolicy", "AWS::SNS::TopicPolicy", Topics=[reference("AlarmTopic")], PolicyDocument=policy)
        for resource in self.resources.values():
            if resource["Type"] == "AWS::CloudWatch::Alarm":
                topics = [reference("AlarmTopicArn"), reference("AlarmTopic")]
                resource["Properties"]["AlarmActions"] = {"Fn::If": ["Alarms", topics, reference("AWS::NoValue")]}

    @staticmethod
    def of_cloud_watch(*actions):
        return {"Effect": "Allow", "Principal": {"Service": "cloudwatch.amazonaws.com"}, "Action": list(actions), "Resource": "*"}

    def test_a_key_and_a_policy_that_let_cloudwatch_publish_are_accepted(self):
        self.assert_accepted()

    def test_a_topic_without_a_key_or_a_policy_of_its_own_is_accepted(self):
        del self.properties("AlarmTopic")["KmsMasterKeyId"]
        self.remove("AlarmTopicPolicy")
        self.assert_accepted()

    def test_a_topic_and_a_key_of_another_stack_are_accepted(self):
        self.properties("AlarmTopic")["KmsMasterKeyId"] = {"Fn::ImportValue": "alarm-key"}
        for resource in self.resources.values():
            if resource["Type"] == "AWS::CloudWatch::Alarm":
                resource["Properties"]["OKActions"] = [{"Fn::ImportValue": "alarms"}]
        self.assert_accepted()

    def test_the_key_that_aws_manages_is_reported(self):
        for key in ["alias/aws/sns", {"Fn::Sub": "arn:aws:kms:${AWS::Region}:${AWS::AccountId}:alias/aws/sns"}]:
            with self.subTest(key):
                self.properties("AlarmTopic")["KmsMasterKeyId"] = key
                self.assert_reported("AlarmTopic", "alias/aws/sns, which CloudWatch may not use", "kms:GenerateDataKey*")

    def test_such_a_key_of_a_topic_that_no_alarm_goes_to_is_accepted(self):
        self.assertEqual(self.properties("NotificationsTopic")["KmsMasterKeyId"], "alias/aws/sns")
        self.assert_accepted()

    def test_a_key_that_cloudwatch_may_not_use_is_reported(self):
        for actions in [["kms:Decrypt"], ["kms:GenerateDataKey*"], ["kms:Encrypt"]]:
            with self.subTest(actions):
                self.properties("AlarmKey")["KeyPolicy"]["Statement"] = [self.of_cloud_watch(*actions)]
                self.assert_reported("AlarmKey", "CloudWatch may not use it for AlarmTopic")

    def test_a_policy_that_does_not_let_cloudwatch_publish_is_reported(self):
        statement = self.properties("AlarmTopicPolicy")["PolicyDocument"]["Statement"]
        for key, value in {
            "Effect": "Deny",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": "sns:Subscribe",
        }.items():
            with self.subTest(key):
                statement_before = dict(statement)
                statement[key] = value
                self.assert_reported("AlarmTopic", "its policy does not let CloudWatch publish")
                statement |= statement_before

    def test_a_policy_for_everybody_of_the_account_serves(self):
        statement = self.properties("AlarmTopicPolicy")["PolicyDocument"]["Statement"]
        statement |= {"Principal": {"AWS": "*"}, "Action": ["SNS:Publish"]}
        self.assert_accepted()


class TheDashboard(MonitoringMutation):
    def test_a_dead_letter_queue_that_is_not_shown_is_reported(self):
        self.without_line(["${PlaceOrderDeadLetterQueue.QueueName}"])
        self.assert_reported("PlaceOrderDeadLetterQueue", "no widget shows")

    def test_a_queue_that_is_not_shown_is_reported(self):
        self.without_line(["${PlaceOrderQueue.QueueName}"])
        self.assert_reported("PlaceOrderQueue", "no widget shows")

    def test_a_function_that_is_not_shown_is_reported(self):
        self.without_line(["${PlaceOrderFunction}"])
        self.assert_reported("PlaceOrderFunction", "no widget shows its Errors")

    def test_a_widget_on_top_of_another_is_reported(self):
        self.dashboard('"x": 12, "y": 9,', '"x": 11, "y": 9,')
        self.assert_reported("Dashboard", "lies over", "column 11, row 9")

    def test_a_widget_beyond_the_edge_is_reported(self):
        self.dashboard('"x": 12, "y": 9,', '"x": 13, "y": 9,')
        self.assert_reported("Dashboard", "lies over the edge")


class LogsAndTraces(MonitoringMutation):
    def test_a_query_for_a_field_that_is_not_logged_is_reported(self):
        self.properties("LineQuery")["QueryString"] = "fields @timestamp, correlation_id | sort @timestamp"
        self.assert_reported("LineQuery", "the field correlation_id", "(on AWS")

    def test_a_filter_on_a_field_that_is_not_logged_is_reported(self):
        self.properties("CheckoutNotUnderstoodFilter")["FilterPattern"] = '{ $.errortype = "Saga.NotUnderstood" }'
        self.assert_reported("CheckoutNotUnderstoodFilter", "the field errortype")

    def test_what_a_query_calls_its_own_figures_is_no_field(self):
        query = 'filter level = "WARN" | stats count(*) as times, latest(reason) by handler | sort times desc'
        self.assertEqual(monitoring.fields_of_query(query), {"level", "reason", "handler"})

    def test_a_query_that_leaves_a_function_out_is_reported(self):
        self.properties("LineQuery")["LogGroupNames"].remove(reference("PlaceOrderLogGroup"))
        self.assert_reported("LineQuery", "PlaceOrderLogGroup")

    def test_a_function_that_is_not_traced_is_reported(self):
        del self.properties("PlaceOrderFunction")["TracingConfig"]
        self.assert_reported("PlaceOrderFunction", "Tracing")

    def test_a_function_that_may_not_write_its_traces_is_reported(self):
        self.without_action("PlaceOrderRole", "WriteItsTraces", "xray:PutTraceSegments")
        self.assert_reported("PlaceOrderRole", "xray:PutTraceSegments")


class FieldsOfRustSources(unittest.TestCase):
    def test_every_way_to_write_a_field_is_read(self):
        source = """
            let span = info_span!("record", handler = self.name(), eventid = Empty, retries = f(a, b));
            warn!(verdict = "retry, or not", ?after, %reason, error_type, task.step, "to be delivered (again)");
            other!(missed = 1);
        """
        fields = {"handler", "eventid", "retries", "verdict", "after", "reason", "error_type", "task"}
        self.assertEqual(facts.logged_fields(source), fields)

    def test_what_tests_log_is_not_read(self):
        source = "info!(kept = 1);\n\n#[cfg(test)]\nmod tests {\n    info!(spurious = 1);\n}"
        self.assertEqual(facts.logged_fields(source), {"kept"})


if __name__ == "__main__":
    unittest.main()
