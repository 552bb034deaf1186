//! Figures and alarms, as they are shown to people.

use crate::{
    figures::{
        Figures,
        alarms::{AlarmReport, Judged, State},
    },
    terminal::Table,
    time::duration::took,
};
use std::{fmt, time::Duration};

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tables = [
            self.table_of_records(),
            self.table_of_invocations(),
            self.table_of_relay(),
            self.table_of_steps(),
        ];
        let mut tables = tables.iter().filter(|table| !table.is_empty()).peekable();
        if tables.peek().is_none() {
            return f.write_str(
                "no figures: nothing was invoked in this time, or metrics are off (THROUGHLINE_METRICS); \
                 --since 1d looks further back",
            );
        }
        while let Some(table) = tables.next() {
            write!(f, "{table}")?;
            if tables.peek().is_some() {
                f.write_str("\n\n")?;
            }
        }
        Ok(())
    }
}

impl Figures {
    fn table_of_records(&self) -> Table {
        let mut table = Table::new([
            "handler",
            "event type",
            "processed",
            "duplicates",
            "retries",
            "rejected",
            "handler p50",
            "p99",
            "age p50",
            "p99",
        ]);
        for row in &self.records {
            let counts =
                [row.processed, row.duplicates, row.retries, row.rejected].map(|count| count.to_string());
            let times = [row.duration.p50, row.duration.p99, row.age.p50, row.age.p99].map(milliseconds);
            let names = [row.handler.clone(), row.event_type.clone()];
            table.row(names.into_iter().chain(counts).chain(times));
        }
        table
    }

    fn table_of_invocations(&self) -> Table {
        let mut table =
            Table::new(["handler", "invocations", "records", "commit requests a record", "cold starts"]);
        for row in &self.invocations {
            let requests =
                row.requests_per_record.map_or_else(|| "-".to_owned(), |number| format!("{number:.2}"));
            table.row([
                row.handler.clone(),
                row.invocations.to_string(),
                row.records.to_string(),
                requests,
                row.cold_starts.to_string(),
            ]);
        }
        table
    }

    fn table_of_relay(&self) -> Table {
        let mut table = Table::new(["relay: published", "not published", "dead-lettered", "age p50", "p99"]);
        if let Some(row) = &self.relay {
            let counts = [row.published, row.not_published, row.dead_lettered].map(|count| count.to_string());
            table.row(counts.into_iter().chain([row.age.p50, row.age.p99].map(milliseconds)));
        }
        table
    }

    fn table_of_steps(&self) -> Table {
        let mut table = Table::new([
            "saga",
            "step",
            "done",
            "undone",
            "rejected",
            "retried",
            "failed",
            "compensated",
            "task p50",
            "p99",
        ]);
        for row in &self.steps {
            let counts = [row.done, row.undone, row.rejected, row.retried, row.failed, row.compensated];
            let names = [row.saga.clone(), row.step.clone()];
            let times = [row.duration.p50, row.duration.p99].map(milliseconds);
            table.row(names.into_iter().chain(counts.map(|count| count.to_string())).chain(times));
        }
        table
    }
}

/// Returns a time in words, or a hyphen if nothing was measured.
fn milliseconds(number: Option<f64>) -> String {
    let time = number.and_then(|number| Duration::try_from_secs_f64(number / 1000.0).ok());
    time.map_or_else(|| "-".to_owned(), took)
}

impl fmt::Display for AlarmReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.alarms.is_empty() {
            return f.write_str("no alarms: the template declares none, or none with this name");
        }
        let mut table = Table::new(["alarm", "state", "because"]);
        // Alarms that wake an operator come first.
        for wanted in [State::Alarm, State::NoData, State::Ok] {
            for Judged { alarm, state, because, .. } in self.alarms.iter().filter(|one| one.state == wanted) {
                table.row([alarm.clone(), state.to_string(), because.clone()]);
            }
        }
        write!(f, "{table}")?;
        for Judged { alarm, what_to_do, .. } in self.alarms.iter().filter(|alarm| alarm.state == State::Alarm)
        {
            write!(f, "\n\n{alarm}:\n  {what_to_do}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::tests::samples;

    #[test]
    fn times_are_read_in_the_unit_that_fits_them() {
        let said =
            [4.26, 1_500.0, 90_000.0, 9_000_000.0, 27_676_350_000.0].map(|time| milliseconds(Some(time)));
        assert_eq!(said, ["4.2 ms", "1500 ms", "90.0 s", "150 min", "320.3 d"]);
    }

    #[test]
    fn figures_are_shown_by_handler_and_event_type() {
        assert_eq!(
            Figures::of(&samples(), None).to_string(),
            "\
handler      event type   processed  duplicates  retries  rejected  handler p50  p99   age p50  p99
place-order  order.place  2          1           0        0         1 ms         3 ms  30 ms    90.0 s
place-order  other        0          0           0        1         -            -     -        -

handler      invocations  records  commit requests a record  cold starts
place-order  1            4        0.25                      1

relay: published  not published  dead-lettered  age p50  p99
3                 1              0              5 ms     5 ms

saga      step    done  undone  rejected  retried  failed  compensated  task p50  p99
checkout  charge  0     0       0         1        0       0            1500 ms   1500 ms"
        );
    }

    #[test]
    fn where_nothing_happened_what_to_do_is_said() {
        assert!(Figures::default().to_string().contains("--since"));
    }
}
