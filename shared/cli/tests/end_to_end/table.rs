//! The last of the end-to-end tests: one table of every scenario on every local cloud, from what the runs on each have
//! said. A scenario that failed must have run into a limit that is declared beside the scenarios, and the other way
//! round.
//!
//! `scripts/test` writes what it reads: `<cloud>.log`, or `<cloud>.not-run` with the reason.

mod limits;
mod runs;

use limits::{CLOUDS, LIMITS, Limit};
use runs::{Outcome, Run};
use std::{collections::BTreeSet, env, path::Path};
use throughline_cli::terminal::Table;

#[test]
fn every_scenario_holds_on_every_local_cloud_or_runs_into_a_declared_limit() {
    let folder = env::var("THROUGHLINE_RESULTS").expect("run this with scripts/test");
    let runs = CLOUDS.map(|cloud| (cloud, Run::read(Path::new(&folder), cloud)));
    let (table, troubles) = compare(&runs, LIMITS);
    println!("\n{table}\n");
    assert!(troubles.is_empty(), "{}", troubles.join("\n"));
}

/// The table, and what is wrong.
fn compare(runs: &[(&'static str, Run)], limits: &[Limit]) -> (Table, Vec<String>) {
    let mut table = Table::new(["scenario"].into_iter().chain(runs.iter().map(|(cloud, _)| *cloud)));
    let mut troubles = Vec::new();
    for (cloud, run) in runs {
        if let Run::Broken(why) = run {
            troubles.push(format!("{cloud}: {why}"));
        }
    }
    let scenarios: BTreeSet<&str> = runs.iter().flat_map(|(_, run)| run.scenarios()).collect();
    for limit in limits.iter().filter(|limit| !scenarios.contains(limit.scenario)) {
        troubles.push(format!("{}: a limit is declared, and there is no such scenario", limit.scenario));
    }
    for scenario in scenarios {
        let mut cells = vec![scenario.replace('_', " ")];
        for (cloud, run) in runs {
            let limit = limits.iter().find(|limit| limit.scenario == scenario && limit.cloud == *cloud);
            match judge(run, scenario, limit) {
                Ok(cell) => cells.push(cell),
                Err(trouble) => {
                    cells.push("TROUBLE".to_owned());
                    troubles.push(format!("{scenario} on {cloud}: {trouble}"));
                }
            }
        }
        table.row(cells);
    }
    let all = runs.iter().map(|(_, run)| format!("{:.0} s", run.seconds()));
    table.row(["all of them".to_owned()].into_iter().chain(all));
    (table, troubles)
}

/// Returns the table's cell of a scenario on a cloud, or the problem.
fn judge(run: &Run, scenario: &str, limit: Option<&Limit>) -> Result<String, String> {
    let ran = match run {
        Run::Unmade(reason) => return Ok(format!("not run: {reason}")),
        Run::Broken(_) => return Err("the run did not come to its end".to_owned()),
        Run::Ended(ran) => ran.get(scenario),
    };
    let seconds =
        ran.and_then(|ran| ran.seconds).map_or_else(String::new, |seconds| format!(" {seconds:.1} s"));
    match (ran.map(|ran| &ran.outcome), limit) {
        (Some(Outcome::Held), None) => Ok(format!("pass{seconds}")),
        (Some(Outcome::Failed(said)), Some(limit)) if said.contains(limit.says) => {
            Ok(format!("limit: {}", limit.reason))
        }
        (Some(Outcome::Held), Some(limit)) => {
            Err(format!("it holds: take away its limit ({})", limit.reason))
        }
        (Some(Outcome::Failed(_)), Some(limit)) => {
            Err(format!("it failed otherwise than declared, which says `{}`: see its log", limit.says))
        }
        (Some(Outcome::Failed(_)), None) => {
            Err("it failed, and no limit is declared: see its log".to_owned())
        }
        (Some(Outcome::Ignored), _) => Err("it is ignored: nothing is skipped silently".to_owned()),
        (None, _) => Err("it did not run there".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Limit =
        Limit { scenario: "b", cloud: "localstack", reason: "it has no b", says: "no b at all" };

    fn run(log: &str) -> Run {
        Run::of_log(log)
    }

    fn log(a: &str, b: &str, said_of_b: &str) -> String {
        format!(
            "test a ... {a}\ntest b ... {b}\n---- b stdout ----\n{said_of_b}\n\nfailures:\n    b\n\ntest result: \
             ok. 1 passed; 1 failed\n"
        )
    }

    fn troubles(runs: [Run; 2], limits: &[Limit]) -> Vec<String> {
        let [first, second] = runs;
        compare(&[("ministack", first), ("localstack", second)], limits).1
    }

    #[test]
    fn what_holds_and_what_is_declared_is_fine() {
        let runs = [run(&log("ok", "ok", "")), run(&log("ok", "FAILED", "panicked: no b at all"))];
        assert_eq!(troubles(runs, &[LIMIT]), [""; 0]);
    }

    #[test]
    fn the_seconds_of_each_scenario_and_of_all_are_in_the_table() {
        let runs = [run(&log("ok 3.4 s", "ok 61.0 s", "")), run(&log("ok", "ok", ""))];
        let [first, second] = runs;
        let (table, troubles) = compare(&[("ministack", first), ("localstack", second)], &[]);
        let table = table.to_string();
        assert!(troubles.is_empty(), "{troubles:?}");
        assert!(["pass 3.4 s", "pass 61.0 s", "64 s"].iter().all(|cell| table.contains(cell)), "{table}");
    }

    #[test]
    fn what_is_not_declared_is_trouble() {
        let runs = [run(&log("FAILED", "ok", "")), run(&log("ok", "ok", ""))];
        assert_eq!(troubles(runs, &[]), ["a on ministack: it failed, and no limit is declared: see its log"]);
    }

    #[test]
    fn a_limit_that_is_gone_is_trouble() {
        let runs = [run(&log("ok", "ok", "")), run(&log("ok", "ok", ""))];
        assert_eq!(
            troubles(runs, &[LIMIT]),
            ["b on localstack: it holds: take away its limit (it has no b)"]
        );
    }

    #[test]
    fn another_failure_than_the_declared_one_is_trouble() {
        let runs = [run(&log("ok", "ok", "")), run(&log("ok", "FAILED", "panicked: waited in vain"))];
        assert_eq!(troubles(runs, &[LIMIT]).len(), 1);
    }

    #[test]
    fn what_ran_on_one_cloud_alone_or_nowhere_is_trouble() {
        let runs = [run(&log("ok", "ok", "")), run("test a ... ok\ntest result: ok. 1 passed")];
        assert_eq!(troubles(runs, &[]), ["b on localstack: it did not run there"]);
        let none = [run(&log("ok", "ok", "")), run(&log("ok", "ok", ""))];
        let unknown = Limit { scenario: "c", ..LIMIT };
        assert_eq!(troubles(none, &[unknown]), ["c: a limit is declared, and there is no such scenario"]);
    }

    #[test]
    fn a_run_that_breaks_off_is_trouble_and_one_that_was_not_made_says_so() {
        let broken = [run(&log("ok", "ok", "")), run("error: could not compile")];
        assert!(troubles(broken, &[])[0].starts_with("localstack: "));
        let not_run = Run::Unmade("no Python 3.13".to_owned());
        let (table, troubles) =
            compare(&[("ministack", run(&log("ok", "ok", ""))), ("localstack", not_run)], &[LIMIT]);
        assert_eq!(troubles, [""; 0]);
        assert_eq!(table.to_string().matches("not run: no Python 3.13").count(), 2, "{table}");
    }
}
