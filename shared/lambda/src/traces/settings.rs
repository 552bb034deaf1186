//! How traces are set up: by OpenTelemetry's own variables.

use super::{conventions, list, sampler::Sampler, sending::Collector};
use crate::Environment;
use std::{fmt, time::Duration};
use throughline_aws::elsewhere::Elsewhere;

/// How traces are set up.
pub struct Settings {
    pub(super) sampler: Sampler,
    pub(super) timeout: Duration,
    pub(super) collector: Collector,
}

impl Settings {
    /// Reads OpenTelemetry's variables, of which [`traces`](super) lists those that are heeded. Nothing if they say
    /// that no traces are wanted; what is malformed is kept by the environment.
    pub fn read(environment: &mut Environment) -> Option<Self> {
        let is_disabled = environment.optional("OTEL_SDK_DISABLED");
        // "Boolean": whatever is not "true" is false.
        if is_disabled.is_some_and(|text| text.eq_ignore_ascii_case("true")) {
            return None;
        }
        let exporter = one_of(environment, "OTEL_TRACES_EXPORTER", &["otlp", "none"]);
        if exporter.as_deref() == Some("none") {
            return None;
        }
        let (protocol, compression) =
            (of_traces(environment, "PROTOCOL"), of_traces(environment, "COMPRESSION"));
        for (name, known) in [(protocol.0, "http/json"), (compression.0, "none")] {
            one_of(environment, &name, &[known]);
        }
        let sampler = Sampler::read(environment);
        let timeout = timeout(environment);
        let url = url(environment);
        let (name, headers) = of_traces(environment, "HEADERS");
        let headers = pairs(environment, &name, headers.as_deref());
        let given = environment.optional("OTEL_RESOURCE_ATTRIBUTES");
        let given = pairs(environment, "OTEL_RESOURCE_ATTRIBUTES", given.as_deref());
        let resource = conventions::resource(environment, given);
        Some(Self { sampler, timeout, collector: Collector::new(Elsewhere::new(url), headers, resource) })
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("sampler", &self.sampler).finish_non_exhaustive()
    }
}

/// A variable of the exporter: the one for traces alone, or the one for every signal.
fn of_traces(environment: &Environment, name: &str) -> (String, Option<String>) {
    let own = format!("OTEL_EXPORTER_OTLP_TRACES_{name}");
    match environment.optional(&own) {
        Some(value) => (own, Some(value)),
        None => {
            let all = format!("OTEL_EXPORTER_OTLP_{name}");
            let value = environment.optional(&all);
            (all, value)
        }
    }
}

fn one_of(environment: &mut Environment, name: &str, known: &[&str]) -> Option<String> {
    let text = environment.optional(name)?;
    if !known.contains(&text.as_str()) {
        environment.problem(format!("{name} is `{text}`: it must be `{}`", known.join("` or `")));
    }
    Some(text)
}

/// How long an invocation waits for the collector at most.
fn timeout(environment: &mut Environment) -> Duration {
    let (name, _) = of_traces(environment, "TIMEOUT");
    Duration::from_millis(environment.parsed(&name, "a whole number of milliseconds", 1000))
}

/// "Endpoint URLs for OTLP/HTTP": what is given for traces is taken as it is, what is given for all signals is where
/// `v1/traces` is.
fn url(environment: &mut Environment) -> String {
    let (name, given) = of_traces(environment, "ENDPOINT");
    let given = given.unwrap_or_else(|| "http://localhost:4318".to_owned());
    if !["http://", "https://"].iter().any(|scheme| given.starts_with(scheme)) {
        environment
            .problem(format!("{name} is `{given}`: it must be a URL that begins with http:// or https://"));
    }
    if name.contains("_TRACES_") { given } else { format!("{}/v1/traces", given.trim_end_matches('/')) }
}

fn pairs(environment: &mut Environment, name: &str, given: Option<&str>) -> Vec<(String, String)> {
    list::pairs(given.unwrap_or_default()).unwrap_or_else(|_| {
        // Not the part that is wrong: a header may be a secret.
        environment
            .problem(format!("{name} is malformed: it must be a list such as `name=value,other=value`"));
        Vec::new()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(name: &str, value: &str) -> Vec<String> {
        let mut environment = Environment::from([(name, value)]);
        Settings::read(&mut environment);
        environment.finish().map_or_else(|error| error.problems, |()| Vec::new())
    }

    #[test]
    fn no_traces_are_wanted_where_the_variables_say_so() {
        for (name, value) in [("OTEL_SDK_DISABLED", "True"), ("OTEL_TRACES_EXPORTER", "none")] {
            assert!(Settings::read(&mut Environment::from([(name, value)])).is_none(), "{name}");
        }
        assert!(Settings::read(&mut Environment::from([("OTEL_SDK_DISABLED", "1")])).is_some());
    }

    #[test]
    fn what_is_malformed_is_a_problem_that_names_its_variable_and_no_secret() {
        for (name, value) in [
            ("OTEL_TRACES_EXPORTER", "zipkin"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "gzip"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "1s"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization: secret"),
            ("OTEL_RESOURCE_ATTRIBUTES", "secret"),
            ("OTEL_TRACES_SAMPLER", "sometimes"),
        ] {
            let problems = problems(name, value);
            assert!(matches!(&problems[..], [one] if one.starts_with(name)), "{problems:?}");
            assert!(!problems[0].contains("secret"), "{problems:?}");
        }
        let mut environment =
            Environment::from([("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "2")]);
        Settings::read(&mut environment);
        assert_eq!(environment.finish().unwrap_err().problems.len(), 1);
    }

    #[test]
    fn the_collector_is_where_the_variables_say() {
        let url = |settings: &[(&str, &str)]| match settings {
            [one] => url(&mut Environment::from([*one])),
            [one, two] => url(&mut Environment::from([*one, *two])),
            _ => url(&mut Environment::default()),
        };
        let all = ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector.example/otlp/");
        assert_eq!(url(&[]), "http://localhost:4318/v1/traces");
        assert_eq!(url(&[all]), "https://collector.example/otlp/v1/traces");
        assert_eq!(url(&[all, ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://here/t")]), "http://here/t");
    }

    #[test]
    fn the_variable_for_traces_stands_before_the_one_for_every_signal() {
        let mut environment = Environment::from([
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "5000"),
            ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "300"),
        ]);
        assert_eq!(timeout(&mut environment), Duration::from_millis(300));
    }
}
