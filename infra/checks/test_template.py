"""Each rule meets the fault that it is there for: the real template has none, a mutation of it has one."""

import copy
import unittest

from findings import RULES
from mutation import Mutation, arn, reference


class TheRealTemplate(Mutation):
    def test_it_has_no_problem(self):
        self.assert_accepted()

    def test_every_rule_says_why_it_is_there(self):
        self.assertEqual([check.__name__ for check in RULES if not check.__doc__], [])

    def test_other_ways_to_write_the_same_are_accepted(self):
        self.properties("ReserveStockRule")["Targets"][0]["Arn"] = {"Fn::Sub": "${ReserveStockQueue.Arn}"}
        self.properties("PlaceOrderMapping")["FunctionName"] = arn("PlaceOrderFunction")
        self.properties("PlaceOrderMapping")["EventSourceArn"] = {"Fn::GetAtt": "PlaceOrderQueue.Arn"}
        self.statement("PlaceOrderRole", "WriteItsLogs")["Resource"] = arn("PlaceOrderLogGroup")
        self.properties("PlaceOrderLogGroup")["LogGroupName"] = {
            "Fn::Join": ["", ["/aws/lambda/", reference("AWS::StackName"), "-place-order"]]
        }
        self.properties("ReserveStockQueue")["MessageRetentionPeriod"] = {
            "Fn::If": ["CapturesEvents", 60, reference("MessageRetentionSeconds")]
        }
        self.assert_accepted()

    def test_a_right_may_come_from_a_policy_of_its_own(self):
        role = self.properties("PlaceOrderRole")
        document = role.pop("Policies")[0]["PolicyDocument"]
        self.add("PlaceOrderPolicy", "AWS::IAM::Policy", Roles=[reference("PlaceOrderRole")], PolicyDocument=document)
        self.assert_accepted()

    def test_a_problem_of_one_place_names_it(self):
        self.default("FunctionTimeoutSeconds", 11)
        self.assert_reported("PlaceOrderQueue", "VisibilityTimeout is 60 s", "(on AWS")


