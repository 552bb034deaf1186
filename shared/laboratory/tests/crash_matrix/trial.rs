//! One trial: a laboratory, a batch, and the function that is given it.

use std::{fmt, path::PathBuf, time::Duration};
use throughline_laboratory::{
    Function, FunctionSettings, Laboratory, Moment, Trouble, Unanswered, database::Item, sqs_event,
};

/// A function, what it is given, and what must have come of it.
pub(crate) trait Workload: Sync {
    /// The function, and its binary.
    const FUNCTION: &'static str;
    /// The time that Lambda gives an invocation.
    const REMAINING: Duration;

    /// The bodies of the batch.
    fn bodies(&self) -> Vec<String>;

    /// Puts what the function finds there.
    async fn prepare(&self, laboratory: &Laboratory) -> Result<(), Trouble>;

    /// Delivers again what the dead function left, and sees it finished as soon as it can be.
    async fn is_finished_after(&self, trial: &Trial) -> Result<(), Trouble>;

    /// Every effect is there, once.
    async fn has_had_its_effects(&self, trial: &Trial) -> Result<(), Trouble>;
}

/// The request at which a function dies, and the moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Death {
    /// Counted from one.
    pub(crate) request: usize,
    pub(crate) moment: Moment,
}

impl fmt::Display for Death {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment = if self.moment == Moment::Before { "before" } else { "after" };
        write!(f, "{moment} request {}", self.request)
    }
}

pub(crate) struct Trial {
    pub(crate) laboratory: Laboratory,
    settings: FunctionSettings,
    bodies: Vec<String>,
}

impl Trial {
    pub(crate) async fn open<W: Workload>(workload: &W) -> Result<Self, Trouble> {
        let folder = std::env::var_os("THROUGHLINE_FUNCTIONS")
            .ok_or("THROUGHLINE_FUNCTIONS must name the folder of the functions' binaries")?;
        let laboratory = Laboratory::open().await?;
        workload.prepare(&laboratory).await?;
        let settings = laboratory.function(W::FUNCTION, PathBuf::from(folder).join(W::FUNCTION));
        Ok(Self { laboratory, settings, bodies: workload.bodies() })
    }

    /// The places of the whole batch.
    pub(crate) fn everything(&self) -> Vec<usize> {
        (0..self.bodies.len()).collect()
    }

    /// Gives a new process the messages of these places; those that it wants again.
    pub(crate) async fn deliver(
        &self,
        places: &[usize],
        receives: u32,
        remaining: Duration,
    ) -> Result<Vec<usize>, Trouble> {
        let function = Function::start(&self.settings).await?;
        let failed = self.give(&function, places, receives, remaining).await?;
        function.kill().await;
        self.laboratory.recorder.quiet().await;
        Ok(failed)
    }

    /// Gives a process the whole batch and kills it; whether it died.
    pub(crate) async fn dies<W: Workload>(&self, death: Death) -> Result<bool, Trouble> {
        let function = Function::start(&self.settings).await?;
        let recorder = &self.laboratory.recorder;
        recorder.kill_at(death.request, death.moment, &function);
        let answer = self.give(&function, &self.everything(), 1, W::REMAINING).await;
        if recorder.spare() {
            answer?;
            return Ok(false);
        }
        // If it died at its last request, its answer may just have been on its way.
        if let Err(unanswered) = answer
            && !matches!(unanswered, Unanswered::Died { .. })
        {
            return Err(unanswered.into());
        }
        function.kill().await;
        recorder.quiet().await;
        Ok(true)
    }

    async fn give(
        &self,
        function: &Function,
        places: &[usize],
        receives: u32,
        remaining: Duration,
    ) -> Result<Vec<usize>, Unanswered> {
        let bodies = places.iter().map(|place| self.bodies[*place].as_str());
        let answer = function.invoke(sqs_event(bodies, receives), remaining).await?;
        // Message ids end with the place in the batch that was delivered.
        let failures = answer.payload["batchItemFailures"].as_array().cloned().unwrap_or_default();
        let ids = failures.iter().map(|failure| failure["itemIdentifier"].as_str().unwrap_or_default());
        Ok(ids
            .map(|id| {
                let place: usize = id.rsplit('-').next().unwrap_or_default().parse().expect("an id of ours");
                places[place]
            })
            .collect())
    }

    /// The items of the ledger whose sort key begins so.
    pub(crate) async fn ledger_items(&self, sort_key: &str) -> Result<Vec<Item>, Trouble> {
        let database = &self.laboratory.database;
        let mut items = database.items(database.ledger_table()).await?;
        items.retain(|item| text(item, "sk").starts_with(sort_key));
        Ok(items)
    }
}

/// The text of an attribute, or the digits of a number.
pub(crate) fn text<'a>(item: &'a Item, name: &str) -> &'a str {
    let value = item.get(name);
    value.and_then(|value| value.as_s().or_else(|_| value.as_n()).ok()).map_or("", String::as_str)
}
