//! A function's settings, read from its environment. Everything that is missing or malformed is told at
//! once, in one error.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    fmt::{self, Display},
    str::FromStr,
    time::Duration,
};
use throughline_aws::settings::{self, Lookup};
use throughline_core::process;

/// The problems of a function's environment: all of them, not just the first.
#[derive(Clone, PartialEq, Eq)]
pub struct SettingsError {
    /// One sentence for each setting that is missing or malformed.
    pub problems: Vec<String>,
}

impl Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.problems.len();
        write!(f, "{count} {} wrong:", if count == 1 { "setting is" } else { "settings are" })?;
        self.problems.iter().try_for_each(|problem| write!(f, "\n  - {problem}"))
    }
}

/// The same as its display: this is what a function's last log line shows.
impl fmt::Debug for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}

impl std::error::Error for SettingsError {}

/// The environment, and what has been found wrong with it so far.
///
/// ```
/// use throughline::Environment;
/// let mut environment = Environment::from([("THROUGHLINE_CONCURRENCY", "many")]);
/// environment.required("THROUGHLINE_TABLE", "the ledger's DynamoDB table");
/// environment.parsed("THROUGHLINE_CONCURRENCY", "a whole number", 10);
/// assert_eq!(environment.finish().unwrap_err().problems.len(), 2);
/// ```
#[derive(Debug, Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
    problems: Vec<String>,
    warnings: Vec<String>,
}

impl Environment {
    /// This process's environment.
    pub fn of_process() -> Self {
        let text = |value: std::ffi::OsString| value.to_string_lossy().into_owned();
        let variables = env::vars_os().map(|(name, value)| (text(name), text(value))).collect();
        Self { variables, ..Self::default() }
    }

    /// A setting that must be there; `meaning` says what it is. Empty if it is missing, which
    /// [`finish`](Self::finish) then tells.
    pub fn required(&mut self, name: &str, meaning: &str) -> String {
        match self.variables.get(name).map(|value| value.trim()) {
            Some("") => self.problem(format!("{name} is empty: it must hold {meaning}")),
            Some(value) => return value.to_owned(),
            None => self.problem(format!("{name} is not set: it must hold {meaning}")),
        }
        String::new()
    }

    /// A setting that may be missing.
    pub fn optional(&self, name: &str) -> Option<String> {
        self.variables.get(name).map(|value| value.trim()).filter(|value| !value.is_empty()).map(Into::into)
    }

    /// A setting of another type than text, with a default; `form` says what it must look like.
    pub fn parsed<T: FromStr>(&mut self, name: &str, form: &str, default: T) -> T {
        let Some(text) = self.optional(name) else { return default };
        text.parse().unwrap_or_else(|_| {
            self.problem(format!("{name} is `{text}`: it must be {form}"));
            default
        })
    }

    /// Every setting whose name starts with `prefix`, by the rest of its name as a logical name:
    /// `THROUGHLINE_TABLE_ORDER_LINES` is `order-lines`. Those of the logical names `needed` must be there;
    /// `meaning` says what each is.
    pub fn family(&mut self, prefix: &str, needed: &[&str], meaning: &str) -> BTreeMap<String, String> {
        Lookup::family(self, prefix, needed, meaning)
    }

    /// Adds something that is wrong.
    pub fn problem(&mut self, problem: String) {
        self.problems.push(problem);
    }

    /// Adds something that is not understood and not heeded, but does not keep a function from starting.
    pub fn warning(&mut self, warning: String) {
        self.warnings.push(warning);
    }

    /// Returns the warnings about settings that are not understood and not heeded, each once. A function logs them when
    /// it starts.
    pub fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    /// # Errors
    /// Everything that was found wrong.
    pub fn finish(self) -> Result<(), SettingsError> {
        if self.problems.is_empty() { Ok(()) } else { Err(SettingsError { problems: self.problems }) }
    }

