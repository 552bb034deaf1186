//! The program `local-dynamodb`: DynamoDB for LocalStack, whose own needs Java and a download.

use clap::Parser;
use std::{io, path::PathBuf, time::Duration};
use throughline_providers::program::{Ended, announce};
use tokio::{net::TcpListener, task::spawn_blocking, time};

/// A DynamoDB with streams and expiry, on this machine alone. Everything in it is in memory.
///
/// Example: local-dynamodb --port 8000
#[derive(Debug, Parser)]
#[command(name = "local-dynamodb", verbatim_doc_comment)]
struct Arguments {
    /// The port on 127.0.0.1 to listen on; 0 is any that is free.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// A file to write the address to (`http://127.0.0.1:1234`), once requests are answered.
    #[arg(long)]
    address_file: Option<PathBuf>,
    /// Seconds between two searches for expired items.
    #[arg(long, default_value = "10", value_parser = seconds)]
    sweep_seconds: Duration,
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(0) => Err("0 is no time: at least 1".to_owned()),
        Ok(number) => Ok(Duration::from_secs(number)),
        Err(error) => Err(format!("{error}")),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let arguments = Arguments::parse();
    let ended = Ended::listen()?;
    let listener = TcpListener::bind(("127.0.0.1", arguments.port)).await?;
    announce(&format!("http://{}", listener.local_addr()?), arguments.address_file.as_deref())?;
    let database = dynoxide::Database::memory().map_err(io::Error::other)?;
    tokio::select! {
        () = dynoxide::server::serve_on(listener, database.clone()) => Ok(()),
        result = sweep(database, arguments.sweep_seconds) => result,
        () = ended.wait() => Ok(()),
    }
}

/// Lets items expire whose time to live has passed, from time to time.
async fn sweep(database: dynoxide::Database, apart: Duration) -> io::Result<()> {
    let mut ticks = time::interval(apart);
    loop {
        ticks.tick().await;
        let database = database.clone();
        spawn_blocking(move || database.sweep_ttl()).await?.map_err(io::Error::other)?;
    }
}
