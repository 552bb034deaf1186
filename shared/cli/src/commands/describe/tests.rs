//! The real template is free of differences; each kind of difference is found in a broken one.

use super::*;
use throughline_core::describe::{FedBy, HandlerDescription, SagaDescription};

fn types(names: &[&str]) -> Vec<TypeDescription> {
    names.iter().map(|name| TypeDescription { name: (*name).to_owned().into(), version: 1 }).collect()
}

fn handler(name: &str, takes: &[&str], emits: &[&str]) -> HandlerDescription {
    HandlerDescription {
        name: name.into(),
        takes: types(takes),
        takes_other_json: false,
        emits: types(emits),
        is_leased: false,
        tables: Vec::new(),
        on_replay: "claims-decide".into(),
    }
}

/// A part of the shop: one function of each kind.
fn code() -> Described {
    let queue = |handler| FunctionDescription {
        trigger: FedBy::Queue,
        handlers: vec![handler],
        ..Default::default()
    };
    let reserve = HandlerDescription {
        tables: vec!["stock".into()],
        ..handler("reserve-stock", &["order.placed"], &["stock.reserved", "stock.depleted"])
    };
    let confirm = handler("confirm-order", &["stock.reserved", "stock.depleted"], &["order.confirmed"]);
    let saga = SagaDescription {
        name: "checkout".into(),
        steps: vec!["reserve".into()],
        emits: Vec::new(),
        tables: Vec::new(),
    };
    let relay = FunctionDescription {
        trigger: FedBy::Outbox,
        sends_to: vec!["place-order".into()],
        starts: vec!["checkout".into()],
        ..Default::default()
    };
    let functions = [
        ("place-order", queue(handler("place-order", &["order.place"], &["order.placed"]))),
        ("reserve-stock", queue(reserve)),
        (
            "confirm-order",
            FunctionDescription { trigger: FedBy::Rule, handlers: vec![confirm], ..Default::default() },
        ),
        (
            "checkout",
            FunctionDescription { trigger: FedBy::StateMachine, sagas: vec![saga], ..Default::default() },
        ),
        ("relay-outbox", relay),
    ];
    Described { functions: functions.map(|(name, function)| (name.to_owned(), function)).into() }
}

const TEMPLATE: &str = "
Globals: {Function: {Environment: {Variables: {THROUGHLINE_SOURCE: shop}}}}
Resources:
  Bus: {Type: 'AWS::Events::EventBus'}
  Ledger: {Type: 'AWS::DynamoDB::Table'}
  PlaceOrderQueue: {Type: 'AWS::SQS::Queue'}
  PlaceOrderFunction: {Type: 'AWS::Serverless::Function', Properties: {CodeUri: ../target/lambda/place-order/}}
  PlaceOrderMapping: {Type: 'AWS::Lambda::EventSourceMapping', Properties: {FunctionName: !Ref PlaceOrderFunction, EventSourceArn: !GetAtt PlaceOrderQueue.Arn}}
  ReserveStockQueue: {Type: 'AWS::SQS::Queue'}
  ReserveStockRule: {Type: 'AWS::Events::Rule', Properties: {EventBusName: !Ref Bus, EventPattern: {source: [shop], detail-type: [order.placed]}, Targets: [{Arn: !GetAtt ReserveStockQueue.Arn}]}}
  ReserveStockFunction: {Type: 'AWS::Serverless::Function', Properties: {CodeUri: ../target/lambda/reserve-stock/, Environment: {Variables: {THROUGHLINE_TABLE_STOCK: stock}}}}
  ReserveStockMapping: {Type: 'AWS::Lambda::EventSourceMapping', Properties: {FunctionName: !Ref ReserveStockFunction, EventSourceArn: !GetAtt ReserveStockQueue.Arn}}
  ConfirmOrderRule: {Type: 'AWS::Events::Rule', Properties: {EventBusName: !Ref Bus, EventPattern: {source: [shop], detail-type: [stock.reserved, stock.depleted]}, Targets: [{Arn: !GetAtt ConfirmOrderFunction.Arn}]}}
  ConfirmOrderFunction: {Type: 'AWS::Serverless::Function', Properties: {CodeUri: ../target/lambda/confirm-order/}}
  CheckoutFunction: {Type: 'AWS::Serverless::Function', Properties: {CodeUri: ../target/lambda/checkout/}}
  CheckoutStateMachine: {Type: 'AWS::StepFunctions::StateMachine', Properties: {DefinitionSubstitutions: {WorkerArn: !GetAtt CheckoutFunction.Arn}}}
  RelayFunction: {Type: 'AWS::Serverless::Function', Properties: {CodeUri: ../target/lambda/relay-outbox/, Environment: {Variables: {THROUGHLINE_COMMAND_QUEUE_PLACE_ORDER: !Ref PlaceOrderQueue, THROUGHLINE_STATE_MACHINE_CHECKOUT: !Ref CheckoutStateMachine}}}}
  RelayMapping: {Type: 'AWS::Lambda::EventSourceMapping', Properties: {FunctionName: !Ref RelayFunction, EventSourceArn: !GetAtt Ledger.StreamArn}}
