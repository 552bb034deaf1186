//! The sampler, which chooses the traces that are recorded.

use super::settings::chosen;
use crate::Environment;

/// Records a share of the traces: those whose ids say so
/// ([Trace SDK](https://opentelemetry.io/docs/specs/otel/trace/sdk/#sampling), "Built-in samplers"). All samplers that
/// the specification builds in are a share here, since a trace begins with an invocation and is recorded whole or not.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sampler {
    share: f64,
}

/// The randomness in a trace's id is in its last 56 bits ("Trace Context", level 2, "Random Trace ID Flag").
const RANDOM: u128 = 1 << 56;

impl Sampler {
    /// As `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG` say.
    pub(super) fn read(environment: &mut Environment) -> Self {
        let chosen = chosen(environment, "OTEL_TRACES_SAMPLER", &SAMPLERS, "all invocations are recorded");
        let share = match chosen.map(|name| name.strip_prefix("parentbased_").unwrap_or(name)) {
            Some("always_off") => 0.0,
            Some("traceidratio") => ratio(environment),
            _ => 1.0,
        };
        Self { share }
    }

    pub(super) fn takes(self, trace_id: u128) -> bool {
        // In whole numbers: as a fraction the last ids would round up to one, and be taken by no share at all.
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a power of two, times something from 0 to 1"
        )]
        let first_taken = ((1.0 - self.share) * RANDOM as f64) as u128;
        trace_id % RANDOM >= first_taken
    }
}

/// Those that the specification builds in.
const SAMPLERS: [&str; 6] = [
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
];

fn ratio(environment: &mut Environment) -> f64 {
    let name = "OTEL_TRACES_SAMPLER_ARG";
    let Some(text) = environment.optional(name) else { return 1.0 };
    let ratio = text.parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
    ratio.unwrap_or_else(|| {
        environment.warning(format!(
            "{name} is `{text}`, which is no number from 0 to 1, and is ignored: all invocations are recorded"
        ));
        1.0
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(sampler: &str, argument: &str) -> f64 {
        let mut environment =
            Environment::from([("OTEL_TRACES_SAMPLER", sampler), ("OTEL_TRACES_SAMPLER_ARG", argument)]);
        let Sampler { share } = Sampler::read(&mut environment);
        environment.finish().unwrap();
        share
    }

    #[test]
    fn every_built_in_sampler_is_a_share() {
        for (sampler, argument, expected) in [
            ("always_on", "", 1.0),
            ("parentbased_always_off", "", 0.0),
            ("traceidratio", "0.25", 0.25),
            ("parentbased_traceidratio", "", 1.0),
            ("Always_Off", "", 0.0),
            ("TraceIdRatio", "0.25", 0.25),
        ] {
            assert!((share(sampler, argument) - expected).abs() < f64::EPSILON, "{sampler}");
        }
    }

    #[test]
    fn a_share_of_the_traces_is_taken_and_all_or_none_where_that_is_the_share() {
        let ids = (0..1000u128).map(|number| number * (RANDOM / 1000));
        let taken = |share| ids.clone().filter(|id| Sampler { share }.takes(*id)).count();
        assert_eq!((taken(0.0), taken(1.0)), (0, 1000));
        assert!((245..=255).contains(&taken(0.25)), "{}", taken(0.25));
        assert!(!Sampler { share: 0.0 }.takes(u128::MAX) && Sampler { share: 1.0 }.takes(0));
    }
}
