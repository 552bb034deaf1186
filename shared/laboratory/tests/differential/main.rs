//! The generated state machines on an interpreter that is not ours, held against the in-process executor: each
//! execution on the local cloud is given the answers that the real worker gave in process, and must ask for
//! the same things in the same order, and end the same way.
//!
//! Not compared: how long is waited. The local cloud knows neither `JitterStrategy` nor `MaxDelaySeconds`, its
//! waits are scaled down, and its `TimeoutSeconds` are not, so that time-outs are given as answers.

mod cases;
mod cloud;
mod mutants;
mod script;

use cases::{Case, cases};
use cloud::Cloud;
use futures_util::{StreamExt as _, stream};
use mutants::mutants;
use script::Expected;
use std::{cmp::Reverse, env, time::Instant};
use throughline_laboratory::Trouble;

/// The number of executions that run at the same time.
const AT_A_TIME: usize = 24;

/// The number of pairs of faults that are tried: as many as fit into half a minute. `scripts/test --all` tries every one.
const PAIRS: usize = 350;
/// Chooses them.
const SEED: u64 = 4;

#[test]
fn every_fault_and_many_pairs_make_the_state_machine_do_what_the_executor_does() {
    let cases = cases();
    let faults: usize = cases.iter().map(|case| case.faults.len()).sum();
    let all_pairs: usize = cases.iter().map(|case| case.faults.len() * (case.faults.len() - 1) / 2).sum();
    let (singles, pairs) = (singles(&cases), pairs(&cases));
    assert_eq!(faults, 130 + 149 + 187, "as the sagas' own tests count them");
    assert_eq!(singles.len(), 2 * cases.len() + faults);
    assert!([PAIRS, all_pairs].contains(&pairs.len()), "{} pairs", pairs.len());
    let of_pairs = format!("{} of {all_pairs} pairs, chosen by seed {SEED}", pairs.len());
    for (what, expected) in [("no fault or one", singles), (of_pairs.as_str(), pairs)] {
        let started = Instant::now();
        let Figures { executions, tasks } = play_all(&cases, &expected);
        assert_eq!(executions, expected.len());
        println!("{what}: {executions} executions, {tasks} tasks, {:.1} s", started.elapsed().as_secs_f64());
    }
}

#[test]
fn a_wrong_state_machine_is_noticed() {
    let cases = cases();
    let chosen = mutants(&cases);
    let started = Instant::now();
    let missed: Vec<&str> = block_on(async {
        let cloud = Cloud::open().await?;
        let tried = stream::iter(&chosen).map(async |mutant| {
            let machine = cloud.machine(&mutant.states_language).await?;
            let played = cloud.play(&machine, &mutant.case.plot, &mutant.expected).await;
            let Err(difference) = played else { return Ok::<_, Trouble>(Some(mutant.what)) };
            println!("{}: {}", mutant.what, difference.lines().next().unwrap_or_default());
            Ok(None)
        });
        let tried: Vec<_> = tried.buffer_unordered(AT_A_TIME).collect().await;
        tried.into_iter().filter_map(Result::transpose).collect()
    });
    println!("{} mutants, {:.1} s", chosen.len(), started.elapsed().as_secs_f64());
    assert_eq!(missed, [""; 0]);
}

#[derive(Debug, Default)]
struct Figures {
    executions: usize,
    tasks: usize,
}

/// Plays what is expected of each case; panics with what is different, if anything is.
fn play_all(cases: &[Case], expected: &[(usize, Expected)]) -> Figures {
    let played = block_on(async {
        let cloud = Cloud::open().await?;
        let mut machines = Vec::new();
        for case in cases {
            machines.push(cloud.machine(&case.states_language).await?);
        }
        let played = stream::iter(expected)
            .map(async |(case, expected)| cloud.play(&machines[*case], &cases[*case].plot, expected).await);
        Ok(played.buffer_unordered(AT_A_TIME).collect::<Vec<_>>().await)
    });
    let differences: Vec<_> = played.iter().filter_map(|played| played.as_ref().err()).collect();
    if let Some(first) = differences.first() {
        panic!("{} executions did something else; the first of them:\n{first}", differences.len());
    }
    Figures { executions: played.len(), tasks: played.into_iter().flatten().sum() }
}

/// Returns the expected runs of each case: without a fault, with a worker that is behind, and with each fault.
fn singles(cases: &[Case]) -> Vec<(usize, Expected)> {
    let of_case = |(number, case): (usize, &Case)| {
        let with_faults: Vec<_> = case.faults.iter().map(|fault| (number, case.run(&[*fault]))).collect();
        [(number, case.behind.clone()), (number, case.run(&[]))].into_iter().chain(with_faults)
    };
    let mut singles: Vec<_> = cases.iter().enumerate().flat_map(of_case).collect();
    // The longest first, for the others to go on meanwhile.
    singles.sort_by_key(|(_, expected)| Reverse(expected.journal.len()));
    singles
}

/// Returns the expected runs of the cases with some pairs of faults, or with all.
fn pairs(cases: &[Case]) -> Vec<(usize, Expected)> {
    let all = cases.iter().enumerate().flat_map(|(case, Case { faults, .. })| {
        let with_later = move |one| (one + 1..faults.len()).map(move |other| (case, one, other));
        (0..faults.len()).flat_map(with_later)
    });
    let chosen = match env::var_os("THROUGHLINE_ALL_PAIRS") {
        Some(_) => all.collect(),
        None => fastrand::Rng::with_seed(SEED).choose_multiple(all, PAIRS),
    };
    let run = |(number, one, other): (usize, usize, usize)| {
        let Case { faults, .. } = &cases[number];
        (number, cases[number].run(&[faults[one], faults[other]]))
    };
    chosen.into_iter().map(run).collect()
}

fn block_on<T>(future: impl Future<Output = Result<T, Trouble>>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(future).unwrap_or_else(|trouble| panic!("{trouble}"))
}