    /// The settings of the main path.
    pub fn process_settings(&mut self) -> process::Settings {
        let source = self.required(settings::SOURCE, "the CloudEvents source of the events it emits");
        // CloudEvents 1.0, "source": a non-empty URI reference, which holds no white space.
        if source.contains(|character: char| character.is_whitespace() || character.is_control()) {
            self.problem(format!(
                "{} is `{source}`: it must be a URI reference, without spaces",
                settings::SOURCE
            ));
        }
        if source.len() > MOST_SOURCE_BYTES {
            let bytes = source.len();
            self.problem(format!(
                "{} has {bytes} bytes: it must have at most {MOST_SOURCE_BYTES}, which is what EventBridge takes",
                settings::SOURCE
            ));
        }
        if source.starts_with("aws.") {
            self.problem(format!(
                "{} is `{source}`: it must not begin with `aws.`, which EventBridge keeps for AWS",
                settings::SOURCE
            ));
        }
        let mut defaults = process::Settings::new(source);
        let concurrency =
            self.parsed(settings::CONCURRENCY, "a whole number of records from 1", defaults.concurrency);
        if concurrency == 0 {
            self.problem(format!(
                "{} is `0`: it must be a whole number of records from 1",
                settings::CONCURRENCY
            ));
        }
        let days = defaults.claim_lifetime.as_secs() / DAY.as_secs();
        let days = self.parsed(settings::CLAIM_LIFETIME_DAYS, "a whole number of days", days);
        if days == 0 {
            // Every claim would have expired when it is made: nothing would ever be a duplicate.
            self.problem(format!(
                "{} is `0`: it must be a whole number of days from 1",
                settings::CLAIM_LIFETIME_DAYS
            ));
        }
        let claim_lifetime = DAY.saturating_mul(u32::try_from(days).unwrap_or(u32::MAX));
        defaults.concurrency = concurrency;
        defaults.claim_lifetime = claim_lifetime;
        defaults
    }
}

/// The most bytes EventBridge takes as an event's source.
const MOST_SOURCE_BYTES: usize = 256;

const DAY: Duration = Duration::from_hours(24);

impl Lookup for Environment {
    fn required(&mut self, name: &str, meaning: &str) -> String {
        Self::required(self, name, meaning)
    }

    fn optional(&self, name: &str) -> Option<String> {
        Self::optional(self, name)
    }

    fn names(&self, prefix: &str) -> BTreeSet<String> {
        self.variables.keys().filter(|name| name.starts_with(prefix)).cloned().collect()
    }

    fn problem(&mut self, problem: String) {
        Self::problem(self, problem);
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Environment {
    fn from(variables: [(&str, &str); N]) -> Self {
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self { variables: BTreeMap::from(variables), ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_wrong_is_told_at_once() {
        let mut environment = Environment::from([
            ("THROUGHLINE_CONCURRENCY", "0"),
            ("THROUGHLINE_CLAIM_LIFETIME_DAYS", "1 week"),
        ]);
        environment.required("THROUGHLINE_TABLE", "the ledger's DynamoDB table");
        environment.process_settings();
        let error = environment.finish().unwrap_err().to_string();
        assert_eq!(
            error,
            "4 settings are wrong:\
             \n  - THROUGHLINE_TABLE is not set: it must hold the ledger's DynamoDB table\
             \n  - THROUGHLINE_SOURCE is not set: it must hold the CloudEvents source of the events it emits\
             \n  - THROUGHLINE_CONCURRENCY is `0`: it must be a whole number of records from 1\
             \n  - THROUGHLINE_CLAIM_LIFETIME_DAYS is `1 week`: it must be a whole number of days"
        );
    }

    #[test]
    fn a_family_of_settings_is_known_by_logical_names() {
        let mut environment =
            Environment::from([("THROUGHLINE_TABLE_ORDER_LINES", "shop-lines"), ("OTHER", "x")]);
        let tables = environment.family("THROUGHLINE_TABLE_", &["order-lines"], "a table");
        assert_eq!(tables, BTreeMap::from([("order-lines".into(), "shop-lines".into())]));
        environment.finish().unwrap();
    }

    #[test]
    fn a_family_misses_what_is_needed_and_what_is_empty() {
        let mut environment = Environment::from([("THROUGHLINE_TABLE_STOCK", "")]);
        environment.family("THROUGHLINE_TABLE_", &["price-list"], "the name of a table");
        assert_eq!(
            environment.finish().unwrap_err().problems,
            [
                "THROUGHLINE_TABLE_PRICE_LIST is not set: it must hold the name of a table",
                "THROUGHLINE_TABLE_STOCK is empty: it must hold the name of a table",
            ]
        );
    }

    #[test]
    fn a_source_that_eventbridge_does_not_take_is_refused_at_the_start() {
        let problems = |source: &str| {
            let mut environment = Environment::from([("THROUGHLINE_SOURCE", source)]);
            environment.process_settings();
            environment.finish().map_err(|error| error.to_string())
        };
        assert!(problems(&"s".repeat(257)).unwrap_err().contains("has 257 bytes: it must have at most 256"));
        assert!(problems("aws.shop").unwrap_err().contains("must not begin with `aws.`"));
        for source in [&"s".repeat(256), "awsome", "aws", "shop/aws.orders"] {
            problems(source).unwrap();
        }
    }

    #[test]
    fn claims_that_expire_at_once_are_refused() {
        let mut environment =
            Environment::from([("THROUGHLINE_SOURCE", "shop"), ("THROUGHLINE_CLAIM_LIFETIME_DAYS", "0")]);
        environment.process_settings();
        let error = environment.finish().unwrap_err().to_string();
        assert!(error.contains("THROUGHLINE_CLAIM_LIFETIME_DAYS is `0`"), "{error}");
    }
}
