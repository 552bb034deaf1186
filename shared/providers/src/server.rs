//! The providers over HTTP.

use crate::{
    conduct::Conduct,
    providers::{Answer, Call, Charge, Providers, Reply, ShipmentRequest},
    totals::Totals,
};
use axum::{
    Json, Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use hyper::{body::Incoming, server::conn::http1, service::Service as _};
use hyper_util::{rt::TokioIo, server::graceful::GracefulShutdown, service::TowerToHyperService};
use serde::Deserialize;
use std::{
    future::Future,
    io,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    select, spawn,
    time::{sleep, timeout},
};

/// The time that requests under way may take when the program ends.
const LAST_ANSWERS: Duration = Duration::from_secs(2);

/// The delays of requests that are not answered promptly.
#[derive(Debug, Clone, Copy)]
pub struct Delays {
    /// The time from the effect to the answer of a [slow](Conduct::Slow) request.
    pub slow: Duration,
    /// The time from the lost connection to the effect of a [late](Conduct::Late) request.
    pub late: Duration,
}

#[derive(Debug, Clone)]
struct Server {
    providers: Arc<Mutex<Providers>>,
    delays: Delays,
}

/// Answers requests until `ending` is ready.
///
/// # Errors
/// When the listener cannot accept connections any more.
pub async fn serve(
    listener: TcpListener,
    delays: Delays,
    ending: impl Future<Output = ()>,
) -> io::Result<()> {
    let router = router(Server { providers: Arc::default(), delays });
    let connections = GracefulShutdown::new();
    let mut ending = pin!(ending);
    loop {
        let stream = select! {
            accepted = listener.accept() => accepted?.0,
            () = &mut ending => break,
        };
        answer_requests(stream, router.clone(), &connections);
    }
    // Whoever has not finished by then is cut off.
    _ = timeout(LAST_ANSWERS, connections.shutdown()).await;
    Ok(())
}

/// The connection is to be closed without an answer.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("this answer is lost on purpose")]
struct AnswerLost;

/// A service that fails makes hyper close the connection, which a router alone cannot.
fn answer_requests(stream: TcpStream, router: Router, connections: &GracefulShutdown) {
    let service = TowerToHyperService::new(router);
    let or_lose = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
        let answering = service.call(request);
        async move {
            let Ok(response) = answering.await;
            match response.extensions().get::<AnswerLost>() {
                Some(lost) => Err(*lost),
                None => Ok(response),
            }
        }
    });
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), or_lose);
    spawn(connections.watch(connection));
}

fn router(server: Server) -> Router {
    Router::new()
        .route("/charges", post(charge))
        .route("/charges/void", post(void_charge))
        .route("/charges/{id}/refund", post(refund))
        .route("/shipments", post(ship))
        .route("/shipments/void", post(void_shipment))
        .route("/shipments/{id}/cancel", post(cancel_shipment))
        .route("/totals", get(totals))
        .route("/calls", get(calls))
        .with_state(server)
}

/// A key to void.
#[derive(Debug, Deserialize)]
struct Void {
    key: String,
}

async fn charge(State(server): State<Server>, headers: HeaderMap, Json(charge): Json<Charge>) -> Response {
    let Some(key) = key_of(&headers) else { return key_is_missing() };
    let reply = server.providers().charge(&key, &charge);
    let late = move |providers: &mut Providers| providers.charge_late(&key, &charge);
    server.deliver(reply, late).await
}

async fn ship(
    State(server): State<Server>,
    headers: HeaderMap,
    Json(request): Json<ShipmentRequest>,
) -> Response {
    let Some(key) = key_of(&headers) else { return key_is_missing() };
    let reply = server.providers().ship(&key, &request);
    let late = move |providers: &mut Providers| providers.ship_late(&key, &request);
    server.deliver(reply, late).await
}

async fn refund(State(server): State<Server>, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    server.providers().refund(&id, key_of(&headers).as_deref())
}

async fn cancel_shipment(State(server): State<Server>, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    server.providers().cancel_shipment(&id, key_of(&headers).as_deref())
}

async fn void_charge(State(server): State<Server>, Json(void): Json<Void>) -> Answer {
    server.providers().void_charge(&void.key)
}

async fn void_shipment(State(server): State<Server>, Json(void): Json<Void>) -> Answer {
    server.providers().void_shipment(&void.key)
}

async fn totals(State(server): State<Server>) -> Json<Totals> {
    Json(server.providers().totals())
}

async fn calls(State(server): State<Server>) -> Json<Vec<Call>> {
    Json(server.providers().calls().to_vec())
}

impl Server {
    fn providers(&self) -> MutexGuard<'_, Providers> {
        self.providers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers now, later or never; what is late happens meanwhile.
    async fn deliver(&self, reply: Reply, late: impl FnOnce(&mut Providers) + Send + 'static) -> Response {
        let Reply { answer, conduct } = reply;
        match conduct {
            Conduct::Slow => sleep(self.delays.slow).await,
            Conduct::Late => {
                let server = self.clone();
                spawn(async move {
                    sleep(server.delays.late).await;
                    late(&mut server.providers());
                });
            }
            Conduct::Prompt | Conduct::AnswerLost | Conduct::Unavailable | Conduct::Refused => {}
        }
        let mut response = answer.into_response();
        if !conduct.is_answered() {
            response.extensions_mut().insert(AnswerLost);
        }
        response
    }
}

fn key_of(headers: &HeaderMap) -> Option<String> {
    let key = headers.get("idempotency-key")?.to_str().ok()?.trim();
    (!key.is_empty()).then(|| key.to_owned())
}

fn key_is_missing() -> Response {
    (StatusCode::BAD_REQUEST, "the header Idempotency-Key is missing").into_response()
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, Json(self.body)).into_response()
    }
}
