//! A saga's worker that decides nothing: whoever listens at `THROUGHLINE_PROMPTER` is told every task, and says
//! how it ends.

use http_body_util::{BodyExt as _, Full};
use hyper::{Request, body::Bytes};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use lambda_runtime::{Diagnostic, Error, LambdaEvent, service_fn};
use serde::Deserialize;
use serde_json::Value;

/// The end of a task.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Ending {
    Success { output: Value },
    Failure { error: String, cause: String },
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let prompter = format!("http://{}/", std::env::var("THROUGHLINE_PROMPTER")?);
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    lambda_runtime::run(service_fn(async |event: LambdaEvent<Value>| {
        let task = Full::new(Bytes::from(event.payload.to_string()));
        let asked = Request::post(&prompter).body(task).map_err(failed)?;
        let answer = client.request(asked).await.map_err(failed)?;
        let answer = answer.into_body().collect().await.map_err(failed)?.to_bytes();
        match serde_json::from_slice(&answer).map_err(failed)? {
            Ending::Success { output } => Ok(output),
            Ending::Failure { error, cause } => Err(Diagnostic { error_type: error, error_message: cause }),
        }
    }))
    .await
}

/// The prompter is gone, or said something else.
fn failed(error: impl std::error::Error) -> Diagnostic {
    Diagnostic { error_type: "NoPrompter".to_owned(), error_message: error.to_string() }
}
