"""Rules of event buses and their targets: each meets the fault that it is there for."""

import unittest

from mutation import Mutation, arn, reference


class Rules(Mutation):
    def test_a_rule_that_takes_everything_is_reported(self):
        del self.properties("ReserveStockRule")["EventPattern"]["detail-type"]
        self.assert_reported("ReserveStockRule", "detail-type")

    def test_a_rule_without_a_target_is_reported(self):
        self.properties("ReserveStockRule")["Targets"] = []
        self.assert_reported("ReserveStockRule", "target")

    def test_a_target_without_a_dead_letter_queue_is_reported(self):
        del self.properties("ReserveStockRule")["Targets"][0]["DeadLetterConfig"]
        self.assert_reported("ReserveStockRule", "DeadLetterConfig")

    def test_a_target_outside_the_template_is_reported(self):
        self.properties("ReserveStockRule")["Targets"][0]["Arn"] = "arn:aws:sqs:us-east-1:000000000000:another"
        self.assert_reported("ReserveStockRule", "another")

    def test_a_dead_letter_queue_outside_the_template_is_reported(self):
        self.properties("ReserveStockRule")["Targets"][0]["DeadLetterConfig"]["Arn"] = "arn:aws:sqs:us-east-1:1:another"
        self.assert_reported("ReserveStockRule", "DeadLetterConfig", "another")

    def test_a_rule_without_a_permission_for_its_function_is_reported(self):
        self.remove("ConfirmOrderPermission")
        self.assert_reported("ConfirmOrderRule", "AWS::Lambda::Permission", "ConfirmOrderFunction")

    def test_a_permission_for_another_function_rule_or_service_does_not_serve(self):
        for key, value in {
            "FunctionName": reference("PlaceOrderFunction"),
            "SourceArn": arn("ReserveStockRule"),
            "Principal": "sns.amazonaws.com",
            "Action": "lambda:GetFunction",
        }.items():
            with self.subTest(key):
                self.setUp()
                self.properties("ConfirmOrderPermission")[key] = value
                self.assert_reported("ConfirmOrderRule", "AWS::Lambda::Permission")

    def test_a_permission_for_any_rule_does_not_serve(self):
        del self.properties("ConfirmOrderPermission")["SourceArn"]
        self.assert_reported("ConfirmOrderRule", "SourceArn")

    def test_a_rule_without_a_policy_of_its_queue_is_reported(self):
        self.remove("ReserveStockQueuePolicy")
        self.assert_reported("ReserveStockRule", "may not send to ReserveStockQueue;")

    def test_a_rule_without_a_policy_of_its_dead_letter_queue_is_reported(self):
        self.remove("ConfirmOrderQueuePolicy")
        self.assert_reported("ConfirmOrderRule", "may not send to ConfirmOrderDeadLetterQueue")

    def test_a_capturing_rule_without_a_policy_of_its_queue_is_reported(self):
        self.remove("BusCaptureQueuePolicy")
        self.assert_reported("BusCaptureRule", "BusCaptureQueue", "(on ministack")

    def test_a_policy_that_is_not_attached_to_the_queue_does_not_serve(self):
        self.properties("ReserveStockQueuePolicy")["Queues"] = [reference("ReserveStockDeadLetterQueue")]
        self.assert_reported("ReserveStockRule", "may not send to ReserveStockQueue;")

    def test_a_policy_for_another_service_action_queue_or_rule_does_not_serve(self):
        for key, value in {
            "Effect": "Deny",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:GetQueueUrl",
            "Resource": arn("PlaceOrderQueue"),
            "Condition": {"ArnEquals": {"aws:SourceArn": arn("ConfirmOrderRule")}},
        }.items():
            with self.subTest(key):
                self.setUp()
                self.statement("ReserveStockQueuePolicy", "OnlyItsRule")[key] = value
                self.assert_reported("ReserveStockRule", "may not send to ReserveStockQueue;")

    def test_a_direct_invocation_without_a_configuration_is_reported(self):
        self.remove("ConfirmOrderInvocations")
        self.assert_reported("ConfirmOrderFunction", "AWS::Lambda::EventInvokeConfig", "ConfirmOrderRule")

    def test_a_direct_invocation_without_a_destination_is_reported(self):
        del self.properties("ConfirmOrderInvocations")["DestinationConfig"]
        self.assert_reported("ConfirmOrderFunction", "OnFailure")

    def test_a_configuration_of_an_alias_does_not_serve(self):
        self.properties("ConfirmOrderInvocations")["Qualifier"] = "live"
        self.assert_reported("ConfirmOrderFunction", "$LATEST")

    def test_the_right_to_send_to_an_invocation_s_destination_is_needed(self):
        self.without_statement("ConfirmOrderRole", "WriteItsDeadLetters")
        self.assert_reported("ConfirmOrderRole", "sqs:SendMessage", "OnFailure destination of ConfirmOrderInvocations")


