//! The settings of traces: OpenTelemetry's own variables.

use super::{conventions, list, sampler::Sampler, sending::Collector};
use crate::Environment;
use std::{fmt, time::Duration};
use throughline_aws::elsewhere::Elsewhere;

/// The settings of traces.
pub struct Settings {
    pub(super) sampler: Sampler,
    pub(super) timeout: Duration,
    pub(super) collector: Collector,
}

impl Settings {
    /// Reads OpenTelemetry's variables, of which [`traces`](super) lists those that are heeded. Nothing if they say
    /// that no traces are wanted. What is not understood is ignored, with a warning that is kept by the environment.
    pub fn read(environment: &mut Environment) -> Option<Self> {
        if is_disabled(environment) || !is_exported(environment) {
            return None;
        }
        of_traces(environment, "PROTOCOL", |environment, name| {
            chosen(environment, name, &["http/json"], "spans are sent as `http/json`").map(drop)
        });
        of_traces(environment, "COMPRESSION", |environment, name| {
            chosen(environment, name, &["none"], "nothing is compressed").map(drop)
        });
        let sampler = Sampler::read(environment);
        let timeout = of_traces(environment, "TIMEOUT", milliseconds).unwrap_or(TIMEOUT);
        let url = of_traces(environment, "ENDPOINT", url);
        let url = url.unwrap_or_else(|| "http://localhost:4318/v1/traces".to_owned());
        let headers = of_traces(environment, "HEADERS", headers).unwrap_or_default();
        let given = pairs(environment, "OTEL_RESOURCE_ATTRIBUTES", "none are added").unwrap_or_default();
        let resource = conventions::resource(environment, given);
        Some(Self { sampler, timeout, collector: Collector::new(Elsewhere::new(url), headers, resource) })
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("sampler", &self.sampler).finish_non_exhaustive()
    }
}

/// The longest time that an invocation waits for the collector, unless a setting says otherwise.
const TIMEOUT: Duration = Duration::from_secs(1);

/// "Boolean": whatever is not "true" is false.
fn is_disabled(environment: &mut Environment) -> bool {
    let name = "OTEL_SDK_DISABLED";
    let Some(text) = environment.optional(name) else { return false };
    if text.eq_ignore_ascii_case("true") {
        return true;
    }
    if !text.eq_ignore_ascii_case("false") {
        environment.warning(format!("{name} is `{text}`, which is not `true`: traces are not switched off"));
    }
    false
}

/// Returns whether spans are sent at all. Several exporters may be named, of which one is known here.
fn is_exported(environment: &mut Environment) -> bool {
    let name = "OTEL_TRACES_EXPORTER";
    let text = environment.optional(name).unwrap_or_default().to_ascii_lowercase();
    let named: Vec<&str> = text.split(',').map(str::trim).filter(|named| !named.is_empty()).collect();
    let is_exported = named.contains(&"otlp") || !named.contains(&"none");
    for other in named.iter().filter(|named| !["otlp", "none"].contains(named)) {
        let instead = if is_exported { "spans are sent as OTLP" } else { "nothing is sent" };
        environment
            .warning(format!("{name} names `{other}`, which is not known here and is ignored: {instead}"));
    }
    is_exported
}

/// A variable of the exporter: the one for traces alone, or else the one for every signal. One that is ignored is as one
/// that is not set.
fn of_traces<T>(
    environment: &mut Environment,
    name: &str,
    read: impl Fn(&mut Environment, &str) -> Option<T>,
) -> Option<T> {
    read(environment, &format!("OTEL_EXPORTER_OTLP_TRACES_{name}"))
        .or_else(|| read(environment, &format!("OTEL_EXPORTER_OTLP_{name}")))
}

/// "Enum": in whatever case; what is not known is ignored, with a warning.
pub(super) fn chosen<'a>(
    environment: &mut Environment,
    name: &str,
    known: &[&'a str],
    instead: &str,
) -> Option<&'a str> {
    let text = environment.optional(name)?;
    let found = known.iter().find(|known| text.eq_ignore_ascii_case(known)).copied();
    if found.is_none() {
        environment.warning(format!(
            "{name} is `{text}`, and is ignored: {instead}; known here are `{}`",
            known.join("`, `")
        ));
    }
    found
}

