use super::*;
use std::{sync::Arc, time::Duration};
use throughline_core::ports::Time;
use throughline_testing::TestTime;

const GROUP: &str = "shop";
const ROLE: &str = "arn:aws:iam::1:role/shop-schedules";
const DEAD_LETTERS: &str = "arn:aws:sqs:eu-west-1:1:relay-dead-letters";
const TARGET: &str = "arn:aws:sqs:eu-west-1:1:orders";
const FIFO_TARGET: &str = "arn:aws:sqs:eu-west-1:1:orders.fifo";

/// EventBridge Scheduler, SQS, and how long SQS is to hold a message back.
struct World {
    scheduler: Fake,
    sqs: Fake,
    longest_delay: Duration,
    time: Arc<TestTime>,
}

impl World {
    fn new(scheduler: Vec<Answer>, sqs: Vec<Answer>) -> Self {
        let time = Arc::new(TestTime::start());
        Self { scheduler: Fake::new(scheduler), sqs: Fake::new(sqs), longest_delay: LONGEST_DELAY, time }
    }

    fn publisher(&self) -> AwsPublisher {
        let named =
            |pairs: [(&str, &str); 2]| pairs.map(|(name, at)| (name.to_owned(), at.to_owned())).into();
        let eventbridge = aws_sdk_eventbridge::Client::new(&Fake::new([]).config());
        let sqs = aws_sdk_sqs::Client::new(&self.sqs.config());
        let queues = named([("orders", QUEUE), ("orders-in-order", FIFO_QUEUE)]);
        AwsPublisher::new(eventbridge, sqs, "shop-bus", queues).with_schedules(Schedules {
            client: aws_sdk_scheduler::Client::new(&self.scheduler.config()),
            group: GROUP.into(),
            role_arn: ROLE.into(),
            dead_letter_arn: DEAD_LETTERS.into(),
            target_arns: named([("orders", TARGET), ("orders-in-order", FIFO_TARGET)]),
            longest_delay: self.longest_delay,
            time: Arc::clone(&self.time) as Arc<dyn Time>,
        })
    }

    async fn publish(&self, messages: &[Outgoing]) -> Vec<Delivery> {
        self.publisher().publish(&messages.iter().collect::<Vec<_>>()).await
    }

    fn in_from_now(&self, left: Duration) -> Timestamp {
        self.time.now() + left
    }

    /// A command that is due after so long.
    fn due(&self, id: &str, queue: &str, left: Duration) -> Outgoing {
        scheduled(id, queue, self.in_from_now(left))
    }
}

fn scheduled(id: &str, queue: &str, at: Timestamp) -> Outgoing {
    message(id, Destination::Scheduled { queue: queue.into(), at }, "small")
}

fn unscheduled(id: &str, queue: &str) -> Outgoing {
    message(id, Destination::Unscheduled { queue: queue.into() }, "small")
}

fn kept() -> Answer {
    (200, json!({ "ScheduleArn": "arn:aws:scheduler:eu-west-1:1:schedule/shop/x" }))
}

fn deleted() -> Answer {
    (200, json!({}))
}

fn not_found() -> Answer {
    error("ResourceNotFoundException", "Schedule x does not exist.")
}

fn delays(request: &Value) -> Vec<Option<u64>> {
    let entries = request["Entries"].as_array().unwrap();
    entries.iter().map(|entry| entry["DelaySeconds"].as_u64()).collect()
}