class Mappings(Mutation):
    def test_a_mapping_to_a_function_of_another_stack_is_reported(self):
        self.properties("PlaceOrderMapping")["FunctionName"] = "another"
        self.assert_reported("PlaceOrderMapping", "function of this template")

    def test_a_mapping_that_names_a_queue_by_its_url_is_reported(self):
        self.properties("PlaceOrderMapping")["EventSourceArn"] = reference("PlaceOrderQueue")
        self.assert_reported("PlaceOrderMapping", "EventSourceArn")

    def test_a_mapping_that_reports_no_single_failures_is_reported(self):
        del self.properties("PlaceOrderMapping")["FunctionResponseTypes"]
        self.assert_reported("PlaceOrderMapping", "ReportBatchItemFailures")

    def test_every_right_to_read_a_queue_is_needed(self):
        for action in ["ChangeMessageVisibility", "DeleteMessage", "GetQueueAttributes", "ReceiveMessage"]:
            with self.subTest(action):
                self.setUp()
                self.without_action("PlaceOrderRole", "ReadItsQueue", f"sqs:{action}")
                self.assert_reported("PlaceOrderRole", f"sqs:{action}", "PlaceOrderQueue", "PlaceOrderMapping")

    def test_rights_to_read_another_queue_do_not_serve(self):
        self.statement("PlaceOrderRole", "ReadItsQueue")["Resource"] = arn("ReserveStockQueue")
        self.assert_reported("PlaceOrderRole", "sqs:ReceiveMessage", "PlaceOrderQueue")

    def test_every_right_to_read_a_stream_is_needed(self):
        for action in ["DescribeStream", "GetRecords", "GetShardIterator"]:
            with self.subTest(action):
                self.setUp()
                self.without_action("RelayOutboxRole", "ReadTheStream", f"dynamodb:{action}")
                self.assert_reported("RelayOutboxRole", f"dynamodb:{action}", "LedgerTable.StreamArn")

    def test_the_right_to_list_streams_is_needed(self):
        self.without_statement("RelayOutboxRole", "FindTheStream")
        self.assert_reported("RelayOutboxRole", "dynamodb:ListStreams", "${LedgerTable.Arn}/stream/*")

    def test_a_right_under_a_condition_does_not_serve(self):
        self.statement("PlaceOrderRole", "ReadItsQueue")["Condition"] = {"Bool": {"aws:SecureTransport": "false"}}
        self.assert_reported("PlaceOrderRole", "sqs:ReceiveMessage", "without a Condition")

    def test_a_right_that_is_denied_elsewhere_does_not_serve(self):
        self.statements("PlaceOrderRole").append({"Effect": "Deny", "Action": "sqs:*", "Resource": "*"})
        self.assert_reported("PlaceOrderRole", "sqs:ReceiveMessage")

    def test_the_right_to_send_to_a_mapping_s_destination_is_needed(self):
        self.without_statement("RelayOutboxRole", "WriteItsDeadLetters")
        self.assert_reported("RelayOutboxRole", "sqs:SendMessage", "OnFailure destination of RelayOutboxMapping")

    def test_a_destination_that_is_no_queue_is_reported(self):
        self.properties("RelayOutboxMapping")["DestinationConfig"]["OnFailure"]["Destination"] = arn("LedgerTable")
        self.assert_reported("RelayOutboxMapping", "not the Arn of a queue")

    def test_a_stream_mapping_that_does_not_bisect_is_reported(self):
        del self.properties("RelayOutboxMapping")["BisectBatchOnFunctionError"]
        self.assert_reported("RelayOutboxMapping", "BisectBatchOnFunctionError")

    def test_a_stream_mapping_without_a_destination_is_reported(self):
        del self.properties("RelayOutboxMapping")["DestinationConfig"]
        self.assert_reported("RelayOutboxMapping", "OnFailure")

    def test_a_stream_mapping_without_filters_is_reported(self):
        del self.properties("RelayOutboxMapping")["FilterCriteria"]
        self.assert_reported("RelayOutboxMapping", "FilterCriteria")

    def test_a_stream_mapping_that_loses_commands_is_reported(self):
        self.properties("RelayOutboxMapping")["FilterCriteria"]["Filters"].pop()
        self.assert_reported("RelayOutboxMapping", "command#")

    def test_a_stream_mapping_that_takes_more_than_inserts_is_reported(self):
        first = self.properties("RelayOutboxMapping")["FilterCriteria"]["Filters"][0]
        first["Pattern"] = first["Pattern"].replace('["INSERT"]', '["INSERT","MODIFY"]')
        self.assert_reported("RelayOutboxMapping", "INSERT")

    def test_a_stream_mapping_that_takes_every_insert_is_reported(self):
        self.properties("RelayOutboxMapping")["FilterCriteria"]["Filters"].append({"Pattern": '{"eventName":["INSERT"]}'})
        self.assert_reported("RelayOutboxMapping", "sk")

    def test_a_filter_that_is_no_json_is_reported(self):
        self.properties("RelayOutboxMapping")["FilterCriteria"]["Filters"][0]["Pattern"] = "event#"
        self.assert_reported("RelayOutboxMapping", "FilterCriteria")

    def test_a_queue_that_hides_messages_too_briefly_is_reported(self):
        self.properties("PlaceOrderQueue")["VisibilityTimeout"] = 29
        self.assert_reported("PlaceOrderQueue", "VisibilityTimeout is 29 s", "PlaceOrderFunction")

    def test_a_number_that_cannot_be_known_is_reported(self):
        self.properties("PlaceOrderQueue")["VisibilityTimeout"] = {"Fn::ImportValue": "visibility"}
        self.assert_reported("a_queue_hides_a_message_while_it_is_handled", "not a number")

    def test_a_queue_mapping_without_a_bound_is_reported(self):
        del self.properties("PlaceOrderMapping")["ScalingConfig"]
        self.assert_reported("PlaceOrderMapping", "MaximumConcurrency")


