//! Measures the cost of Throughline's functions: `benchmark requests`, `benchmark sizes`, `benchmark cpu`.
//! `scripts/benchmark` builds the functions and runs this.

mod cpu;
mod readings;
mod requests;
mod sizes;
mod statistics;

use std::path::PathBuf;
use throughline_laboratory::{Function, FunctionSettings, Laboratory, Trouble};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Trouble> {
    let steps: Vec<String> = std::env::args().skip(1).collect();
    for step in steps {
        match step.as_str() {
            "requests" => requests::measure().await?,
            "sizes" => sizes::measure().await?,
            "cpu" => cpu::measure().await?,
            other => return Err(format!("`{other}` is neither requests, sizes nor cpu").into()),
        }
    }
    Ok(())
}

/// One of the benchmark's functions.
#[derive(Debug, Clone, Copy)]
struct Contestant {
    binary: &'static str,
    /// The variable that picks what it does, and its value.
    choice: (&'static str, &'static str),
    /// The framework's `THROUGHLINE_LOG`.
    log: &'static str,
}

impl Contestant {
    const fn framework(handler: &'static str) -> Self {
        Self { binary: "benchmark-framework", choice: ("BENCHMARK_HANDLER", handler), log: "info" }
    }

    const fn bare(request: &'static str) -> Self {
        Self { binary: "benchmark-bare", choice: ("BENCHMARK_REQUEST", request), log: "info" }
    }

    const fn without_logs(self) -> Self {
        Self { log: "off", ..self }
    }

    fn settings(&self, laboratory: &Laboratory) -> Result<FunctionSettings, Trouble> {
        let folder = std::env::var_os("THROUGHLINE_FUNCTIONS")
            .ok_or("THROUGHLINE_FUNCTIONS must name the folder of the functions' binaries")?;
        let (name, value) = self.choice;
        let settings = laboratory.function("benchmark", PathBuf::from(folder).join(self.binary));
        Ok(settings
            .with(name, value)
            .with("THROUGHLINE_SOURCE", "benchmark")
            .with("THROUGHLINE_LOG", self.log))
    }

    async fn start(&self, laboratory: &Laboratory) -> Result<Function, Trouble> {
        Function::start(&self.settings(laboratory)?).await
    }
}
