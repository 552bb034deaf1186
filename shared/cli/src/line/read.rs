//! Lines, read from a stack.

use super::WholeLine;
use crate::{
    cloud::stack::{Stack, StackError},
    line::execution::Execution,
};
use std::collections::BTreeMap;
use throughline_operations::{FoundLetter, executions, line::follow_line};

impl Stack {
    /// Reads the line of a correlation id.
    ///
    /// # Errors
    /// If the ledger or a dead-letter queue cannot be read.
    pub async fn line(&self, correlation_id: &str) -> Result<WholeLine, StackError> {
        let letters = self.dead_letters().await?;
        self.line_among(correlation_id, &letters).await
    }

    /// Reads the line of a correlation id, with dead letters that were already read.
    ///
    /// # Errors
    /// If the ledger cannot be read.
    pub async fn line_among(
        &self,
        correlation_id: &str,
        dead_letters: &[(String, FoundLetter)],
    ) -> Result<WholeLine, StackError> {
        let table = self.output("LedgerTable")?;
        let recorded = follow_line(self.clients.dynamodb().await, table, correlation_id).await?;
        let is_its = |letter: &FoundLetter| letter.attribute("CorrelationId") == Some(correlation_id);
        let dead_letters = dead_letters.iter().filter(|(_, letter)| is_its(letter)).cloned().collect();
        let mut line = WholeLine { recorded, dead_letters, ..WholeLine::default() };
        line.executions = self.executions(&line).await;
        Ok(line)
    }

    /// Reads the executions of the sagas that a line started. A line can be followed without them.
    async fn executions(&self, line: &WholeLine) -> BTreeMap<String, Result<Execution, String>> {
        let mut executions = BTreeMap::new();
        for (saga, start) in line.sagas() {
            let name = &start.outgoing.envelope.attributes.id;
            executions.insert(name.clone(), self.execution(saga, name).await);
        }
        executions
    }

    async fn execution(&self, saga: &str, name: &str) -> Result<Execution, String> {
        let arn = self.state_machine(saga).map_err(|error| error.to_string())?;
        let arn = executions::execution_arn(arn, name)
            .ok_or_else(|| format!("the output `{arn}` is no ARN of a state machine"))?;
        let history = executions::history(self.clients.sfn().await, &arn).await;
        history.map(|history| Execution::of(&history)).map_err(|error| error.reason)
    }
}
