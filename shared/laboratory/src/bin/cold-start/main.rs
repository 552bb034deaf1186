//! Measures the time from a function's start to its first answer, against a function with nothing above the SDK.

mod pairs;
mod tls;

use pairs::Pairs;
use serde_json::json;
use std::{
    env,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};
use throughline_laboratory::{Function, FunctionSettings, Laboratory, Trouble, sqs_event};
use tls::TlsFront;

/// Throughline's first answer may take a tenth longer.
const GOAL: f64 = 1.10;

const USAGE: &str = "Usage: cold-start [--pairs N] [--throughline PATH] [--bare PATH]

Starts two functions by turns, N times each (default 60), and measures from exec to the first answer: `one-claim`,
which commits one record, and `bare-put`, which has nothing above the SDK and makes one put. Once with a
DynamoDB behind TLS, once over plain HTTP. The binaries are looked for in THROUGHLINE_FUNCTIONS, or beside this
one.";

#[tokio::main]
async fn main() -> Result<(), Trouble> {
    let Some(comparison) = Comparison::from_arguments(env::args().skip(1))? else {
        println!("{USAGE}");
        return Ok(());
    };
    let laboratory = Laboratory::open().await?;
    let database = laboratory.database.address();
    let front = TlsFront::start(database).await?;

    println!(
        "| from exec to the first answer | pairs | Throughline | bare | ratio (95 %) | goal ≤ {GOAL:.2} |"
    );
    println!("|---|---|---|---|---|---|");
    let plain = format!("http://{database}");
    for (how, endpoint) in [("DynamoDB over TLS", front.endpoint()), ("DynamoDB over plain HTTP", plain)] {
        let settings = |name: &str, binary: &Path| {
            laboratory
                .function(name, binary)
                .with("AWS_ENDPOINT_URL", &endpoint)
                .with("SSL_CERT_FILE", front.certificates().to_string_lossy())
        };
        let throughline = settings("one-claim", &comparison.throughline);
        let bare = settings("bare-put", &comparison.bare);
        let pairs = comparison.measure(&throughline, &bare).await?;
        let verdict = if pairs.median_ratio() <= GOAL { "met" } else { "missed" };
        let (least, most) = pairs.interval();
        println!(
            "| {how} | {} | {:.1} ms | {:.1} ms | {:.3} ({least:.3} to {most:.3}) | {verdict} |",
            pairs.count(),
            pairs.median_first().as_secs_f64() * 1000.0,
            pairs.median_second().as_secs_f64() * 1000.0,
            pairs.median_ratio(),
        );
    }
    Ok(())
}

/// A comparison of two functions, and its number of rounds.
struct Comparison {
    pairs: u32,
    throughline: PathBuf,
    bare: PathBuf,
}

impl Comparison {
    /// Nothing if somebody asked for help.
    fn from_arguments(mut arguments: impl Iterator<Item = String>) -> Result<Option<Self>, Trouble> {
        let folder = match env::var_os("THROUGHLINE_FUNCTIONS") {
            Some(folder) => PathBuf::from(folder),
            None => env::current_exe()?.with_file_name(""),
        };
        let mut comparison =
            Self { pairs: 60, throughline: folder.join("one-claim"), bare: folder.join("bare-put") };
        while let Some(argument) = arguments.next() {
            if matches!(argument.as_str(), "-h" | "--help") {
                return Ok(None);
            }
            let value = arguments.next().ok_or_else(|| format!("{argument} needs a value"))?;
            match argument.as_str() {
                "--pairs" => comparison.pairs = value.parse()?,
                "--throughline" => comparison.throughline = value.into(),
                "--bare" => comparison.bare = value.into(),
                _ => return Err(format!("{argument} is not known\n{USAGE}").into()),
            }
        }
        Ok(Some(comparison))
    }

    /// Measures by turns, and lets first one and then the other begin, so that the machine's other load falls on both.
    async fn measure(
        &self,
        throughline: &FunctionSettings,
        bare: &FunctionSettings,
    ) -> Result<Pairs, Trouble> {
        // What is read from disk the first time is not what is measured.
        first_answer(throughline).await?;
        first_answer(bare).await?;
        let mut pairs = Pairs::default();
        for pair in 1..=self.pairs {
            if pair % 2 == 0 {
                let first = first_answer(throughline).await?;
                pairs.push(first, first_answer(bare).await?);
            } else {
                let second = first_answer(bare).await?;
                pairs.push(first_answer(throughline).await?, second);
            }
        }
        Ok(pairs)
    }
}

/// The time from exec to the first answer. The invocation waits for the process, as it does in Lambda.
async fn first_answer(settings: &FunctionSettings) -> Result<Duration, Trouble> {
    let event = sqs_event([new_event().as_str()], 1);
    let function = Function::start(settings).await?;
    let answer = function.invoke(event, Duration::from_secs(30)).await?;
    if answer.payload["batchItemFailures"] != json!([]) {
        return Err(format!("{} failed:\n{}", settings.name, function.lines().join("\n")).into());
    }
    function.kill().await;
    Ok(answer.at - function.started_at())
}

/// One that was never handled before.
fn new_event() -> String {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let id = format!("n-{}", LAST.fetch_add(1, Ordering::Relaxed));
    let event = json!({
        "specversion": "1.0",
        "id": id,
        "source": "laboratory",
        "type": "note.noted",
        "subject": id,
        "time": "2026-01-05T09:30:00Z",
        "aggregatetype": "note",
        "correlationid": id,
        "schemaversion": 1,
        "datacontenttype": "application/json",
        "data": { "id": id },
    });
    event.to_string()
}