";

fn report_of(code: &Described, template: &str) -> Report {
    let template = Wiring::of(&Template::parse(template).unwrap());
    let project = Project::find().unwrap();
    let catalogue = Catalogue::of(&project).unwrap();
    let locked = locked_lines(&project).unwrap();
    Report::of(Sides { code, template: &template, catalogue: &catalogue, locked: &locked })
}

fn differences(code: &Described, template: &str) -> Vec<String> {
    report_of(code, template).differences.iter().map(ToString::to_string).collect()
}

/// Returns the findings when this text of the template is another.
fn broken(from: &str, to: &str) -> Vec<String> {
    assert!(TEMPLATE.contains(from), "the template has no `{from}`");
    differences(&code(), &TEMPLATE.replace(from, to))
}

#[test]
fn code_and_template_that_agree_have_no_differences() {
    assert_eq!(differences(&code(), TEMPLATE), Vec::<String>::new());
}

#[test]
fn the_report_says_who_emits_and_who_consumes() {
    let shown = report_of(&code(), TEMPLATE).to_string();
    let placed = shown.lines().find(|line| line.starts_with("order.placed")).unwrap();
    assert_eq!(
        placed.split("  ").filter(|cell| !cell.is_empty()).map(str::trim).collect::<Vec<_>>(),
        ["order.placed v1", "place-order", "reserve-stock (queue)"]
    );
    assert!(shown.contains("order.confirmed v1: no function consumes it"), "{shown}");
    assert!(shown.contains("The code and the template agree."), "{shown}");
}

#[test]
fn each_way_the_template_can_be_wrong_is_found() {
    for (from, to, found) in [
        (
            "[order.placed]",
            "[order.placed, order.paid]",
            "reserve-stock: a rule delivers `order.paid`, which its handler does not take",
        ),
        ("[order.placed]", "[order.plased]", "ReserveStockRule: its pattern names `order.plased`"),
        (
            "[order.placed]",
            "[order.plased]",
            "reserve-stock: no rule delivers what its handler takes: order.placed v1",
        ),
        (
            "source: [shop], detail-type: [order.placed]",
            "source: [shpo], detail-type: [order.placed]",
            "takes no event of the source shop",
        ),
        (
            "source: [shop], detail-type: [order.placed]",
            "source: [shop], detail-type: [{contains: placed}]",
            "ReserveStockRule: EventBridge refuses its pattern: no event pattern: `detail-type`: there is no operator \
             `contains`",
        ),
        (
            "source: [shop], detail-type: [order.placed]",
            "$or: [{source: [bank], detail-type: [order.placed]}, {source: [shop], detail-type: [order.confirmed]}]",
            "reserve-stock: no rule delivers what its handler takes: order.placed v1",
        ),
        (
            "[{Arn: !GetAtt ConfirmOrderFunction.Arn}]",
            "[]",
            "confirm-order: its code expects to be fed by a rule",
        ),
        (
            "[{Arn: !GetAtt ReserveStockQueue.Arn}]",
            "[{Arn: !GetAtt ReserveStockFunction.Arn}]",
            "reserve-stock: its code reads a queue, but a rule invokes it",
        ),
        (
            "EventSourceArn: !GetAtt PlaceOrderQueue.Arn",
            "EventSourceArn: !GetAtt ReserveStockQueue.Arn",
            "place-order: its handler takes order.place v1 from the queue `place-order`, but reserve-stock feeds it",
        ),
        (
            "../target/lambda/checkout/",
            "../target/lambda/chekout/",
            "CheckoutFunction: its CodeUri names the crate `chekout`",
        ),
        (
            "../target/lambda/checkout/",
            "../target/lambda/chekout/",
            "checkout: a crate in functions/ that the template deploys nowhere",
        ),
        (
            "WorkerArn: !GetAtt CheckoutFunction.Arn",
            "WorkerArn: x",
            "checkout: its code expects to be fed by a state machine",
        ),
        (
            "!GetAtt Ledger.StreamArn",
            "x",
            "relay-outbox: its code expects to be fed by the ledger table's stream",
        ),
        (
            "THROUGHLINE_STATE_MACHINE_CHECKOUT: !Ref CheckoutStateMachine",
            "X: y",
            "relay-outbox: it starts `checkout`, and the template does not set THROUGHLINE_STATE_MACHINE_CHECKOUT",
        ),
        (
            "PLACE_ORDER: !Ref PlaceOrderQueue",
            "PLACE_ORDER: !Ref ReserveStockQueue",
            "THROUGHLINE_COMMAND_QUEUE_PLACE_ORDER is ReserveStockQueue, which is not `place-order`",
        ),
        (
            "THROUGHLINE_TABLE_STOCK",
            "THROUGHLINE_TABLE_STOCKS",
            "the template does not set THROUGHLINE_TABLE_STOCK",
        ),
    ] {
        let differences = broken(from, to);
        assert!(differences.iter().any(|difference| difference.contains(found)), "{found}: {differences:#?}");
    }
}

