//! Stands between the functions and the local cloud, and writes down every call: which function made it,
//! which API, on what.

use http_body_util::{BodyExt as _, Full};
use hyper::{Request, Response, body::Bytes, body::Incoming, service::service_fn};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use serde_json::{Value, json};
use std::{
    fs::{File, OpenOptions},
    io::Write as _,
    path::Path,
    sync::{Arc, Mutex},
    thread,
};
use tokio::net::TcpListener;

type Forward = Client<HttpConnector, Full<Bytes>>;

/// Starts the recorder on a thread of its own, so that it outlives the test that first needs it. Returns
/// once it listens.
pub(crate) fn start(port: u16, cloud: &str, calls: &Path) {
    let file = OpenOptions::new().create(true).append(true).open(calls).expect("the record can be written");
    let cloud: Arc<str> = cloud.trim_start_matches("http://").into();
    let (ready, is_ready) = std::sync::mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async move {
            let listener = TcpListener::bind(("127.0.0.1", port)).await.expect("the recorder's port is free");
            ready.send(()).expect("the test waits");
            serve(listener, cloud, Arc::new(Mutex::new(file))).await;
        });
    });
    is_ready.recv().expect("the recorder started");
}

async fn serve(listener: TcpListener, cloud: Arc<str>, file: Arc<Mutex<File>>) {
    let forward: Forward = Client::builder(TokioExecutor::new()).build_http();
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let (cloud, file, forward) = (Arc::clone(&cloud), Arc::clone(&file), forward.clone());
        let service =
            service_fn(move |request| pass(request, Arc::clone(&cloud), Arc::clone(&file), forward.clone()));
        tokio::spawn(async move {
            // A function that is killed leaves its connection half done: that is no trouble of ours.
            _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn pass(
    request: Request<Incoming>,
    cloud: Arc<str>,
    file: Arc<Mutex<File>>,
    forward: Forward,
) -> Result<Response<Full<Bytes>>, hyper_util::client::legacy::Error> {
    let (mut head, body) = request.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    for (function, action, resource) in calls(&head.headers, &body) {
        let line = json!({ "function": function, "action": action, "resource": resource });
        _ = writeln!(file.lock().expect("no panic while writing"), "{line}");
    }
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    head.uri = format!("http://{cloud}{path}").parse().expect("a path stays a path");
    let answer = forward.request(Request::from_parts(head, Full::new(body))).await?;
    let (head, body) = answer.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    Ok(Response::from_parts(head, Full::new(body)))
}

/// The IAM actions that a request needs, each with the name of the resource it is on.
fn calls(headers: &hyper::HeaderMap, body: &Bytes) -> Vec<(String, String, String)> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    // Our clients name the function in the user agent: `app/<function>`.
    let agent = header("user-agent");
    let Some(function) = agent.split_whitespace().find_map(|part| part.strip_prefix("app/")) else {
        return vec![("?".into(), format!("unnamed:{agent}"), String::new())];
    };
    let call = |action: &str, resource: &str| (function.to_owned(), action.to_owned(), resource.to_owned());
    let target = header("x-amz-target");
    if target.is_empty() {
        return query_calls(body).into_iter().map(|(action, resource)| call(&action, &resource)).collect();
    }
    let json: Value = serde_json::from_slice(body).unwrap_or_default();
    let operation = target.rsplit('.').next().unwrap_or_default();
    if target.starts_with("DynamoDB_") {
        return dynamodb_calls(operation, &json).iter().map(|(action, table)| call(action, table)).collect();
    }
    if target.starts_with("AmazonSQS.") {
        let queue = json["QueueUrl"].as_str().unwrap_or_default();
        let action = operation.trim_end_matches("Batch"); // IAM knows no batch actions of SQS
        return vec![call(&format!("sqs:{action}"), queue.rsplit('/').next().unwrap_or_default())];
    }
    if target.starts_with("AWSEvents.") {
        let entries = json["Entries"].as_array().cloned().unwrap_or_default();
        let bus = entries.first().and_then(|entry| entry["EventBusName"].as_str()).unwrap_or("default");
        return vec![call(&format!("events:{operation}"), bus.rsplit('/').next().unwrap_or_default())];
    }
    vec![call(&format!("unknown:{target}"), "")]
}

/// A transaction needs the right of each of its items ("Using IAM with DynamoDB transactions").
fn dynamodb_calls(operation: &str, json: &Value) -> Vec<(String, String)> {
    let action = |name: &str| format!("dynamodb:{name}");
    match operation {
        "TransactWriteItems" => {
            let items = json["TransactItems"].as_array().cloned().unwrap_or_default();
            let mut calls = Vec::new();
            for (kind, item) in items.iter().filter_map(Value::as_object).flatten() {
                let right = match kind.as_str() {
                    "Put" => "PutItem",
                    "Update" => "UpdateItem",
                    "Delete" => "DeleteItem",
                    "ConditionCheck" => "ConditionCheckItem",
                    other => other,
                };
                calls.push((action(right), item["TableName"].as_str().unwrap_or_default().to_owned()));
            }
            calls
        }
        "BatchGetItem" => {
            let tables = json["RequestItems"].as_object().cloned().unwrap_or_default();
            tables.into_iter().map(|(table, _)| (action(operation), table)).collect()
        }
        _ => vec![(action(operation), json["TableName"].as_str().unwrap_or_default().to_owned())],
    }
}

/// SNS speaks the older query protocol.
fn query_calls(body: &Bytes) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(body);
    let field = |name: &str| {
        let value = text.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        value.unwrap_or_default().replace("%3A", ":").replace("%2F", "/")
    };
    let topic = field("TopicArn");
    vec![(format!("sns:{}", field("Action")), topic.rsplit(':').next().unwrap_or_default().to_owned())]
}
