use super::{
    definition::{Comparison, MetricStatistic},
    *,
};
use crate::figures::samples::{Samples, tests::line};
use serde_json::json;

const NOW: Timestamp = Timestamp::constant(1_767_225_600, 0);

fn ago(seconds: u64) -> Timestamp {
    NOW - Duration::from_secs(seconds)
}

fn resolver() -> Resolver {
    let known = [
        ("AWS::StackName", "shop"),
        ("Limit", "10"),
        ("Queue.QueueName", "shop-dead"),
        ("Function", "shop-f"),
        ("Machine", "arn:machine"),
    ];
    Resolver { known: known.map(|(name, value)| (name.to_owned(), value.to_owned())).into() }
}

/// Returns the only alarm of a template, evaluated.
fn judged(alarm: &str, data: Data) -> Judged {
    let template = Template::parse(&format!(
        "Resources: {{A: {{Type: 'AWS::CloudWatch::Alarm', Properties: {alarm}}}}}"
    ));
    let template = template.unwrap();
    let (name, properties) = template.of_type("AWS::CloudWatch::Alarm").next().unwrap();
    let alarms = vec![Alarm::of(name, properties, &resolver()).unwrap()];
    Evaluation { alarms, data, now: NOW }.report(None).alarms.remove(0)
}

const DEAD_LETTERS: &str = "{AlarmName: !Sub '${AWS::StackName}-dead', AlarmDescription: look, Namespace: AWS/SQS, \
    MetricName: ApproximateNumberOfMessagesVisible, Dimensions: [{Name: QueueName, Value: !GetAtt Queue.QueueName}], \
    Statistic: Maximum, Period: 60, EvaluationPeriods: 1, ComparisonOperator: GreaterThanThreshold, Threshold: 0}";

#[test]
fn a_letter_in_a_dead_letter_queue_raises_its_alarm_and_says_what_to_do() {
    let with = |letters: f64| {
        judged(DEAD_LETTERS, Data { queues: [("shop-dead".to_owned(), letters)].into(), ..Data::default() })
    };
    assert_eq!((with(0.0).state, with(2.0).state), (State::Ok, State::Alarm));
    let report = AlarmReport { alarms: vec![with(2.0)] };
    assert_eq!(
        report.to_string(),
        "alarm      state  because\nshop-dead  ALARM  2 > 0\n\nshop-dead:\n  look"
    );
}

#[test]
fn what_a_local_cloud_does_not_know_is_no_data_and_says_why() {
    let unknown = judged(DEAD_LETTERS, Data::default());
    assert_eq!(unknown.state, State::NoData);
    assert!(unknown.because.contains("shop-dead"), "{}", unknown.because);
    let wait = DEAD_LETTERS.replace("ApproximateNumberOfMessagesVisible", "ApproximateAgeOfOldestMessage");
    assert_eq!(judged(&wait, Data::default()).state, State::NoData);
}

const AGE: &str = "{Namespace: !Sub 'Throughline/${AWS::StackName}', MetricName: EventAge, \
    Dimensions: [{Name: handler, Value: h}], ExtendedStatistic: p90, Period: 300, EvaluationPeriods: 1, \
    ComparisonOperator: GreaterThanThreshold, Threshold: !Ref Limit}";

#[test]
fn only_the_periods_an_alarm_looks_at_count() {
    let data = |seconds: u64, handler: &str| {
        let ages = json!({ "handler": handler, "eventtype": "t", "EventAge": [1.0, 20.0] });
        Data { samples: Samples::of(&[line(ago(seconds), ages)]), ..Data::default() }
    };
    assert_eq!(judged(AGE, data(200, "h")).state, State::Alarm);
    assert_eq!(judged(AGE, data(400, "h")).state, State::Ok);
    assert_eq!(judged(AGE, data(200, "another")).state, State::Ok);
}

const RATE: &str = "{Metrics: [{Id: rate, Expression: '100 * failed / (failed + FILL(processed, 0))'}, \
    {Id: failed, ReturnData: false, Expression: 'FILL(retries, 0) + FILL(errors, 0)'}, \
    {Id: retries, ReturnData: false, MetricStat: {Stat: Sum, Period: 300, Metric: {Namespace: Throughline, MetricName: Retries, Dimensions: [{Name: handler, Value: h}]}}}, \
    {Id: processed, ReturnData: false, MetricStat: {Stat: Sum, Period: 300, Metric: {Namespace: Throughline, MetricName: Processed, Dimensions: [{Name: handler, Value: h}]}}}, \
    {Id: errors, ReturnData: false, MetricStat: {Stat: Sum, Period: 300, Metric: {Namespace: AWS/Lambda, MetricName: Errors, Dimensions: [{Name: FunctionName, Value: !Ref Function}]}}}], \
    EvaluationPeriods: 3, DatapointsToAlarm: 2, ComparisonOperator: GreaterThanThreshold, Threshold: !Ref Limit}";

