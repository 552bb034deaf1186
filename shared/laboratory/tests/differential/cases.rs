//! The sagas that are run both ways.

use crate::script::Expected;
use approve_order::ApproveOrder;
use serde_json::Value;
use throughline_core::{
    Failure, Output, Saga, SagaInput, StepContext,
    saga::{SagaView, StageView, Worker},
};
use throughline_shop::{
    checkout,
    testing::orders::{checkout_of, input},
};
use throughline_testing::{
    SagaTest,
    fixtures::journey::{Journey, approved, journey},
    saga::{Injection, SagaRun},
};

type Run = Box<dyn Fn(&[Injection]) -> Expected>;

/// A saga with an input.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// The state machine that was generated from it.
    pub(crate) states_language: String,
    pub(crate) plot: Plot,
    pub(crate) faults: Vec<Injection>,
    run: Run,
    /// The expected end with a worker that only knows a later definition.
    pub(crate) behind: Expected,
}

/// The fields that every task of a saga's execution must carry.
#[derive(Debug, Clone)]
pub(crate) struct Plot {
    pub(crate) view: SagaView,
    pub(crate) fingerprint: String,
    pub(crate) input: Value,
}

/// An order that needs approval, one that does not, and a journey: a group, a wait, a question, a condition.
pub(crate) fn cases() -> [Case; 3] {
    let journey_input = Journey { journey_id: "j-1".into(), is_dear: true };
    [
        case("checkout", &checkout(), &input(2_500), checkout_of(2_500, ApproveOrder)),
        case("checkout-with-approval", &checkout(), &input(200_000), checkout_of(200_000, ApproveOrder)),
        case("journey", &journey(), &journey_input, approved()),
    ]
}

fn case<P: Send + Sync + 'static>(
    name: &'static str,
    saga: &Saga<P>,
    input: &impl SagaInput,
    test: SagaTest<P>,
) -> Case {
    Case {
        name,
        states_language: saga.states_language().expect("it is a saga"),
        plot: Plot {
            view: saga.view(),
            fingerprint: saga.fingerprint(),
            input: serde_json::to_value(input).expect("the input has a JSON form"),
        },
        faults: test.faults(),
        behind: {
            let later = saga.clone().step("thank", thank).no_undo();
            let run = test.run_by(|services| Worker::new(later, services));
            Expected { name: format!("{name}, its definition unknown"), ..expected(name, run) }
        },
        run: Box::new(move |injections| expected(name, test.run_with(injections))),
    }
}

async fn thank<P>(_: &P, _: &StepContext<'_>) -> Result<Output<u8>, Failure> {
    Ok(Output::of(0))
}

fn expected<P>(case: &str, run: SagaRun<P>) -> Expected {
    let names: Vec<_> = run.injections.iter().map(ToString::to_string).collect();
    Expected {
        name: if names.is_empty() { case.to_owned() } else { format!("{case}, {}", names.join("; and ")) },
        journal: run.journal,
        end: run.end,
        unwound: run.unwound,
        stuck: run.stuck,
    }
}

impl Case {
    /// Returns the run of the in-process executor with these faults.
    pub(crate) fn run(&self, injections: &[Injection]) -> Expected {
        (self.run)(injections)
    }

    /// The only fault whose text begins so.
    pub(crate) fn fault(&self, text: &str) -> Injection {
        let found = self.faults.iter().find(|fault| fault.to_string().starts_with(text));
        *found.unwrap_or_else(|| panic!("nothing goes wrong with {} like `{text}`", self.name))
    }
}

impl Plot {
    /// The group that a step is in.
    pub(crate) fn group_of(&self, step: &str) -> Option<&'static str> {
        self.view.stages.iter().find_map(|stage| match stage {
            StageView::Parallel { name, steps } if steps.iter().any(|other| other.name == step) => {
                Some(*name)
            }
            _ => None,
        })
    }

    /// The steps of a group.
    pub(crate) fn steps_of(&self, group: &str) -> Vec<&'static str> {
        let stages = self.view.stages.iter().filter(|stage| stage.name() == group);
        stages.flat_map(StageView::steps).map(|step| step.name).collect()
    }

    pub(crate) fn is_callback(&self, step: &str) -> bool {
        self.view.steps().any(|other| other.name == step && other.callback.is_some())
    }
}