/// "Numeric": what is none is ignored, with a warning.
fn milliseconds(environment: &mut Environment, name: &str) -> Option<Duration> {
    let text = environment.optional(name)?;
    let number = text.parse().ok().map(Duration::from_millis);
    if number.is_none() {
        environment
            .warning(format!("{name} is `{text}`, which is no whole number of milliseconds, and is ignored"));
    }
    number
}

/// "Endpoint URLs for OTLP/HTTP": what is given for traces is taken as it is, what is given for all signals is where
/// `v1/traces` is.
fn url(environment: &mut Environment, name: &str) -> Option<String> {
    let given = environment.optional(name)?;
    if !Elsewhere::is_url(&given) {
        environment.warning(format!(
            // Not the text: a URL may hold a password.
            "{name} is no URL that begins with http:// or https://, and is ignored"
        ));
        return None;
    }
    let is_whole = name.contains("_TRACES_");
    Some(if is_whole { given } else { format!("{}/v1/traces", given.trim_end_matches('/')) })
}

fn headers(environment: &mut Environment, name: &str) -> Option<Vec<(String, String)>> {
    let headers = pairs(environment, name, "none are sent")?;
    if !headers.iter().all(|(name, value)| Elsewhere::is_header(name, value)) {
        environment.warning(format!("{name} holds what is no header of HTTP, and is ignored: none are sent"));
        return None;
    }
    Some(headers)
}