/// Right patterns that a plainer reading takes for wrong, and one that stays open.
#[test]
fn a_pattern_that_takes_the_events_by_other_operators_is_no_difference() {
    let from = "source: [shop], detail-type: [order.placed]";
    for to in [
        "source: [{wildcard: 'sh*p'}], detail-type: [{wildcard: '*.placed'}]",
        "source: [shop], detail-type: [{prefix: {equals-ignore-case: ORDER.PL}}]",
        "source: [{anything-but: {prefix: [bank, till]}}], detail-type: [order.placed]",
        "source: [shop], detail-type: [order.placed], detail: {lines: {sku: [{exists: true}], gift: [{exists: false}]}}",
        "detail: {total: [{numeric: ['>', 10]}]}, source: [shop], detail-type: [order.placed], id: [{exists: true}]",
        "$or: [{source: [bank]}, {source: [!Ref Source], detail-type: [order.placed]}]",
    ] {
        let template = TEMPLATE.replace(from, to);
        assert_ne!(template, TEMPLATE);
        assert_eq!(differences(&code(), &template), Vec::<String>::new(), "{to}");
    }
    let twice = TEMPLATE.replace(
        from,
        "source: [shop], detail-type: [order.placed], $or: [{detail-type: [order.paid]}, {account: ['1']}]",
    );
    assert_eq!(differences(&code(), &twice), Vec::<String>::new());
    let shown = report_of(&code(), &twice).to_string();
    let open = "ReserveStockRule: whether its pattern takes";
    assert!(
        shown.contains(open) && shown.contains("`detail-type`: there are several patterns for it"),
        "{shown}"
    );
}

#[test]
fn each_way_the_code_can_be_wrong_is_found() {
    let with = |change: fn(&mut HandlerDescription)| {
        let mut code = code();
        change(&mut code.functions.get_mut("reserve-stock").unwrap().handlers[0]);
        differences(&code, TEMPLATE).join("\n")
    };
    let renamed = with(|handler| handler.name = "reserve".into());
    assert!(renamed.contains("reserve: functions/handlers.lock has no line `reserve`"), "{renamed}");
    let reprocessed = with(|handler| handler.on_replay = "reprocess".into());
    assert!(reprocessed.contains("has no line `reserve-stock reprocess`"), "{reprocessed}");
    let newer = with(|handler| handler.takes[0].version = 2);
    assert!(
        newer.contains("`order.placed` v1 is emitted, and its handler does not take that version"),
        "{newer}"
    );
    let unknown = with(|handler| handler.emits[0].version = 7);
    assert!(
        unknown.contains("reserve-stock: it emits stock.reserved v7, which the catalogue does not have"),
        "{unknown}"
    );
}
