//! The providers over a real socket: what a client sees of each fault, and what the shop sends.

use http_body_util::{BodyExt as _, Full};
use hyper::{Request, StatusCode, body::Bytes};
use hyper_util::{
    client::legacy::{Client, Error, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::{Value, json};
use std::{
    net::SocketAddr,
    process::{Child, Command},
    time::{Duration, Instant},
};
use throughline_providers::server::{Delays, serve};
use throughline_shop::{Charge, Currency, Money, OrderLine, ShipmentRequest};
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle, time::sleep};

const A_MOMENT: Duration = Duration::from_millis(50);

struct Providers {
    address: SocketAddr,
    client: Client<HttpConnector, Full<Bytes>>,
    end: oneshot::Sender<()>,
    server: JoinHandle<std::io::Result<()>>,
}

impl Providers {
    async fn open(delays: Delays) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (end, ended) = oneshot::channel();
        let server = tokio::spawn(serve(listener, delays, async { ended.await.unwrap_or_default() }));
        Self { address, client: client(), end, server }
    }

    async fn post(&self, path: &str, key: Option<&str>, body: &Value) -> Result<(StatusCode, Value), Error> {
        post(&self.client, self.address, path, key, body).await
    }

    async fn get(&self, path: &str) -> Value {
        let uri = format!("http://{}{path}", self.address).parse().unwrap();
        let body = self.client.get(uri).await.unwrap().into_body().collect().await.unwrap().to_bytes();
        serde_json::from_slice(&body).unwrap()
    }

    async fn totals_of(&self, order_id: &str) -> Value {
        self.get("/totals").await["orders"][order_id].clone()
    }

    async fn close(self) {
        self.end.send(()).unwrap();
        self.server.await.unwrap().unwrap();
    }
}

fn client() -> Client<HttpConnector, Full<Bytes>> {
    Client::builder(TokioExecutor::new()).build_http()
}

async fn post(
    client: &Client<HttpConnector, Full<Bytes>>,
    address: SocketAddr,
    path: &str,
    key: Option<&str>,
    body: &Value,
) -> Result<(StatusCode, Value), Error> {
    let mut request =
        Request::post(format!("http://{address}{path}")).header("content-type", "application/json");
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    let answer = client.request(request.body(Full::from(body.to_string())).unwrap()).await?;
    let status = answer.status();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    Ok((status, serde_json::from_slice(&body).unwrap_or(Value::Null)))
}

fn at_once() -> Delays {
    Delays { slow: Duration::ZERO, late: Duration::ZERO }
}

/// As the shop sends it.
fn charge(order_id: &str, card: &str) -> Value {
    let amount = Money { cents: 3390, currency: Currency::Eur };
    serde_json::to_value(Charge { order_id: order_id.into(), card: card.into(), amount }).unwrap()
}

/// As the shop sends it.
fn shipment(order_id: &str, address: &str) -> Value {
    let lines = vec![OrderLine { sku: "mug-blue".into(), quantity: 2, unit_price_cents: 1250 }];
    serde_json::to_value(ShipmentRequest { order_id: order_id.into(), address: address.into(), lines })
        .unwrap()
}

#[tokio::test]
async fn a_charge_and_a_shipment_happen_once_and_are_undone_once() {
    let providers = Providers::open(at_once()).await;
    for _ in 0..2 {
        let charged = providers.post("/charges", Some("k"), &charge("o-1", "card-ada")).await.unwrap();
        assert_eq!(charged, (StatusCode::CREATED, json!({ "charge_id": "charge-1" })));
        let shipped = providers.post("/shipments", Some("k"), &shipment("o-1", "here")).await.unwrap();
        assert_eq!(shipped, (StatusCode::CREATED, json!({ "shipment_id": "shipment-1" })));
    }
    let totals = json!({ "charges": 1, "refunds": 0, "net_cents": 3390, "live_shipments": 1 });
    assert_eq!(providers.totals_of("o-1").await, totals);
    for path in ["/charges/charge-1/refund", "/shipments/shipment-1/cancel"] {
        for _ in 0..2 {
            assert_eq!(providers.post(path, Some("u"), &Value::Null).await.unwrap().0, StatusCode::OK);
        }
    }
    let totals = json!({ "charges": 1, "refunds": 1, "net_cents": 0, "live_shipments": 0 });
    assert_eq!(providers.totals_of("o-1").await, totals);
    assert_eq!(providers.get("/calls").await.as_array().unwrap().len(), 8);
    providers.close().await;
}

