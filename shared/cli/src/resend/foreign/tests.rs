use super::{super::plan, *};
use crate::progress::Silent;
use std::{cell::RefCell, collections::VecDeque};

fn candidates_of(events: &[Value], request: &ReplayRequest) -> Vec<Candidate> {
    candidates(events.to_vec(), request)
}

fn chosen(events: &[Value], request: &ReplayRequest) -> Vec<(String, bool)> {
    let candidates = candidates_of(events, request).into_iter();
    candidates.map(|candidate| (candidate.id, candidate.is_sent_alone)).collect()
}

fn of_types(types: &[&str]) -> ReplayRequest {
    let types = types.iter().map(|name| (*name).to_owned()).collect();
    ReplayRequest { types, ..ReplayRequest::default() }
}

fn of_line(line: &str) -> ReplayRequest {
    ReplayRequest { correlation_ids: vec![line.to_owned()], ..ReplayRequest::default() }
}

fn events() -> [Value; 2] {
    let cloud_event =
        json!({ "specversion": "1.0", "id": "ours-like", "source": "elsewhere", "correlationid": "line-1" });
    [
        json!({ "id": "one", "source": "elsewhere", "detail-type": "seen", "detail": cloud_event }),
        json!({ "id": "two", "source": "aws.s3", "detail-type": "Object Created", "detail": { "size": 1 } }),
    ]
}

#[test]
fn cloud_events_are_sent_alone_under_their_ids_and_others_are_counted_only() {
    assert_eq!(
        chosen(&events(), &ReplayRequest::default()),
        [("ours-like".into(), true), ("two".into(), false)]
    );
}

#[test]
fn they_are_chosen_by_type_and_by_line() {
    assert_eq!(chosen(&events(), &of_types(&["Object Created"])), [("two".into(), false)]);
    assert_eq!(chosen(&events(), &of_line("line-1")), [("ours-like".into(), true)]);
    assert_eq!(chosen(&events(), &of_line("line-2")), []);
}

#[test]
fn a_journal_keeps_what_is_sent_alone_and_nothing_else() {
    let to_send = plan::to_send(candidates_of(&events(), &ReplayRequest::default()), None);
    let [(name, message)] = to_send.kept.as_slice() else { panic!("{:?}", to_send.kept) };
    assert_eq!(message, &events()[0]["detail"]);
    let messages: Vec<&Location> = to_send.work.iter().map(|work| &work.message).collect();
    assert_eq!(messages, [&Location::Journal(name.clone())]);
}

/// An operator who has pressed Ctrl-C.
struct Interrupted;

impl Interruptions for Interrupted {
    fn came(&self) -> bool {
        true
    }

    fn release(&self) {}
}

/// The batches that a look receives, and the operations that it asked for.
#[derive(Default)]
struct Script {
    batches: RefCell<VecDeque<Result<Vec<Value>, OperateError>>>,
    asked: RefCell<Vec<&'static str>>,
    stage: Option<ReplayStage>,
}

impl Script {
    fn of(batches: impl IntoIterator<Item = Result<Vec<Value>, OperateError>>) -> Self {
        Self { batches: RefCell::new(batches.into_iter().collect()), ..Self::default() }
    }

    fn asked(&self, what: &'static str) {
        self.asked.borrow_mut().push(what);
    }

    async fn looked(
        &self,
        interruptions: &dyn Interruptions,
        delay: Duration,
    ) -> (Result<usize, String>, Vec<&str>) {
        let look = Look {
            source: self,
            interruptions,
            progress: &Silent,
            rule_delay: delay,
            sign_of_life: Duration::ZERO,
        };
        let found = look.collect().await;
        (found.map(|found| found.len()).map_err(|error| error.to_string()), self.asked.borrow().clone())
    }
}

impl Source for Script {
    async fn start(&self) -> Result<(), Box<dyn Error>> {
        self.asked("start");
        Ok(())
    }

    async fn progress(&self) -> Result<Option<ReplayProgress>, OperateError> {
        self.asked("progress");
        let at_its_end =
            if self.batches.borrow().is_empty() { ReplayStage::Completed } else { ReplayStage::Running };
        let stage = self.stage.unwrap_or(at_its_end);
        Ok(Some(ReplayProgress { stage, sent_until: None, reason: None }))
    }

    async fn receive(&self) -> Result<Vec<Value>, OperateError> {
        self.asked("receive");
        self.batches.borrow_mut().pop_front().unwrap_or(Ok(Vec::new()))
    }

    async fn keep(&self) -> Result<(), OperateError> {
        self.asked("keep");
        Ok(())
    }

    async fn cancel(&self) -> Result<(), OperateError> {
        self.asked("cancel");
        Ok(())
    }
}

#[tokio::test]
async fn a_look_says_that_it_goes_on_and_asks_how_far_it_is_only_once_nothing_comes() {
    let script = Script::of([Ok(events().to_vec()), Ok(events().to_vec())]);
    let (found, asked) = script.looked(&Silent, Duration::ZERO).await;
    assert_eq!(found, Ok(4));
    let batch = ["keep", "receive"];
    let end = ["keep", "receive", "progress"];
    assert_eq!(asked, [&["start"][..], &batch, &batch, &end, &end].concat());
}

#[tokio::test]
async fn a_replay_that_nobody_looks_at_any_more_is_called_off() {
    let failed = OperateError { what: "the queue cannot be read".into(), reason: "no".into() };
    let script = Script { stage: Some(ReplayStage::Running), ..Script::of([Err(failed)]) };
    let (found, asked) = script.looked(&Silent, Duration::ZERO).await;
    assert!(found.unwrap_err().contains("cannot be read"));
    assert_eq!(asked, ["start", "keep", "receive", "progress", "cancel"]);

    let script = Script { stage: Some(ReplayStage::Failed), ..Script::of([]) };
    let (found, asked) = script.looked(&Silent, Duration::ZERO).await;
    assert!(found.unwrap_err().contains("ended before its end"));
    assert!(!asked.contains(&"cancel"), "it runs no more: {asked:?}");
}

#[tokio::test]
async fn ctrl_c_ends_a_look_while_it_waits_for_its_rule() {
    let script = Script::default();
    let (found, asked) = script.looked(&Interrupted, Duration::from_hours(1)).await;
    assert!(found.unwrap_err().contains("interrupted"));
    assert_eq!(asked, [""; 0], "nothing was begun");
}