class Queues(Mutation):
    def test_a_queue_without_encryption_is_reported(self):
        del self.properties("PlaceOrderQueue")["SqsManagedSseEnabled"]
        self.assert_reported("PlaceOrderQueue", "SqsManagedSseEnabled")

    def test_a_queue_that_feeds_a_function_and_has_no_dead_letter_queue_is_reported(self):
        del self.properties("PlaceOrderQueue")["RedrivePolicy"]
        self.assert_reported("PlaceOrderQueue", "RedrivePolicy")

    def test_a_queue_with_a_dead_letter_queue_that_feeds_no_function_is_reported(self):
        self.remove("PlaceOrderMapping")
        self.assert_reported("PlaceOrderQueue", "feeds no function")

    def test_a_queue_that_is_received_too_rarely_is_reported(self):
        self.properties("PlaceOrderQueue")["RedrivePolicy"]["maxReceiveCount"] = 4
        self.assert_reported("PlaceOrderQueue", "maxReceiveCount")

    def test_a_function_that_counts_receives_otherwise_than_its_queue_is_reported(self):
        self.variables("PlaceOrderFunction")["THROUGHLINE_MAX_RECEIVE_COUNT"] = "6"
        self.assert_reported("PlaceOrderFunction", "THROUGHLINE_MAX_RECEIVE_COUNT is 6", "PlaceOrderQueue")

    def test_a_dead_letter_queue_of_a_queue_that_keeps_too_briefly_is_reported(self):
        self.properties("PlaceOrderDeadLetterQueue")["MessageRetentionPeriod"] = 86_400
        self.assert_reported("PlaceOrderDeadLetterQueue", "MessageRetentionPeriod")

    def test_a_dead_letter_queue_of_a_stream_that_keeps_too_briefly_is_reported(self):
        self.properties("RelayOutboxDeadLetterQueue")["MessageRetentionPeriod"] = 86_400
        self.assert_reported("RelayOutboxDeadLetterQueue", "MessageRetentionPeriod")

    def test_a_queue_policy_without_a_condition_is_reported(self):
        del self.statement("ReserveStockQueuePolicy", "OnlyItsRule")["Condition"]
        self.assert_reported("ReserveStockQueuePolicy", "Condition")
        self.assert_reported("ReserveStockRule", "may not send to ReserveStockQueue")

    def test_a_queue_policy_for_any_rule_is_reported(self):
        anyone = {"ArnLike": {"aws:SourceArn": "arn:aws:events:*:*:rule/*"}}
        self.statement("ReserveStockQueuePolicy", "OnlyItsRule")["Condition"] = anyone
        self.assert_reported("ReserveStockQueuePolicy", "anyone's rule")