#[tokio::test]
async fn what_is_refused_says_why() {
    let providers = Providers::open(at_once()).await;
    let ask = |path, key, body| {
        let providers = &providers;
        async move {
            let (status, body): (StatusCode, Value) = providers.post(path, key, &body).await.unwrap();
            (status.as_u16(), body["error"].clone())
        }
    };
    assert_eq!(ask("/charges", Some("a"), charge("o-1", "declined")).await, (402, json!("declined")));
    let nowhere = shipment("o-1", "undeliverable");
    assert_eq!(ask("/shipments", Some("a"), nowhere).await, (422, json!("undeliverable")));
    assert_eq!(ask("/charges", Some("b"), charge("o-1", "card-ada")).await.0, 201);
    assert_eq!(ask("/charges", Some("b"), charge("o-2", "card-ada")).await, (409, json!("key reused")));
    assert_eq!(ask("/charges/void", None, json!({ "key": "c" })).await.0, 200);
    assert_eq!(ask("/charges", Some("c"), charge("o-1", "card-ada")).await, (410, json!("voided")));
    assert_eq!(ask("/charges", None, charge("o-1", "card-ada")).await.0, 400);
    assert_eq!(ask("/charges", Some("d"), json!({ "order_id": "o-1" })).await.0, 422);
    providers.close().await;
}

#[tokio::test]
async fn a_lost_answer_is_a_closed_connection_and_has_had_its_effect() {
    let providers = Providers::open(at_once()).await;
    for _ in 0..2 {
        let lost = providers.post("/charges", Some("k-1"), &charge("o-1", "answer-lost")).await;
        assert!(lost.is_err(), "{lost:?}");
    }
    assert_eq!(providers.totals_of("o-1").await["net_cents"], 3390);

    let body = shipment("o-2", "answer-lost-once");
    assert!(providers.post("/shipments", Some("k-2"), &body).await.is_err());
    let again = providers.post("/shipments", Some("k-2"), &body).await.unwrap();
    assert_eq!(again, (StatusCode::CREATED, json!({ "shipment_id": "shipment-1" })));

    let voided = providers.post("/charges/void", None, &json!({ "key": "k-1" })).await.unwrap();
    assert_eq!(voided, (StatusCode::OK, json!({ "outcome": "refunded" })));
    assert_eq!(providers.totals_of("o-1").await["net_cents"], 0);
    providers.close().await;
}

#[tokio::test]
async fn what_is_late_happens_after_the_connection_is_closed_unless_it_was_voided() {
    let providers = Providers::open(Delays { late: A_MOMENT, ..at_once() }).await;
    for key in ["voided", "not-voided"] {
        assert!(providers.post("/charges", Some(key), &charge(key, "late")).await.is_err());
    }
    providers.post("/charges/void", None, &json!({ "key": "voided" })).await.unwrap();
    let late_calls = loop {
        let calls = providers.get("/calls").await;
        let outcomes: Vec<_> = calls.as_array().unwrap().iter().map(|call| call["outcome"].clone()).collect();
        if outcomes.len() == 5 {
            break outcomes;
        }
        sleep(A_MOMENT).await;
    };
    assert_eq!(late_calls, ["late", "late", "voided", "voided", "charged"].map(Value::from));
    assert_eq!(providers.totals_of("voided").await, Value::Null);
    assert_eq!(providers.totals_of("not-voided").await["net_cents"], 3390);
    providers.close().await;
}

#[tokio::test]
async fn what_is_slow_has_its_effect_before_its_answer() {
    let providers = Providers::open(Delays { slow: Duration::from_hours(1), ..at_once() }).await;
    let body = charge("o-1", "slow");
    let asking = providers.post("/charges", Some("k-1"), &body);
    let charged = async {
        while providers.totals_of("o-1").await["net_cents"] != 3390 {
            sleep(A_MOMENT).await;
        }
    };
    tokio::select! {
        answer = asking => panic!("it was answered at once: {answer:?}"),
        () = charged => {}
    }
    drop(providers.client);
    providers.server.abort();
}

#[tokio::test]
async fn what_is_unavailable_once_can_be_asked_for_again() {
    let providers = Providers::open(at_once()).await;
    let body = charge("o-1", "unavailable-once");
    let statuses = [
        providers.post("/charges", Some("k-1"), &body).await.unwrap().0.as_u16(),
        providers.post("/charges", Some("k-1"), &body).await.unwrap().0.as_u16(),
    ];
    assert_eq!(statuses, [503, 201]);
    providers.close().await;
}

/// Ends the program, whatever becomes of the test.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        _ = self.0.kill();
    }
}

#[tokio::test]
async fn the_program_writes_down_its_address_and_ends_when_it_is_told_to() {
    let file = std::env::temp_dir().join(format!("shop-providers-{}", std::process::id()));
    let program = Command::new(env!("CARGO_BIN_EXE_shop-providers")).arg("--address-file").arg(&file).spawn();
    let mut program = Program(program.unwrap());
    let started = Instant::now();
    let address = loop {
        match std::fs::read_to_string(&file) {
            Ok(address) => break address,
            Err(_) if started.elapsed() < Duration::from_secs(30) => sleep(A_MOMENT).await,
            Err(error) => panic!("{}: {error}", file.display()),
        }
    };
    std::fs::remove_file(&file).unwrap();
    let address = address.strip_prefix("http://").unwrap().parse().unwrap();
    let answer = post(&client(), address, "/charges", Some("k-1"), &charge("o-1", "card-ada")).await.unwrap();
    assert_eq!(answer.0, StatusCode::CREATED);

    let told = Command::new("sh").args(["-c", &format!("kill -s TERM {}", program.0.id())]).status().unwrap();
    assert!(told.success());
    assert!(program.0.wait().unwrap().success());
}
