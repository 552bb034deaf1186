//! Stands between the functions and the local cloud: writes down every call for the test of the rights,
//! keeps every request for the tests to look at, and springs their traps.

use super::{
    processes,
    requests::Request as Asked,
    traps::{Trap, Traps, Trick},
};
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, Response, StatusCode, body::Bytes, body::Incoming, service::service_fn};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use serde_json::json;
use std::{
    fs::{File, OpenOptions},
    io::{self, Write as _},
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};
use tokio::net::{TcpListener, TcpStream};

type Forward = Client<HttpConnector, Full<Bytes>>;
type Answer = io::Result<Response<Full<Bytes>>>;

/// The recorder. It runs on a thread of its own, so that it outlives the test that first needs it.
#[derive(Clone)]
pub(crate) struct Recorder(Arc<Shared>);

struct Shared {
    /// The address of the cloud.
    cloud: String,
    forward: Forward,
    file: Mutex<File>,
    requests: Mutex<Vec<Asked>>,
    traps: Traps,
}

/// One connection: who holds its ends.
#[derive(Debug, Clone, Copy)]
struct Ends {
    caller: SocketAddr,
    recorder: SocketAddr,
}

impl Recorder {
    /// Starts it. Returns once it listens.
    pub(crate) fn start(port: u16, cloud: &str, calls: &Path) -> Self {
        let file =
            OpenOptions::new().create(true).append(true).open(calls).expect("the record can be written");
        let recorder = Self(Arc::new(Shared {
            cloud: cloud.trim_start_matches("http://").into(),
            forward: Client::builder(TokioExecutor::new()).build_http(),
            file: Mutex::new(file),
            requests: Mutex::default(),
            traps: Traps::default(),
        }));
        let (ready, is_ready) = std::sync::mpsc::channel();
        let server = recorder.clone();
        thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                let listener =
                    TcpListener::bind(("127.0.0.1", port)).await.expect("the recorder's port is free");
                ready.send(()).expect("the test waits");
                loop {
                    if let Ok((stream, caller)) = listener.accept().await {
                        server.serve(stream, caller);
                    }
                }
            });
        });
        is_ready.recv().expect("the recorder started");
        recorder
    }

    /// Sets a trap.
    pub(crate) fn set(&self, trap: Trap) -> Arc<Trap> {
        self.0.traps.set(trap)
    }

    /// The calls of an operation by a function whose body contains `text`, in their order. Also those that a
    /// trap kept from the cloud.
    pub(crate) fn requests(&self, function: &str, operation: &str, text: &str) -> Vec<Asked> {
        self.seen().iter().filter(|request| request.is(function, operation, text)).cloned().collect()
    }

    /// Returns whether a function has made any call that contains `text` after a trap sprang.
    pub(crate) fn has_called_since(&self, trap: &Trap, function: &str, text: &str) -> bool {
        let requests = self.seen();
        let mut since = requests.iter().skip(trap.seen());
        since.any(|request| request.function == function && request.body.contains(text))
    }

    fn seen(&self) -> MutexGuard<'_, Vec<Asked>> {
        self.0.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, stream: TcpStream, caller: SocketAddr) {
        let Ok(recorder) = stream.local_addr() else { return };
        let server = self.clone();
        let service = service_fn(move |request| {
            let server = server.clone();
            async move { server.answer(request, Ends { caller, recorder }).await }
        });
        tokio::spawn(async move {
            let connection = hyper::server::conn::http1::Builder::new();
            // A function that dies leaves its connection half done: that is no trouble of ours.
            _ = connection.serve_connection(TokioIo::new(stream), service).await;
        });
    }

    async fn answer(&self, request: Request<Incoming>, ends: Ends) -> Answer {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        let asked = Asked::read(&head, &body);
        let request = Request::from_parts(head, Full::new(body));
        let trap = self.0.traps.catch(&asked);
        let function = asked.function.clone();
        self.write_down(asked);
        let Some(trap) = trap else { return self.pass(request).await };
        match trap.trick() {
            Trick::Refuse => {
                trap.is_done(self.seen().len());
                let mut answer = Response::new(Full::default());
                *answer.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
                return Ok(answer);
            }
            Trick::KillBefore => {}
            Trick::KillAfter => drop(self.pass(request).await?),
        }
        let pid = processes::who_called(&function, ends.caller, ends.recorder).ok_or_else(|| {
            io::Error::other(format!("no process of {function} holds {ends:?}: {trap} killed nobody"))
        })?;
        processes::kill(pid);
        trap.is_done(self.seen().len());
        Err(io::Error::other("the caller is dead: there is nobody to answer"))
    }

    async fn pass(&self, request: Request<Full<Bytes>>) -> Answer {
        let (mut head, body) = request.into_parts();
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        head.uri = format!("http://{}{path}", self.0.cloud).parse().map_err(io::Error::other)?;
        let answer =
            self.0.forward.request(Request::from_parts(head, body)).await.map_err(io::Error::other)?;
        let (head, body) = answer.into_parts();
        Ok(Response::from_parts(head, Full::new(body.collect().await.map_err(io::Error::other)?.to_bytes())))
    }

    fn write_down(&self, asked: Asked) {
        let mut file = self.0.file.lock().unwrap_or_else(PoisonError::into_inner);
        for right in &asked.rights {
            let line =
                json!({ "function": asked.function, "action": right.action, "resource": right.resource });
            writeln!(file, "{line}").expect("the record can be written");
        }
        self.seen().push(asked);
    }
}
