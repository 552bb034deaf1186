//! The program `shop-providers`: a payment provider and a carrier to develop and test against.

use clap::Parser;
use std::{io, path::PathBuf, time::Duration};
use throughline_providers::{
    program::{Ended, announce},
    server::{Delays, serve},
};
use tokio::net::TcpListener;

/// A payment provider and a carrier to develop and test against. Everything it knows is in memory.
///
/// A word in the card (for a charge) or the address (for a shipment) asks for what goes wrong:
///
///   declined        a charge has no effect and is answered with 402
///   undeliverable   a shipment has no effect and is answered with 422
///   slow            it takes effect and is answered some time later
///   answer-lost     it takes effect and the connection is closed without an answer
///   late            the connection is closed; it takes effect some time later, unless it is voided first
///   unavailable     it has no effect and is answered with 503
///
/// With `-once` behind the last four, only the first attempt under a key goes wrong. Everything else is fine.
/// `GET /totals` has the sums, `GET /calls` every request in order.
#[derive(Debug, Parser)]
#[command(name = "shop-providers", verbatim_doc_comment)]
struct Arguments {
    /// The port on 127.0.0.1 to listen on; 0 is any that is free.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// A file to write the address to (`http://127.0.0.1:1234`), once requests are answered.
    #[arg(long)]
    address_file: Option<PathBuf>,
    /// Milliseconds until a slow request is answered.
    #[arg(long, default_value = "2000", value_parser = milliseconds)]
    slow_milliseconds: Duration,
    /// Milliseconds until a late request takes effect.
    #[arg(long, default_value = "2000", value_parser = milliseconds)]
    late_milliseconds: Duration,
}

fn milliseconds(text: &str) -> Result<Duration, std::num::ParseIntError> {
    text.parse().map(Duration::from_millis)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let arguments = Arguments::parse();
    let ended = Ended::listen()?;
    let listener = TcpListener::bind(("127.0.0.1", arguments.port)).await?;
    announce(&format!("http://{}", listener.local_addr()?), arguments.address_file.as_deref())?;
    let delays = Delays { slow: arguments.slow_milliseconds, late: arguments.late_milliseconds };
    serve(listener, delays, ended.wait()).await
}