class StateMachines(Mutation):
    def definition(self):
        return self.properties("CheckoutStateMachine")["Definition"]

    def test_a_place_that_nothing_takes_is_reported(self):
        self.definition()["States"]["ship"]["Parameters"]["FunctionName"] = "${Shipper}"
        self.assert_reported("CheckoutStateMachine", "${Shipper}", "DefinitionSubstitutions")

    def test_a_substitution_without_a_place_is_reported(self):
        self.properties("CheckoutStateMachine")["DefinitionSubstitutions"]["Shipper"] = arn("CheckoutFunction")
        self.assert_reported("CheckoutStateMachine", "Shipper", "no place")

    def test_a_worker_of_another_stack_is_reported(self):
        self.properties("CheckoutStateMachine")["DefinitionSubstitutions"]["WorkerArn"] = "arn:of:another"
        self.assert_reported("CheckoutStateMachine", "no function of this template")
        self.assert_reported("CheckoutFunction", "nothing invokes it")

    def test_a_worker_that_runs_longer_than_the_saga_says_is_reported(self):
        self.properties("CheckoutFunction")["Timeout"] = 61
        self.assert_reported("CheckoutFunction", "Timeout is 61 s", "gives it 60 s")

    def test_a_task_that_is_waited_for_less_is_reported_wherever_it_is(self):
        self.definition()["States"]["undo_ship"]["TimeoutSeconds"] = 69
        self.assert_reported("CheckoutFunction", "gives it 59 s")
        branch = {"StartAt": "deep", "States": {"deep": dict(self.definition()["States"]["ship"], TimeoutSeconds=20)}}
        self.definition()["States"]["group"] = {"Type": "Parallel", "Branches": [branch], "Next": "Completed"}
        self.assert_reported("CheckoutFunction", "gives it 10 s")

    def test_an_answer_from_outside_has_its_own_time(self):
        self.definition()["States"]["approve"]["TimeoutSeconds"] = 5
        self.assert_accepted()

    def test_the_right_to_invoke_the_worker_is_needed(self):
        self.without_statement("CheckoutStateMachineRole", "HaveStepsDone")
        self.assert_reported("CheckoutStateMachineRole", "lambda:InvokeFunction", "CheckoutFunction.Arn")

    def test_a_state_machine_with_a_role_of_another_stack_is_reported(self):
        self.properties("CheckoutStateMachine")["RoleArn"] = "arn:aws:iam::000000000000:role/another"
        self.assert_reported("CheckoutStateMachine", "RoleArn")

    def test_deliveries_on_everything_are_for_state_machines_alone(self):
        self.allow("PlaceOrderRole", "logs:CreateLogDelivery", "*")
        self.assert_reported("PlaceOrderRole", "logs:CreateLogDelivery is allowed on *")

    def test_another_right_of_a_state_machine_on_everything_is_reported(self):
        self.allow("CheckoutStateMachineRole", "lambda:InvokeFunction", "*")
        self.assert_reported("CheckoutStateMachineRole", "lambda:InvokeFunction is allowed on *")

    def test_a_state_machine_without_logs_is_reported(self):
        del self.properties("CheckoutStateMachine")["LoggingConfiguration"]
        self.assert_reported("CheckoutStateMachine", "LoggingConfiguration")

    def test_logs_with_what_it_carries_are_reported(self):
        self.properties("CheckoutStateMachine")["LoggingConfiguration"]["IncludeExecutionData"] = True
        self.assert_reported("CheckoutStateMachine", "IncludeExecutionData")

    def test_logs_that_are_kept_for_ever_are_reported(self):
        del self.properties("CheckoutStateMachineLogGroup")["RetentionInDays"]
        self.assert_reported("CheckoutStateMachine", "RetentionInDays")

    def test_every_bad_end_needs_its_alarm(self):
        for end in ["Aborted", "Failed", "TimedOut"]:
            with self.subTest(end):
                self.setUp()
                self.remove(f"Checkout{end}Alarm")
                self.assert_reported("CheckoutStateMachine", f"Executions{end}")

    def test_an_alarm_of_another_machine_or_with_patience_does_not_serve(self):
        self.properties("CheckoutFailedAlarm")["Dimensions"][0]["Value"] = "arn:of:another"
        self.properties("CheckoutAbortedAlarm")["Threshold"] = 1
        self.assert_reported("CheckoutStateMachine", "ExecutionsFailed")
        self.assert_reported("CheckoutStateMachine", "ExecutionsAborted")

    def test_a_worker_that_is_behind_needs_its_alarm(self):
        self.remove("CheckoutNotUnderstoodAlarm")
        self.assert_reported("CheckoutFunction", "Saga.NotUnderstood")

    def test_a_metric_of_other_logs_does_not_serve(self):
        self.properties("CheckoutNotUnderstoodFilter")["LogGroupName"] = reference("PlaceOrderLogGroup")
        self.assert_reported("CheckoutFunction", "Saga.NotUnderstood")

    def test_a_stuck_saga_needs_its_rule(self):
        for change in [
            {"EventBusName": reference("EventBus")},
            {"State": "DISABLED"},
            {"EventPattern": {"source": ["aws.states"], "detail-type": ["Step Functions Execution Status Change"]}},
        ]:
            with self.subTest(change):
                self.setUp()
                self.properties("ReportStuckSagasRule").update(change)
                self.assert_reported("CheckoutStateMachine", "no rule on the default bus")


class Functions(Mutation):
    def test_another_runtime_is_reported(self):
        self.properties("PlaceOrderFunction")["Runtime"] = "provided.al2"
        self.assert_reported("PlaceOrderFunction", "provided.al2023")

    def test_a_function_without_a_mapping_is_reported(self):
        self.remove("RelayOutboxMapping")
        self.assert_reported("RelayOutboxFunction", "nothing invokes it")

    def test_a_function_without_a_rule_is_reported(self):
        self.remove("ConfirmOrderRule")
        self.assert_reported("ConfirmOrderFunction", "nothing invokes it")

    def test_a_function_whose_source_is_switched_off_is_reported(self):
        self.properties("PlaceOrderMapping")["Enabled"] = False
        self.assert_reported("PlaceOrderFunction", "nothing invokes it")
        self.properties("ConfirmOrderRule")["State"] = "DISABLED"
        self.assert_reported("ConfirmOrderFunction", "nothing invokes it")

    def test_a_function_with_a_role_of_another_stack_is_reported(self):
        self.properties("PlaceOrderFunction")["Role"] = "arn:aws:iam::000000000000:role/another"
        self.assert_reported("PlaceOrderFunction", "Role")

    def test_a_function_without_a_log_group_is_reported(self):
        self.remove("PlaceOrderLogGroup")
        self.assert_reported("PlaceOrderFunction", "/aws/lambda/${AWS::StackName}-place-order")

    def test_a_log_group_of_another_name_does_not_serve(self):
        self.properties("PlaceOrderLogGroup")["LogGroupName"] = "/aws/lambda/another"
        self.assert_reported("PlaceOrderFunction", "no log group")

    def test_a_log_group_that_keeps_for_ever_is_reported(self):
        del self.properties("PlaceOrderLogGroup")["RetentionInDays"]
        self.assert_reported("PlaceOrderLogGroup", "RetentionInDays")

    def test_every_right_to_write_logs_is_needed(self):
        for action in ["CreateLogStream", "PutLogEvents"]:
            with self.subTest(action):
                self.setUp()
                self.without_action("PlaceOrderRole", "WriteItsLogs", f"logs:{action}")
                self.assert_reported("PlaceOrderRole", f"logs:{action}", "PlaceOrderFunction")

    def test_rights_on_another_function_s_logs_are_reported(self):
        other = self.statement("ReserveStockRole", "WriteItsLogs")["Resource"]
        self.statement("PlaceOrderRole", "WriteItsLogs")["Resource"] = other
        self.assert_reported("PlaceOrderRole", "could not write its logs")
        self.assert_reported("PlaceOrderRole", "logs:PutLogEvents is allowed on", "reserve-stock")