fn pairs(environment: &mut Environment, name: &str, instead: &str) -> Option<Vec<(String, String)>> {
    let given = environment.optional(name)?;
    let pairs = list::pairs(&given).ok();
    if pairs.is_none() {
        // Not the part that is wrong: a header may be a secret.
        environment.warning(format!(
            "{name} is no list such as `name=value,other=value`, and is ignored as a whole: {instead}"
        ));
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_traces_are_wanted_where_the_variables_say_so() {
        for (name, value) in [("OTEL_SDK_DISABLED", "True"), ("OTEL_TRACES_EXPORTER", "none")] {
            assert!(Settings::read(&mut Environment::from([(name, value)])).is_none(), "{name}");
        }
        assert!(Settings::read(&mut Environment::from([("OTEL_SDK_DISABLED", "1")])).is_some());
    }

    /// Returns the warnings about these variables. A problem would keep the function from starting.
    fn warnings<const N: usize>(variables: [(&str, &str); N]) -> Vec<String> {
        let mut environment = Environment::from(variables);
        Settings::read(&mut environment);
        let warnings = environment.take_warnings();
        environment.finish().unwrap();
        warnings
    }

    #[test]
    fn what_is_not_understood_is_warned_of_by_its_name_and_without_secrets() {
        for (name, value) in [
            ("OTEL_SDK_DISABLED", "yes"),
            ("OTEL_TRACES_EXPORTER", "zipkin"),
            ("OTEL_TRACES_EXPORTER", "otlp,console"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
            ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "gzip"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "unix:///var/run/collector"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "1s"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization: secret"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "api key=secret"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "key=secret%0Aother"),
            ("OTEL_RESOURCE_ATTRIBUTES", "secret"),
            ("OTEL_TRACES_SAMPLER", "sometimes"),
        ] {
            let warnings = warnings([(name, value)]);
            assert!(matches!(&warnings[..], [one] if one.starts_with(name)), "{name}={value}: {warnings:?}");
            assert!(!warnings[0].contains("secret"), "{warnings:?}");
        }
        for argument in ["2", "-1", "a half", "NaN"] {
            let warnings =
                warnings([("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", argument)]);
            assert!(
                matches!(&warnings[..], [one] if one.starts_with("OTEL_TRACES_SAMPLER_ARG")),
                "{warnings:?}"
            );
        }
    }

    #[test]
    fn what_is_understood_is_not_warned_of_whatever_its_case() {
        for (name, value) in [
            ("OTEL_SDK_DISABLED", "False"),
            ("OTEL_TRACES_EXPORTER", "OTLP"),
            ("OTEL_TRACES_EXPORTER", " Otlp , none"),
            ("OTEL_TRACES_EXPORTER", "NONE"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "HTTP/JSON"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "None"),
            ("OTEL_TRACES_SAMPLER", "ALWAYS_ON"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "Authorization=Basic%20a2V5,"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "HTTPS://collector.example:4318"),
            ("OTEL_TRACES_SAMPLER_ARG", "not heeded without a sampler"),
        ] {
            assert_eq!(warnings([(name, value)]), Vec::<String>::new(), "{name}={value}");
        }
    }

    #[test]
    fn no_value_of_any_variable_keeps_a_function_from_starting() {
        let of_exporter =
            ["ENDPOINT", "HEADERS", "TIMEOUT", "PROTOCOL", "COMPRESSION", "INSECURE", "CERTIFICATE"];
        let of_exporter = of_exporter.iter().flat_map(|name| {
            [format!("OTEL_EXPORTER_OTLP_{name}"), format!("OTEL_EXPORTER_OTLP_TRACES_{name}")]
        });
        let others =
            ["SDK_DISABLED", "SERVICE_NAME", "RESOURCE_ATTRIBUTES", "TRACES_EXPORTER", "TRACES_SAMPLER"];
        let others =
            others.iter().chain(&["TRACES_SAMPLER_ARG", "PROPAGATORS", "LOG_LEVEL", "BSP_SCHEDULE_DELAY"]);
        let names: Vec<String> = of_exporter.chain(others.map(|name| format!("OTEL_{name}"))).collect();
        let long = "x".repeat(100_000);
        let values = [
            "",
            " ",
            "0",
            "-1",
            "1e3",
            "18446744073709551615",
            "99999999999999999999",
            "true",
            "nonsense",
            ",",
            "=",
            "a",
            "a=",
            "=b",
            "a=b=c",
            "a=%",
            "a=%zz",
            "a=%ff",
            "a=b,c",
            "\u{0}",
            "é=ü",
            "😀",
            "http://",
            "https:///x",
            "http:// x",
            "http://[::1",
            "http://[::1]:4318",
            "http://host:99999",
            "http://user@",
            "//host",
            "grpc",
            "http/protobuf",
            "otlp,console",
            "OTLP",
            "none,none",
            "gzip",
            "traceidratio",
            "NaN",
            "inf",
            &long,
        ];
        for name in &names {
            for value in values {
                for sampler in ["always_on", "traceidratio"] {
                    warnings([(name.as_str(), value), ("OTEL_TRACES_SAMPLER", sampler)]);
                }
                let emptied = warnings([(name.as_str(), "")]);
                assert_eq!(emptied, Vec::<String>::new(), "an empty {name} is as none");
            }
        }
    }

    #[test]
    fn an_ignored_variable_is_as_one_that_is_not_set() {
        let mut environment = Environment::from([
            ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "soon"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "5000"),
        ]);
        let settings = Settings::read(&mut environment).unwrap();
        assert_eq!(settings.timeout, Duration::from_secs(5));
        let unknown = Settings::read(&mut Environment::from([("OTEL_TRACES_EXPORTER", "zipkin,console")]));
        assert!(unknown.is_some(), "the default is OTLP");
        let none = Settings::read(&mut Environment::from([("OTEL_TRACES_EXPORTER", "none,console")]));
        assert!(none.is_none());
    }

    #[test]
    fn the_collector_is_where_the_variables_say() {
        let url = |variables: [(&str, &str); 2]| {
            of_traces(&mut Environment::from(variables), "ENDPOINT", url).unwrap_or_default()
        };
        let (all, own) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
        let otlp = (all, "https://collector.example/otlp/");
        assert_eq!(url([otlp, (own, "")]), "https://collector.example/otlp/v1/traces");
        assert_eq!(url([otlp, (own, "http://here/t")]), "http://here/t");
        assert_eq!(url([otlp, (own, "here/t")]), "https://collector.example/otlp/v1/traces");
    }

    #[test]
    fn the_variable_for_traces_stands_before_the_one_for_every_signal() {
        let mut environment = Environment::from([
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "5000"),
            ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "300"),
        ]);
        assert_eq!(Settings::read(&mut environment).unwrap().timeout, Duration::from_millis(300));
    }
}