class FifoTargets(Mutation):
    def setUp(self):
        super().setUp()
        self.queue = self.properties("ReserveStockQueue")
        self.queue |= {"FifoQueue": True, "ContentBasedDeduplication": "true"}
        # As SQS wants it; EventBridge has a queue of its own for what it cannot deliver.
        self.properties("ReserveStockDeadLetterQueue")["FifoQueue"] = True
        self.target = self.properties("ReserveStockRule")["Targets"][0]
        self.target["DeadLetterConfig"]["Arn"] = arn("ConfirmOrderDeadLetterQueue")
        self.target["SqsParameters"] = {"MessageGroupId": "stock"}
        statement = self.properties("ConfirmOrderQueuePolicy")["PolicyDocument"]["Statement"]
        (statement[0] if isinstance(statement, list) else statement)["Condition"]["ArnEquals"]["aws:SourceArn"] = [
            arn("ConfirmOrderRule"),
            arn("ReserveStockRule"),
        ]

    def test_a_group_and_deduplication_by_content_are_accepted(self):
        self.assert_accepted()

    def test_a_target_without_a_group_is_reported(self):
        for parameters in [None, {}, {"MessageGroupId": ""}]:
            with self.subTest(parameters):
                self.target["SqsParameters"] = parameters or {}
                self.assert_reported("ReserveStockRule", "ReserveStockQueue is a FIFO queue", "set MessageGroupId")
        del self.target["SqsParameters"]
        self.assert_reported("ReserveStockRule", "set MessageGroupId in SqsParameters")

    def test_a_queue_that_has_nothing_to_tell_a_repeat_by_is_reported(self):
        for value in [None, False, "false"]:
            with self.subTest(value):
                self.queue["ContentBasedDeduplication"] = value or False
                self.assert_reported("ReserveStockQueue", "ReserveStockRule names no deduplication id")

    def test_schedules_and_pipes_need_a_group_as_well(self):
        self.add("Nightly", "AWS::Scheduler::Schedule", Target={"Arn": arn("ReserveStockQueue"), "SqsParameters": {}})
        self.add("Copy", "AWS::Pipes::Pipe", Target=arn("ReserveStockQueue"))
        self.assert_reported("Nightly", "set MessageGroupId in SqsParameters")
        self.assert_reported("Copy", "set MessageGroupId in SqsQueueParameters")
        self.properties("Nightly")["Target"]["SqsParameters"]["MessageGroupId"] = "stock"
        self.properties("Copy")["TargetParameters"] = {"SqsQueueParameters": {"MessageGroupId": "stock"}}
        self.assert_accepted()

    def test_a_dead_letter_queue_that_eventbridge_cannot_write_to_is_reported(self):
        self.properties("ConfirmOrderDeadLetterQueue")["FifoQueue"] = "true"
        self.assert_reported("ReserveStockRule", "EventBridge keeps nothing there")


if __name__ == "__main__":
    unittest.main()