class LogLevels(Mutation):
    def test_a_level_that_drops_metrics_is_reported(self):
        for level in ["WARN", "ERROR", "FATAL", "Warn"]:
            with self.subTest(level):
                self.properties("PlaceOrderFunction")["LoggingConfig"] = {"LogFormat": "JSON", "ApplicationLogLevel": level}
                self.assert_reported("PlaceOrderFunction", f"ApplicationLogLevel is {level}", "set it to INFO", "THROUGHLINE_LOG")

    def test_a_level_that_keeps_them_is_accepted(self):
        for logging in [
            {"LogFormat": "JSON"},
            {"LogFormat": "JSON", "ApplicationLogLevel": "INFO"},
            {"LogFormat": "JSON", "ApplicationLogLevel": "DEBUG", "SystemLogLevel": "WARN"},
            {"LogFormat": "Text"},
        ]:
            with self.subTest(logging):
                self.properties("PlaceOrderFunction")["LoggingConfig"] = logging
                self.assert_accepted()


class Settings(Mutation):
    def test_a_function_without_dead_letters_is_reported(self):
        del self.variables("PlaceOrderFunction")["THROUGHLINE_DEAD_LETTER_QUEUE_URL"]
        self.assert_reported("PlaceOrderFunction", "THROUGHLINE_DEAD_LETTER_QUEUE_URL is not set")

    def test_another_function_s_dead_letter_queue_is_reported(self):
        for function in ["PlaceOrder", "ConfirmOrder", "RelayOutbox"]:
            with self.subTest(function):
                self.setUp()
                setting, own = "THROUGHLINE_DEAD_LETTER_QUEUE_URL", f"{function}DeadLetterQueue"
                self.variables(f"{function}Function")[setting] = reference("ReserveStockDeadLetterQueue")
                self.allow(f"{function}Role", "sqs:SendMessage", arn("ReserveStockDeadLetterQueue"))
                self.assert_reported(f"{function}Function", setting, own)

    def test_a_redrive_policy_to_another_function_s_queue_is_reported(self):
        self.properties("PlaceOrderQueue")["RedrivePolicy"]["deadLetterTargetArn"] = arn("ReserveStockDeadLetterQueue")
        self.assert_reported("PlaceOrderFunction", "THROUGHLINE_DEAD_LETTER_QUEUE_URL")

    def test_the_right_to_send_dead_letters_is_needed(self):
        self.without_statement("PlaceOrderRole", "WriteItsDeadLetters")
        self.assert_reported("PlaceOrderRole", "sqs:SendMessage", "THROUGHLINE_DEAD_LETTER_QUEUE_URL")

    def test_the_right_to_send_commands_is_needed(self):
        self.without_statement("RelayOutboxRole", "SendCommands")
        self.assert_reported("RelayOutboxRole", "sqs:SendMessage", "THROUGHLINE_COMMAND_QUEUE_PLACE_ORDER")

    def test_the_right_to_publish_events_is_needed(self):
        self.without_statement("RelayOutboxRole", "PublishEvents")
        self.assert_reported("RelayOutboxRole", "events:PutEvents", "THROUGHLINE_EVENT_BUS")

    def test_the_right_to_write_the_ledger_is_needed(self):
        self.without_action("PlaceOrderRole", "UseTheLedger", "dynamodb:PutItem")
        self.assert_reported("PlaceOrderRole", "dynamodb:PutItem", "LedgerTable", "THROUGHLINE_TABLE")

    def test_the_right_to_write_a_table_of_its_own_is_needed(self):
        self.without_statement("ReserveStockRole", "UseItsStock")
        self.assert_reported("ReserveStockRole", "dynamodb:PutItem", "StockTable", "THROUGHLINE_TABLE_STOCK")

    def test_the_right_to_change_part_of_an_item_of_a_table_of_its_own_is_needed(self):
        self.without_action("ReserveStockRole", "UseItsStock", "dynamodb:UpdateItem")
        self.assert_reported("ReserveStockRole", "dynamodb:UpdateItem", "StockTable", "THROUGHLINE_TABLE_STOCK")

    def test_the_rights_to_start_a_saga_are_needed(self):
        for sid, action in [("StartSagasAndAnswerTheirTasks", "StartExecution"), ("SeeWhatIsStarted", "DescribeExecution")]:
            with self.subTest(action):
                self.setUp()
                self.without_statement("RelayOutboxRole", sid)
                self.assert_reported("RelayOutboxRole", f"states:{action}", "THROUGHLINE_STATE_MACHINE_CHECKOUT")

    def test_a_state_machine_may_be_named_by_its_arn(self):
        named = {
            "Fn::Sub": "arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}:stateMachine:${AWS::StackName}-checkout"
        }
        self.variables("RelayOutboxFunction")["THROUGHLINE_STATE_MACHINE_CHECKOUT"] = named
        self.statement("RelayOutboxRole", "StartSagasAndAnswerTheirTasks")["Resource"] = named
        self.assert_accepted()

    def test_a_state_machine_by_its_name_alone_is_reported(self):
        self.variables("RelayOutboxFunction")["THROUGHLINE_STATE_MACHINE_CHECKOUT"] = "checkout"
        self.assert_reported("RelayOutboxFunction", "THROUGHLINE_STATE_MACHINE_CHECKOUT is checkout")

    def test_every_right_to_keep_schedules_is_needed(self):
        for action in ["CreateSchedule", "DeleteSchedule", "UpdateSchedule"]:
            with self.subTest(action):
                self.setUp()
                self.without_action("RelayOutboxRole", "KeepSchedules", f"scheduler:{action}")
                self.assert_reported("RelayOutboxRole", f"scheduler:{action}", "THROUGHLINE_SCHEDULE_GROUP")

    def test_a_schedule_group_of_another_stack_is_reported(self):
        self.variables("RelayOutboxFunction")["THROUGHLINE_SCHEDULE_GROUP"] = "default"
        self.assert_reported("RelayOutboxFunction", "THROUGHLINE_SCHEDULE_GROUP is default")

    def test_the_schedules_role_is_needed_and_must_be_lent(self):
        self.without_statement("RelayOutboxRole", "LendTheScheduleRole")
        self.assert_reported("RelayOutboxRole", "iam:PassRole", "ScheduleRole")
        del self.variables("RelayOutboxFunction")["THROUGHLINE_SCHEDULE_ROLE_ARN"]
        self.assert_reported("RelayOutboxFunction", "THROUGHLINE_SCHEDULE_ROLE_ARN")

    def test_a_schedules_role_that_others_can_take_on_is_reported(self):
        statement = self.properties("ScheduleRole")["AssumeRolePolicyDocument"]["Statement"][0]
        for change in [{"Condition": {}}, {"Principal": {"Service": "events.amazonaws.com"}}]:
            with self.subTest(change):
                kept = copy.deepcopy(statement)
                statement.update(change)
                self.assert_reported("ScheduleRole", "scheduler.amazonaws.com", "${ScheduleGroup.Arn}")
                statement.update(kept)

    def test_a_schedule_must_reach_its_queue(self):
        variables = self.variables("RelayOutboxFunction")
        variables["THROUGHLINE_SCHEDULE_TARGET_PLACE_ORDER"] = arn("PlaceOrderQueue")
        self.assert_reported("ScheduleRole", "sqs:SendMessage", "THROUGHLINE_SCHEDULE_TARGET_PLACE_ORDER")
        variables["THROUGHLINE_SCHEDULE_TARGET_PLACE_ORDER"] = reference("PlaceOrderQueue")
        self.assert_reported("RelayOutboxFunction", "THROUGHLINE_SCHEDULE_TARGET_PLACE_ORDER is ${PlaceOrderQueue}")

    def test_a_schedule_must_reach_its_dead_letter_queue(self):
        self.without_statement("ScheduleRole", "KeepWhatCannotBeSent")
        self.assert_reported("ScheduleRole", "sqs:SendMessage", "THROUGHLINE_SCHEDULE_DEAD_LETTER_ARN")

    def test_a_fifo_queue_that_schedules_cannot_send_to_is_reported(self):
        variables = self.variables("RelayOutboxFunction")
        variables["THROUGHLINE_SCHEDULE_TARGET_PLACE_ORDER"] = arn("PlaceOrderQueue")
        self.allow("ScheduleRole", "sqs:SendMessage", arn("PlaceOrderQueue"))
        self.assert_accepted()
        self.properties("PlaceOrderQueue")["FifoQueue"] = True
        self.assert_reported("PlaceOrderQueue", "ContentBasedDeduplication")

    def test_schedules_and_executions_of_others_are_too_wide(self):
        self.allow("RelayOutboxRole", "scheduler:CreateSchedule", "*")
        self.assert_reported("RelayOutboxRole", "scheduler:CreateSchedule is allowed on *", "schedule/${ScheduleGroup}/*")
        self.allow("RelayOutboxRole", "states:DescribeExecution", "*")
        self.assert_reported("RelayOutboxRole", "states:DescribeExecution is allowed on *", "-checkout:*")

    def test_a_setting_of_another_kind_of_resource_is_reported(self):
        self.variables("PlaceOrderFunction")["THROUGHLINE_TABLE"] = reference("PlaceOrderQueue")
        self.assert_reported("PlaceOrderFunction", "THROUGHLINE_TABLE is ${PlaceOrderQueue}")

    def test_an_arn_where_a_url_belongs_is_reported(self):
        self.variables("RelayOutboxFunction")["THROUGHLINE_COMMAND_QUEUE_PLACE_ORDER"] = arn("PlaceOrderQueue")
        self.assert_reported("RelayOutboxFunction", "THROUGHLINE_COMMAND_QUEUE_PLACE_ORDER")

    def test_a_queue_url_other_than_the_mapping_s_is_reported(self):
        self.variables("PlaceOrderFunction")["THROUGHLINE_QUEUE_URL"] = reference("ReserveStockQueue")
        self.assert_reported("PlaceOrderFunction", "THROUGHLINE_QUEUE_URL", "PlaceOrderQueue", "PlaceOrderMapping")

    def test_a_queue_url_without_a_mapping_is_reported(self):
        self.variables("ConfirmOrderFunction")["THROUGHLINE_QUEUE_URL"] = reference("PlaceOrderQueue")
        self.assert_reported("ConfirmOrderFunction", "THROUGHLINE_QUEUE_URL", "reads no queue")