#[tokio::test(start_paused = true)]
async fn what_is_due_soon_is_held_back_by_its_queue_in_one_call_with_the_others() {
    let world = World::new(vec![not_found(); 4], vec![queued(&["0", "1", "2", "3", "4"])]);
    let messages = [
        command("c-1", "orders"),
        world.due("c-2", "orders", Duration::from_secs(90)),
        world.due("c-3", "orders", Duration::from_millis(1)),
        world.due("c-4", "orders", Duration::from_millis(899_001)),
        scheduled("c-5", "orders", world.in_from_now(Duration::ZERO) - Duration::from_hours(48)),
    ];
    assert_eq!(world.publish(&messages).await, vec![Delivery::Accepted; 5]);
    assert_eq!(world.sqs.requests().len(), 1);
    assert_eq!(delays(&world.sqs.requests()[0]), [None, Some(90), Some(1), Some(900), None]);
    let body = world.sqs.requests()[0]["Entries"][1]["MessageBody"].clone();
    assert_eq!(body, serde_json::to_string(&messages[1].envelope).unwrap());
}

#[tokio::test(start_paused = true)]
async fn what_is_due_soon_ends_an_earlier_schedule_of_the_same_name() {
    let world = World::new(vec![deleted()], vec![queued(&["0"])]);
    let soon = world.due("c-1", "orders", Duration::from_secs(90));
    let name = soon.schedule_name().unwrap();
    assert_eq!(world.publish(&[soon]).await, [Delivery::Accepted]);
    assert_eq!(world.scheduler.paths(), [format!("DELETE /schedules/{name}")]);
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_while_its_schedule_could_not_be_ended_is_tried_again() {
    let world = World::new(vec![error("AccessDeniedException", "no")], vec![queued(&["0"])]);
    let deliveries = world.publish(&[world.due("c-1", "orders", Duration::from_secs(90))]).await;
    assert!(matches!(&deliveries[0], Delivery::Retry(reason) if reason.contains("AccessDenied")));
}

#[tokio::test(start_paused = true)]
async fn what_is_due_later_becomes_a_schedule() {
    let world = World::new(vec![kept()], vec![]);
    let later = world.due("c-1", "orders", Duration::from_millis(900_001));
    let name = later.schedule_name().unwrap();
    assert_eq!(world.publish(std::slice::from_ref(&later)).await, [Delivery::Accepted]);
    assert_eq!(world.scheduler.paths(), [format!("POST /schedules/{name}")]);
    let request = &world.scheduler.requests()[0];
    let whole = (world.time.now() + Duration::from_secs(901)).strftime("at(%Y-%m-%dT%H:%M:%S)").to_string();
    let said = |field: &str| request[field].clone();
    assert_eq!(said("ScheduleExpression"), whole);
    assert_eq!(said("ScheduleExpressionTimezone"), "UTC");
    assert_eq!(said("FlexibleTimeWindow"), json!({ "Mode": "OFF" }));
    assert_eq!((said("ActionAfterCompletion"), said("GroupName")), (json!("DELETE"), json!(GROUP)));
    assert_eq!(
        said("Target"),
        json!({
            "Arn": TARGET,
            "RoleArn": ROLE,
            "Input": serde_json::to_string(&later.envelope).unwrap(),
            "DeadLetterConfig": { "Arn": DEAD_LETTERS },
            "RetryPolicy": { "MaximumRetryAttempts": 185, "MaximumEventAgeInSeconds": 86_400 },
        })
    );
    assert!(world.sqs.requests().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_whole_second_is_not_moved() {
    let world = World::new(vec![kept()], vec![]);
    let at: Timestamp = "2999-12-31T23:59:59Z".parse().unwrap();
    assert_eq!(world.publish(&[scheduled("c-1", "orders", at)]).await, [Delivery::Accepted]);
    assert_eq!(world.scheduler.requests()[0]["ScheduleExpression"], "at(2999-12-31T23:59:59)");
}

#[tokio::test(start_paused = true)]
async fn how_long_a_queue_holds_back_can_be_lowered_and_not_raised() {
    for (longest_delay, left, is_schedule) in [(10, 11, true), (10, 10, false), (5_000, 901, true)] {
        let mut world = World::new(vec![kept()], vec![queued(&["0"])]);
        world.longest_delay = Duration::from_secs(longest_delay);
        let due = world.due("c-1", "orders", Duration::from_secs(left));
        assert_eq!(world.publish(&[due]).await, [Delivery::Accepted]);
        assert_eq!(world.scheduler.paths()[0].starts_with("POST"), is_schedule, "{longest_delay} {left}");
        assert_eq!(world.sqs.requests().is_empty(), is_schedule, "{longest_delay} {left}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_fifo_queue_is_to_get_later_becomes_a_schedule_with_its_group() {
    let world = World::new(vec![kept()], vec![]);
    let soon = world.due("c-1", "orders-in-order", Duration::from_secs(1));
    assert_eq!(world.publish(&[soon]).await, [Delivery::Accepted]);
    let target = &world.scheduler.requests()[0]["Target"];
    assert_eq!(target["Arn"], FIFO_TARGET);
    assert_eq!(target["SqsParameters"], json!({ "MessageGroupId": "o-1" }));
}

#[tokio::test(start_paused = true)]
async fn what_a_fifo_queue_should_have_by_now_is_sent_without_a_delay() {
    let world = World::new(vec![not_found()], vec![queued(&["0"])]);
    let due = world.due("c-1", "orders-in-order", Duration::ZERO);
    assert_eq!(world.publish(&[due]).await, [Delivery::Accepted]);
    let entry = &world.sqs.requests()[0]["Entries"][0];
    assert_eq!((entry.get("DelaySeconds"), &entry["MessageGroupId"]), (None, &json!("o-1")));
}

#[tokio::test(start_paused = true)]
async fn scheduling_again_changes_the_schedule() {
    let taken = (409, json!({ "__type": "ConflictException", "message": "Schedule x already exists." }));
    let world = World::new(vec![taken, kept()], vec![]);
    let later = world.due("c-2", "orders", Duration::from_hours(24));
    let name = later.schedule_name().unwrap();
    assert_eq!(world.publish(&[later]).await, [Delivery::Accepted]);
    assert_eq!(
        world.scheduler.paths(),
        [format!("POST /schedules/{name}"), format!("PUT /schedules/{name}")]
    );
    let [created, updated] = &world.scheduler.requests()[..] else { panic!("two requests") };
    for field in [
        "ScheduleExpression",
        "ScheduleExpressionTimezone",
        "Target",
        "GroupName",
        "ActionAfterCompletion",
        "FlexibleTimeWindow",
    ] {
        assert_eq!((&created[field], created[field].is_null()), (&updated[field], false), "{field}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_schedule_that_fires_while_it_is_changed_is_tried_again() {
    let taken = error("ConflictException", "Schedule x already exists.");
    let world = World::new(vec![taken, not_found()], vec![]);
    let deliveries = world.publish(&[world.due("c-2", "orders", Duration::from_hours(24))]).await;
    assert!(matches!(&deliveries[0], Delivery::Retry(_)), "{deliveries:?}");
}

#[tokio::test(start_paused = true)]
async fn a_schedule_is_refused_for_what_it_holds_and_retried_for_everything_else() {
    let invalid = |message: &str| error("ValidationException", message);
    let refused = invalid("Value at 'target.input' failed to satisfy constraint");
    let retried = [
        invalid("The execution role you provide must allow AWS EventBridge Scheduler to assume the role."),
        invalid("Value at 'groupName' failed to satisfy constraint"),
        invalid("Invalid RequestJson provided. Reason The arn is malformed"),
        error("ServiceQuotaExceededException", "too many schedules"),
        error("AccessDeniedException", "not authorized to perform: scheduler:CreateSchedule"),
        not_found(),
    ];
    for (answer, is_refused) in std::iter::once((refused, true)).chain(retried.map(|answer| (answer, false)))
    {
        let world = World::new(vec![answer], vec![]);
        let deliveries = world.publish(&[world.due("c-1", "orders", Duration::from_hours(24))]).await;
        assert_eq!(matches!(deliveries[0], Delivery::Refused { .. }), is_refused, "{deliveries:?}");
        assert_eq!(matches!(deliveries[0], Delivery::Retry(_)), !is_refused, "{deliveries:?}");
    }
}

fn past(words: &str) -> Answer {
    error("ValidationException", words)
}

/// Errors that a service may give of a time that has passed: no document says which.
const PASSED: [&str; 4] = [
    "Invalid Schedule Expression at(2026-01-01T00:00:01).",
    "1 validation error detected: Value 'at(2026-01-01T00:00:01)' at 'scheduleExpression' failed to satisfy constraint",
    "The schedule time cannot be in the past.",
    "The time must be in the future",
];

#[tokio::test(start_paused = true)]
async fn what_is_due_by_the_services_clock_is_sent_and_not_refused() {
    for words in PASSED {
        let world = World::new(vec![past(words), not_found()], vec![queued(&["0"])]);
        let due = world.due("c-1", "orders-in-order", Duration::from_secs(2));
        let name = due.schedule_name().unwrap();
        assert_eq!(world.publish(std::slice::from_ref(&due)).await, [Delivery::Accepted], "{words}");
        let asked = [format!("POST /schedules/{name}"), format!("DELETE /schedules/{name}")];
        assert_eq!(world.scheduler.paths(), asked);
        let entry = &world.sqs.requests()[0]["Entries"][0];
        assert_eq!(entry["MessageBody"], serde_json::to_string(&due.envelope).unwrap());
        assert_eq!((entry.get("DelaySeconds"), &entry["MessageGroupId"]), (None, &json!("o-1")));
        assert_eq!(entry["MessageDeduplicationId"], "c-1", "sent again, it is the same");
    }
}

#[tokio::test(start_paused = true)]
async fn a_schedule_that_cannot_be_moved_into_the_past_ends_before_its_command_is_sent() {
    let taken = || error("ConflictException", "Schedule x already exists.");
    let world = World::new(vec![taken(), past(PASSED[0]), deleted()], vec![queued(&["0"])]);
    let due = |world: &World| world.due("c-1", "orders-in-order", Duration::from_secs(2));
    assert_eq!(world.publish(&[due(&world)]).await, [Delivery::Accepted]);
    let methods: Vec<_> = world.scheduler.paths().iter().map(|path| path[..4].to_owned()).collect();
    assert_eq!(methods, ["POST", "PUT ", "DELE"]);

    let denied = error("AccessDeniedException", "no");
    let world = World::new(vec![taken(), past(PASSED[0]), denied], vec![queued(&["0"])]);
    assert!(matches!(world.publish(&[due(&world)]).await[0], Delivery::Retry(_)));
    assert!(world.sqs.requests().is_empty(), "the earlier schedule would send it once more");
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_knows_delays_still_holds_back_what_is_not_due_by_our_clock() {
    let mut world = World::new(vec![past(PASSED[0]), not_found()], vec![queued(&["0"])]);
    world.longest_delay = Duration::from_secs(1);
    let due = world.due("c-1", "orders", Duration::from_millis(2_500));
    assert_eq!(world.publish(&[due]).await, [Delivery::Accepted]);
    assert_eq!(delays(&world.sqs.requests()[0]), [Some(3)]);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_due_for_long_is_not_sent_whatever_the_service_objects_to() {
    for words in PASSED {
        let world = World::new(vec![past(words)], vec![]);
        let deliveries = world.publish(&[world.due("c-1", "orders", Duration::from_hours(24))]).await;
        assert!(matches!(deliveries[0], Delivery::Refused { .. }), "{words}: {deliveries:?}");
        assert!(world.sqs.requests().is_empty(), "{words}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_due_and_cannot_be_sent_is_tried_again() {
    let world = World::new(vec![past(PASSED[0]), not_found()], vec![error("AccessDenied", "no")]);
    let due = world.due("c-1", "orders-in-order", Duration::from_secs(2));
    assert!(matches!(world.publish(&[due]).await[0], Delivery::Retry(_)));
}

#[tokio::test(start_paused = true)]
async fn taking_back_deletes_the_schedule_whether_or_not_there_is_one() {
    let name = unscheduled("c-2", "orders").schedule_name().unwrap();
    for answer in [deleted(), not_found()] {
        let world = World::new(vec![answer], vec![]);
        assert_eq!(world.publish(&[unscheduled("c-2", "orders")]).await, [Delivery::Accepted]);
        assert_eq!(world.scheduler.paths(), [format!("DELETE /schedules/{name}")]);
    }
    let world = World::new(vec![error("AccessDeniedException", "no")], vec![]);
    assert!(matches!(world.publish(&[unscheduled("c-2", "orders")]).await[0], Delivery::Retry(_)));
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_of_one_schedule_keeps_its_order() {
    let world = World::new(vec![kept(), deleted(), kept()], vec![]);
    let later = |id| world.due(id, "orders", Duration::from_hours(24));
    let messages = [later("c-1"), unscheduled("c-2", "orders"), later("c-3")];
    assert_eq!(world.publish(&messages).await, vec![Delivery::Accepted; 3]);
    let methods: Vec<_> = world.scheduler.paths().iter().map(|path| path[..4].to_owned()).collect();
    assert_eq!(methods, ["POST", "DELE", "POST"]);
}

#[tokio::test(start_paused = true)]
async fn what_one_schedule_fails_at_is_no_other_commands() {
    let denied = error("AccessDeniedException", "no");
    let world = World::new(vec![denied], vec![queued(&["0"])]);
    let messages = [world.due("c-1", "orders", Duration::from_hours(24)), command("c-2", "orders")];
    let deliveries = world.publish(&messages).await;
    assert!(matches!(deliveries[0], Delivery::Retry(_)), "{deliveries:?}");
    assert_eq!(deliveries[1], Delivery::Accepted);
}

#[tokio::test(start_paused = true)]
async fn text_that_the_scheduler_would_replace_reaches_the_queue_as_it_is() {
    let world = World::new(vec![kept()], vec![]);
    let at = world.in_from_now(Duration::from_hours(24));
    let text = "<aws.scheduler.schedule-arn> and \u{7f}\u{fffe}";
    let sent = message("c-1", Destination::Scheduled { queue: "orders".into(), at }, text);
    assert_eq!(world.publish(std::slice::from_ref(&sent)).await, [Delivery::Accepted]);
    let input = world.scheduler.requests()[0]["Target"]["Input"].as_str().unwrap().to_owned();
    assert!(!input.contains("<aws.scheduler.") && !input.contains('\u{fffe}'), "{input}");
    let read: Value = serde_json::from_str(&input).unwrap();
    assert_eq!(read, serde_json::to_value(&sent.envelope).unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_missing_setting_is_named() {
    let world = World::new(vec![], vec![]);
    let at = world.in_from_now(Duration::from_hours(24));
    let mut publisher = world.publisher();
    let reason = async |publisher: &AwsPublisher, outgoing: Outgoing| {
        let deliveries = publisher.publish(&[&outgoing]).await;
        let Delivery::Retry(reason) = &deliveries[0] else { panic!("{deliveries:?}") };
        reason.clone()
    };
    let unknown = reason(&publisher, scheduled("c-1", "unknown", at)).await;
    assert!(unknown.contains("THROUGHLINE_COMMAND_QUEUE_UNKNOWN"), "{unknown}");
    publisher.queues.insert("await-payment".into(), QUEUE.into());
    let no_target = reason(&publisher, scheduled("c-1", "await-payment", at)).await;
    assert!(no_target.contains("THROUGHLINE_SCHEDULE_TARGET_AWAIT_PAYMENT"), "{no_target}");
    publisher.schedules = None;
    for outgoing in [scheduled("c-1", "orders", at), unscheduled("c-2", "orders")] {
        let none = reason(&publisher, outgoing).await;
        assert!(none.contains("THROUGHLINE_SCHEDULE_GROUP"), "{none}");
    }
}
