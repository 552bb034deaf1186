//! Lambda's Runtime API, for one process: what it is to do next, and what became of it.

use crate::{
    Trouble,
    http::{Reply, Server, reply},
};
use hyper::{Method, Request, body::Bytes};
use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use tokio::sync::{Mutex as AsyncMutex, mpsc, oneshot, watch};

const JSON: &str = "application/json";

/// The Runtime API of one process.
#[derive(Debug)]
pub(crate) struct RuntimeApi {
    server: Server,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    function_arn: String,
    to_do: mpsc::UnboundedSender<Invocation>,
    next: AsyncMutex<mpsc::UnboundedReceiver<Invocation>>,
    running: Mutex<HashMap<String, oneshot::Sender<Answered>>>,
    first_asked: watch::Sender<Option<Instant>>,
    last_id: AtomicU64,
}

#[derive(Debug)]
struct Invocation {
    id: String,
    payload: Bytes,
    remaining: Duration,
}

/// The process's answer to an invocation.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) is_error: bool,
    pub(crate) body: Bytes,
    pub(crate) at: Instant,
}

impl RuntimeApi {
    pub(crate) async fn start(function_name: &str) -> Result<Self, Trouble> {
        let (to_do, next) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            function_arn: format!("arn:aws:lambda:us-east-1:000000000000:function:{function_name}"),
            to_do,
            next: AsyncMutex::new(next),
            running: Mutex::default(),
            first_asked: watch::Sender::new(None),
            last_id: AtomicU64::new(0),
        });
        let server = Server::start({
            let shared = Arc::clone(&shared);
            move |request| answer(Arc::clone(&shared), request)
        });
        Ok(Self { server: server.await?, shared })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// When the process first asked what to do.
    pub(crate) async fn first_asked(&self) -> Option<Instant> {
        let mut asked = self.shared.first_asked.subscribe();
        let found = asked.wait_for(Option::is_some).await;
        found.ok().and_then(|instant| *instant)
    }

    /// Gives the process something to do. The receiver fails if the process never answers.
    pub(crate) fn invoke(&self, payload: Bytes, remaining: Duration) -> oneshot::Receiver<Answered> {
        let id =
            format!("00000000-0000-4000-8000-{:012}", self.shared.last_id.fetch_add(1, Ordering::Relaxed));
        let (answered, answer) = oneshot::channel();
        self.shared.running().insert(id.clone(), answered);
        // The other end is in the same value: it is there.
        _ = self.shared.to_do.send(Invocation { id, payload, remaining });
        answer
    }
}

impl Shared {
    fn running(&self) -> std::sync::MutexGuard<'_, HashMap<String, oneshot::Sender<Answered>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn answer(shared: Arc<Shared>, request: Request<Bytes>) -> Reply {
    let (head, body) = request.into_parts();
    let path = head.uri.path().trim_start_matches("/2018-06-01/runtime/");
    let parts: Vec<&str> = path.split('/').collect();
    match (head.method, parts.as_slice()) {
        (Method::GET, ["invocation", "next"]) => next(&shared).await,
        (Method::POST, ["invocation", id, how @ ("response" | "error")]) => {
            let answered = Answered { is_error: *how == "error", body, at: Instant::now() };
            match shared.running().remove(*id) {
                // Nobody may wait for the answer any more.
                Some(waiting) => _ = waiting.send(answered),
                None => return reply(400, JSON, r#"{"errorType":"InvalidRequestID"}"#),
            }
            reply(202, JSON, r#"{"status":"OK"}"#)
        }
        // The process ends after this, which whoever waits for it sees.
        (Method::POST, ["init", "error"]) => reply(202, JSON, r#"{"status":"OK"}"#),
        _ => reply(404, JSON, "{}"),
    }
}

async fn next(shared: &Shared) -> Reply {
    shared.first_asked.send_if_modified(|asked| {
        let is_first = asked.is_none();
        asked.get_or_insert_with(Instant::now);
        is_first
    });
    let Some(invocation) = shared.next.lock().await.recv().await else {
        return Err(std::io::Error::other("the Runtime API has ended"));
    };
    let Invocation { id, payload, remaining } = invocation;
    // Its time begins when the process has it, however long the process took to start.
    let deadline = (SystemTime::now() + remaining).duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let mut response = reply(200, JSON, payload)?;
    for (name, value) in [
        ("lambda-runtime-aws-request-id", id.as_str()),
        ("lambda-runtime-deadline-ms", &deadline.to_string()),
        ("lambda-runtime-invoked-function-arn", &shared.function_arn),
        ("lambda-runtime-trace-id", "Root=1-00000000-000000000000000000000000;Sampled=0"),
    ] {
        response.headers_mut().insert(name, value.parse().map_err(std::io::Error::other)?);
    }
    Ok(response)
}