class Lifetimes(Mutation):
    def test_a_claim_lifetime_that_is_too_short_is_reported(self):
        self.default("ClaimLifetimeDays", 49)
        self.assert_reported("PlaceOrderFunction", "THROUGHLINE_CLAIM_LIFETIME_DAYS is 49", "50 days")

    def test_a_claim_lifetime_of_one_function_that_is_too_short_is_reported(self):
        self.variables("NotifyCustomerFunction")["THROUGHLINE_CLAIM_LIFETIME_DAYS"] = "3"
        self.assert_reported("NotifyCustomerFunction", "THROUGHLINE_CLAIM_LIFETIME_DAYS is 3")

    def test_a_queue_that_keeps_longer_than_the_parameter_is_reported(self):
        self.properties("ReserveStockQueue")["MessageRetentionPeriod"] = 10 * 86_400
        self.assert_reported("PlaceOrderFunction", "ReserveStockQueue 10", "56 days")

    def test_an_archive_that_keeps_longer_than_the_parameter_is_reported(self):
        self.properties("EventArchive")["RetentionDays"] = 31
        self.assert_reported("PlaceOrderFunction", "EventArchive 31", "(on AWS")

    def test_a_dead_letter_queue_counts_with_its_own_period(self):
        for queue in self.resources:
            if queue.endswith("DeadLetterQueue"):
                self.properties(queue)["MessageRetentionPeriod"] = 60
        self.properties("ConfirmOrderDeadLetterQueue")["MessageRetentionPeriod"] = 13 * 86_400
        self.variables("PlaceOrderFunction")["THROUGHLINE_CLAIM_LIFETIME_DAYS"] = 48
        self.assert_reported("PlaceOrderFunction", "ConfirmOrderDeadLetterQueue 13", "49 days")

    def test_an_archive_under_a_name_of_its_own_is_reported(self):
        del self.properties("EventArchive")["ArchiveName"]
        self.assert_reported("EventArchive", "throughline replay", "(on AWS")

    def test_an_archive_that_takes_what_is_replayed_is_reported(self):
        del self.properties("EventArchive")["EventPattern"]
        self.assert_reported("EventArchive", "resent", "(on AWS")

    def test_an_archive_without_an_end_is_reported(self):
        del self.properties("EventArchive")["RetentionDays"]
        self.assert_reported("EventArchive", "for ever")


