//! A small HTTP server for one purpose each, which ends with its value.

use crate::Trouble;
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use std::{future::Future, io, net::SocketAddr};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
};

/// A server's answer. An error closes the connection without one.
pub type Reply = io::Result<Response<Full<Bytes>>>;

/// A server on a free port of 127.0.0.1. Its connections end when it is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    open: watch::Receiver<usize>,
    task: JoinHandle<()>,
}

impl Server {
    /// Starts it: each request is answered by `answer`.
    ///
    /// # Errors
    /// If nothing can listen.
    pub async fn start<A, F>(answer: A) -> Result<Self, Trouble>
    where
        A: Fn(Request<Bytes>) -> F + Clone + Send + 'static,
        F: Future<Output = Reply> + Send + 'static,
    {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let (count, open) = watch::channel(0);
        let task = tokio::spawn(accept(listener, count, answer));
        Ok(Self { address, open, task })
    }

    /// Returns the address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until no connection is open: whatever was sent on them has been read by then.
    pub async fn deserted(&self) {
        // The task that counts lives as long as this value.
        _ = self.open.clone().wait_for(|open| *open == 0).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept<A, F>(listener: TcpListener, open: watch::Sender<usize>, answer: A)
where
    A: Fn(Request<Bytes>) -> F + Clone + Send + 'static,
    F: Future<Output = Reply> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    connections.spawn(serve(stream, answer.clone()));
                }
            }
            Some(_) = connections.join_next() => {}
        }
        open.send_replace(connections.len());
    }
}

async fn serve<A, F>(stream: TcpStream, answer: A)
where
    A: Fn(Request<Bytes>) -> F + Clone + Send + 'static,
    F: Future<Output = Reply> + Send + 'static,
{
    // Head and body of an answer may leave in two segments: the second must not wait for the first one's receipt.
    _ = stream.set_nodelay(true);
    let service = service_fn(move |request: Request<Incoming>| {
        let answer = answer.clone();
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
            answer(Request::from_parts(head, body)).await
        }
    });
    // A function that dies leaves its connection half done: that is no trouble of ours.
    _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// An answer with a body.
///
/// # Errors
/// If the status or the type is none.
pub fn reply(status: u16, content_type: &str, body: impl Into<Bytes>) -> Reply {
    let response = Response::builder().status(status).header("content-type", content_type);
    response.body(Full::new(body.into())).map_err(io::Error::other)
}
