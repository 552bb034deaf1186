//! Stands between a function and every service: counts its requests, kills it at one of them, and asks
//! DynamoDB what each consumed.

use crate::{
    Call, Capacity, Function, Trouble, capacity,
    http::{Reply, Server, reply},
    process::Life,
    stands,
};
use http_body_util::{BodyExt as _, Full};
use hyper::{
    HeaderMap, Request, Response,
    body::Bytes,
    header::{CONTENT_LENGTH, HeaderValue},
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::sync::watch;

/// The recorder.
#[derive(Debug)]
pub struct Recorder {
    server: Server,
    shared: Arc<Shared>,
}

/// When a function dies, seen from the request it dies at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// The request has left the function; the service never hears of it.
    Before,
    /// The service has done what it was asked; the function never hears of it.
    After,
}

#[derive(Debug)]
struct Shared {
    database: SocketAddr,
    forward: Client<HttpConnector, Full<Bytes>>,
    asks_for_capacity: AtomicBool,
    state: Mutex<State>,
    /// The number of requests that are under way.
    under_way: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct State {
    calls: Vec<Call>,
    death: Option<Death>,
    capacity: Capacity,
}

/// A death to come.
#[derive(Debug)]
struct Death {
    /// The number of requests that pass before the one that is meant.
    lets_pass: usize,
    moment: Moment,
    victim: Life,
}

impl Recorder {
    /// A recorder before a DynamoDB, and before the stands of the other services.
    pub(crate) async fn start(database: SocketAddr) -> Result<Self, Trouble> {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let shared = Arc::new(Shared {
            database,
            forward: Client::builder(TokioExecutor::new()).build(connector),
            asks_for_capacity: AtomicBool::new(false),
            state: Mutex::default(),
            under_way: watch::Sender::new(0),
        });
        let server = Server::start({
            let shared = Arc::clone(&shared);
            move |request| {
                // Of its own: what has reached us reaches the service, even if its sender is dead by then.
                let answering = tokio::spawn(Arc::clone(&shared).attend(request));
                async move { answering.await.map_err(io::Error::other)? }
            }
        });
        Ok(Self { server: server.await?, shared })
    }

    /// Returns the URL that functions take for AWS.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// Kills a function with SIGKILL at its `request`-th request from now on, counted from one. The process
    /// is dead before anything else happens.
    pub fn kill_at(&self, request: usize, moment: Moment, function: &Function) {
        let death = Death { lets_pass: request - 1, moment, victim: function.life().clone() };
        self.shared.state().death = Some(death);
    }

    /// Takes back a death that has not come; whether there was one.
    pub fn spare(&self) -> bool {
        self.shared.state().death.take().is_some()
    }

    /// Waits until everything that functions have sent before they died has been done. Does not return while
    /// a function lives that has sent anything.
    pub async fn quiet(&self) {
        self.server.deserted().await;
        // The sender is in the same value: it is there.
        _ = self.shared.under_way.subscribe().wait_for(|count| *count == 0).await;
    }

    /// Every request since the last [`forget`](Self::forget), in their order.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.state().calls.clone()
    }

    /// Returns the number of requests of each operation since the last [`forget`](Self::forget).
    pub fn counts(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for call in &self.shared.state().calls {
            *counts.entry(call.operation.clone()).or_default() += 1;
        }
        counts
    }

    /// Asks DynamoDB from now on for the capacity of each request, which makes its answers a little longer.
    pub fn ask_for_capacity(&self) {
        self.shared.asks_for_capacity.store(true, Ordering::Relaxed);
    }

    /// Returns the capacity consumed since the last [`forget`](Self::forget), if it was asked for.
    pub fn capacity(&self) -> Capacity {
        self.shared.state().capacity
    }

    /// Forgets every request and what they consumed. For when no request is under way.
    pub fn forget(&self) {
        let mut state = self.shared.state();
        state.calls.clear();
        state.capacity = Capacity::default();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts the request as under way from the moment it is there.
    fn attend(self: Arc<Self>, request: Request<Bytes>) -> impl Future<Output = Reply> {
        self.under_way.send_modify(|count| *count += 1);
        async move {
            let answer = self.answer(request).await;
            self.under_way.send_modify(|count| *count -= 1);
            answer
        }
    }

    async fn answer(&self, request: Request<Bytes>) -> Reply {
        let operation = stands::operation(&request);
        let (place, death) = self.write_down(operation.clone(), request.body().clone());
        if let Some((Moment::Before, victim)) = &death {
            victim.kill().await;
            return Err(its_caller_is_dead());
        }
        let answer = self.pass(operation.as_str(), request).await?;
        self.settle(place, &answer);
        if let Some((Moment::After, victim)) = &death {
            victim.kill().await;
            return Err(its_caller_is_dead());
        }
        let (head, body) = answer.into_parts();
        Ok(Response::from_parts(head, Full::new(body)))
    }

    /// Its place among the calls, and what is to happen at it.
    fn write_down(&self, operation: String, body: Bytes) -> (usize, Option<(Moment, Life)>) {
        let mut state = self.state();
        state.calls.push(Call { operation, body, status: None });
        let place = state.calls.len() - 1;
        let death = match &mut state.death {
            Some(Death { lets_pass: 0, .. }) => state.death.take(),
            Some(death) => {
                death.lets_pass -= 1;
                None
            }
            None => None,
        };
        (place, death.map(|Death { moment, victim, .. }| (moment, victim)))
    }

    /// Records the service's answer and the capacity that the request consumed.
    fn settle(&self, place: usize, answer: &Response<Bytes>) {
        let asked = self.asks_for_capacity.load(Ordering::Relaxed);
        let mut state = self.state();
        let Some(call) = state.calls.get_mut(place) else { return };
        call.status = Some(answer.status().as_u16());
        if asked {
            let consumed = capacity::consumed(&call.operation, &call.body, answer.body());
            state.capacity += consumed;
        }
    }

    /// Asks the service.
    async fn pass(&self, operation: &str, request: Request<Bytes>) -> io::Result<Response<Bytes>> {
        let (mut head, mut body) = request.into_parts();
        if !stands::is_for_dynamodb(&head.headers) {
            let (status, content_type, body) = stands::answer(operation, &body);
            let (head, body) = reply(status, content_type, body)?.into_parts();
            return Ok(Response::from_parts(
                head,
                body.collect().await.map_err(io::Error::other)?.to_bytes(),
            ));
        }
        if self.asks_for_capacity.load(Ordering::Relaxed) {
            body = capacity::asking(&body);
            set_length(&mut head.headers, body.len());
        }
        head.uri = format!("http://{}/", self.database).parse().map_err(io::Error::other)?;
        let request = Request::from_parts(head, Full::new(body));
        let (head, body) = self.forward.request(request).await.map_err(io::Error::other)?.into_parts();
        Ok(Response::from_parts(head, body.collect().await.map_err(io::Error::other)?.to_bytes()))
    }
}

fn set_length(headers: &mut HeaderMap, length: usize) {
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
}

fn its_caller_is_dead() -> io::Error {
    io::Error::other("the caller is dead: there is nobody to answer")
}