class Rights(Mutation):
    def test_a_right_to_every_call_is_reported(self):
        self.allow("PlaceOrderRole", "dynamodb:*", arn("LedgerTable"))
        self.assert_reported("PlaceOrderRole", "dynamodb:*")

    def test_a_right_to_all_but_some_calls_is_reported(self):
        self.statements("PlaceOrderRole").append({"Effect": "Allow", "NotAction": "iam:*", "Resource": arn("LedgerTable")})
        self.assert_reported("PlaceOrderRole", "all but")

    def test_a_right_on_everything_is_reported_for_every_call(self):
        for action in ["sqs:SendMessage", "dynamodb:ListStreams", "logs:CreateLogStream", "logs:PutLogEvents"]:
            with self.subTest(action):
                self.setUp()
                self.allow("RelayOutboxRole", action, "*")
                self.assert_reported("RelayOutboxRole", f"{action} is allowed on *")

    def test_a_right_on_every_log_group_is_reported(self):
        everyone = "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:/aws/lambda/*"
        self.allow("PlaceOrderRole", "logs:PutLogEvents", {"Fn::Sub": everyone})
        self.assert_reported("PlaceOrderRole", "logs:PutLogEvents", "place-order:* ")

    def test_a_right_of_a_shape_that_another_call_has_is_reported(self):
        self.allow("RelayOutboxRole", "dynamodb:GetRecords", {"Fn::Sub": "${LedgerTable.Arn}/stream/*"})
        self.assert_reported("RelayOutboxRole", "dynamodb:GetRecords", "/stream/*")

    def test_the_right_to_list_streams_that_are_not_read_is_reported(self):
        self.allow("RelayOutboxRole", "dynamodb:ListStreams", {"Fn::Sub": "${StockTable.Arn}/stream/*"})
        self.assert_reported("RelayOutboxRole", "dynamodb:ListStreams", "StockTable")

    def test_a_wide_right_of_a_policy_of_its_own_is_reported(self):
        statement = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*"}
        for kind in ["AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"]:
            with self.subTest(kind):
                self.setUp()
                self.add("Extra", kind, Roles=[reference("PlaceOrderRole")], PolicyDocument={"Statement": [statement]})
                self.assert_reported("Extra", "sqs:SendMessage is allowed on *")

    def test_log_rights_that_two_roles_share_are_reported(self):
        statement = self.statement("PlaceOrderRole", "WriteItsLogs")
        roles = [reference("PlaceOrderRole"), reference("ReserveStockRole")]
        self.add("Extra", "AWS::IAM::Policy", Roles=roles, PolicyDocument={"Statement": statement})
        self.assert_reported("Extra", "logs:PutLogEvents")

    def test_log_rights_that_belong_to_no_role_are_reported(self):
        statement = self.statement("PlaceOrderRole", "WriteItsLogs")
        self.add("Extra", "AWS::IAM::ManagedPolicy", PolicyDocument={"Statement": [statement]})
        self.assert_reported("Extra", "logs:PutLogEvents")

    def test_a_managed_policy_is_reported(self):
        self.properties("PlaceOrderRole")["ManagedPolicyArns"] = ["arn:aws:iam::aws:policy/AmazonSQSFullAccess"]
        self.assert_reported("PlaceOrderRole", "AmazonSQSFullAccess")


if __name__ == "__main__":
    unittest.main()
