//! A wire on which requests and answers are lost.

use aws_sdk_dynamodb::config::{HttpClient, RuntimeComponents, SharedHttpClient, http::HttpRequest};
use aws_smithy_runtime_api::{
    client::{
        http::{HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector},
        orchestrator::HttpResponse,
        result::ConnectorError,
    },
    http::StatusCode,
};
use serde_json::{Value, json};
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

/// A fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// Every request happens, and the answer to its first attempt is lost.
    FirstAnswersLost,
    /// Every request's first attempt is throttled.
    FirstAttemptsThrottled,
    /// Every write happens, and no attempt at it is ever answered.
    AnswersToWritesLost,
    /// Every other transaction is cancelled because another one is in the way of one of its items: the
    /// first time of its first, then of its second, and so on.
    TransactionsCollide,
}

/// A wire with a fault.
#[derive(Debug)]
pub(crate) struct FaultyWire {
    pub(crate) inner: SharedHttpClient,
    pub(crate) fault: Fault,
    pub(crate) transactions: Arc<AtomicUsize>,
    /// The operations that were asked for, in order.
    pub(crate) operations: Arc<Mutex<Vec<String>>>,
}

impl HttpClient for FaultyWire {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(FaultyConnection {
            inner: self.inner.http_connector(settings, components),
            fault: self.fault,
            transactions: Arc::clone(&self.transactions),
            operations: Arc::clone(&self.operations),
        })
    }
}

#[derive(Debug)]
struct FaultyConnection {
    inner: SharedHttpConnector,
    fault: Fault,
    transactions: Arc<AtomicUsize>,
    operations: Arc<Mutex<Vec<String>>>,
}

/// The fate of one request.
enum Fate {
    Works,
    AnswerLost,
    Answered(u16, Value),
}

impl FaultyConnection {
    fn fate(&self, request: &HttpRequest) -> Fate {
        let header = |name: &str| request.headers().get(name).unwrap_or_default();
        let operation = header("x-amz-target").rsplit('.').next().unwrap_or_default();
        self.operations.lock().expect("nobody panicked").push(operation.to_owned());
        let is_first = header("amz-sdk-request").contains("attempt=1");
        let is_write = ["TransactWriteItems", "PutItem", "BatchExecuteStatement"].contains(&operation);
        match self.fault {
            Fault::FirstAnswersLost if is_first => Fate::AnswerLost,
            Fault::AnswersToWritesLost if is_write => Fate::AnswerLost,
            Fault::FirstAttemptsThrottled if is_first => {
                Fate::Answered(400, json!({ "__type": "ThrottlingException", "message": "slow down" }))
            }
            Fault::TransactionsCollide if operation == "TransactWriteItems" => self.collide(request),
            _ => Fate::Works,
        }
    }

    fn collide(&self, request: &HttpRequest) -> Fate {
        let count = self.transactions.fetch_add(1, Ordering::SeqCst);
        if count % 2 == 1 {
            return Fate::Works;
        }
        let body: Value = serde_json::from_slice(request.body().bytes().expect("in memory")).expect("JSON");
        let items = body["TransactItems"].as_array().map_or(0, Vec::len);
        let hit = (count / 2) % items;
        let reason = |at: usize| {
            if at == hit {
                json!({ "Code": "TransactionConflict", "Message": "busy" })
            } else {
                json!({ "Code": "None" })
            }
        };
        let reasons: Vec<Value> = (0..items).map(reason).collect();
        let error = "com.amazonaws.dynamodb.v20120810#TransactionCanceledException";
        Fate::Answered(
            400,
            json!({ "__type": error, "Message": "cancelled", "CancellationReasons": reasons }),
        )
    }
}

impl HttpConnector for FaultyConnection {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let fate = self.fate(&request);
        if let Fate::Answered(status, body) = fate {
            let status = StatusCode::try_from(status).expect("a status");
            return HttpConnectorFuture::ready(Ok(HttpResponse::new(status, body.to_string().into())));
        }
        let answering = self.inner.call(request);
        HttpConnectorFuture::new(async move {
            let answer = answering.await?;
            match fate {
                Fate::AnswerLost => Err(ConnectorError::io("the connection was reset, on purpose".into())),
                _ => Ok(answer),
            }
        })
    }
}