#[test]
fn a_rate_is_computed_in_each_period_and_so_many_must_be_too_high() {
    let invocation = |seconds, processed, retries| {
        line(
            ago(seconds),
            json!({ "handler": "h", "eventtype": "t", "Processed": processed, "Retries": retries }),
        )
    };
    let data = |lines: &[LogLine]| Data { samples: Samples::of(lines), ..Data::default() };
    let once = judged(RATE, data(&[invocation(10, 1, 1), invocation(310, 19, 1)]));
    assert_eq!((once.state, once.because.as_str()), (State::Ok, "50, 5, - > 10"));
    let twice = judged(RATE, data(&[invocation(10, 1, 1), invocation(310, 1, 1)]));
    assert_eq!(twice.state, State::Alarm);
}

#[test]
fn invocations_that_failed_count_as_lambda_counts_them() {
    let errors = [("shop-f".to_owned(), vec![(ago(10), 1.0), (ago(400), 1.0)])].into();
    assert_eq!(judged(RATE, Data { errors, ..Data::default() }).state, State::Alarm);
}

#[test]
fn an_iterator_age_is_that_of_the_relays_entries() {
    let lag = "{Namespace: AWS/Lambda, MetricName: IteratorAge, Dimensions: [{Name: FunctionName, Value: !Ref Function}], \
        Statistic: Maximum, Period: 60, EvaluationPeriods: 1, ComparisonOperator: GreaterThanThreshold, Threshold: 10}";
    let entries = line(ago(10), json!({ "handler": "relay", "EntryAge": [3.0, 30.0] }));
    let data = Data { samples: Samples::of(&[entries]), ..Data::default() };
    assert_eq!(judged(lag, data).state, State::Alarm);
}

#[test]
fn a_stuck_saga_raises_its_alarm() {
    let stuck = "{Namespace: AWS/States, MetricName: ExecutionsFailed, Dimensions: [{Name: StateMachineArn, Value: !Ref Machine}], \
        Statistic: Sum, Period: 60, EvaluationPeriods: 1, ComparisonOperator: GreaterThanThreshold, Threshold: 0}";
    let executions = |seconds| Data {
        executions: [(("arn:machine".to_owned(), "ExecutionsFailed"), vec![(ago(seconds), 1.0)])].into(),
        ..Data::default()
    };
    assert_eq!(
        (judged(stuck, executions(10)).state, judged(stuck, executions(90)).state),
        (State::Alarm, State::Ok)
    );
}

#[test]
fn a_filter_of_the_logs_is_understood() {
    assert_eq!(
        data::pattern(r#"{ $.error_type = "Saga.NotUnderstood" }"#),
        Some(("error_type", "Saga.NotUnderstood"))
    );
    assert_eq!(data::pattern("ERROR"), None);
}

#[test]
fn every_alarm_of_the_template_is_understood() {
    let template = include_str!("../../../../../infra/template.yaml");
    let template = Template::parse(template).unwrap();
    let mut known = resolver().known;
    known.extend(template.resources().map(|(name, _)| (name.to_owned(), name.to_owned())));
    known.extend(template.resources().map(|(name, _)| (format!("{name}.QueueName"), name.to_owned())));
    known.extend(template.parameters().map(|(name, parameter)| {
        (
            name.to_owned(),
            parameter["Default"].as_str().map_or_else(|| parameter["Default"].to_string(), Into::into),
        )
    }));
    let resolver = Resolver { known };
    let alarms: Vec<Alarm> = template
        .of_type("AWS::CloudWatch::Alarm")
        .map(|(name, properties)| Alarm::of(name, properties, &resolver).unwrap())
        .collect();
    assert!(alarms.len() > 20, "{}", alarms.len());
    assert!(alarms.iter().all(|alarm| !alarm.description.is_empty()));
    // All metrics that are compared with a limit raise their alarm by exceeding it.
    assert!(alarms.iter().all(|alarm| alarm.comparison == Comparison::Greater));
    let data = Data::default();
    let evaluation = Evaluation { alarms, data, now: NOW };
    let is_math = |alarm: &&Alarm| matches!(alarm.measure, Measure::Math { .. });
    for alarm in evaluation.alarms.iter().filter(is_math) {
        assert_eq!(evaluation.points(alarm).unwrap(), vec![None; 3], "{}", alarm.name);
    }
    let metric = MetricStatistic {
        namespace: "AWS/SQS".into(),
        name: "ApproximateAgeOfOldestMessage".into(),
        dimensions: Vec::new(),
        statistic: Statistic::Maximum,
    };
    assert!(evaluation.data.series(&metric).unwrap_err().contains("does not tell"));
}

#[test]
fn alarms_of_a_stack_whose_name_begins_alike_are_left_out() {
    let alarm = |name: &str| json!({ "AlarmName": name, "StateValue": "ALARM", "StateReason": "3 > 0" });
    let answer =
        json!({ "MetricAlarms": [alarm("shop-place-order-age"), alarm("shop-test-place-order-age")] });
    let names = ["shop-place-order-age".to_owned()].into();
    let shown: Vec<String> = AlarmReport::of_cloudwatch(&answer, &names, None)
        .alarms
        .into_iter()
        .map(|alarm| alarm.alarm)
        .collect();
    assert_eq!(shown, ["shop-place-order-age"]);
}
