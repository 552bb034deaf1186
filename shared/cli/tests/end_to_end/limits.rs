//! The limits of local clouds, scenario by scenario. Each is printed in the table at the end, with its reason.
//!
//! Nothing is skipped for it: the scenario runs as far as it comes, and must fail at what is named here. So it is
//! noticed when a limit goes away, and when something else goes wrong.

/// A local cloud, by the name that `throughline up --on` knows it by.
pub(crate) const CLOUDS: [&str; 2] = ["ministack", "localstack"];

/// A limit that a scenario meets on one local cloud.
#[derive(Debug)]
pub(crate) struct Limit {
    /// The scenario: its module and its name.
    pub(crate) scenario: &'static str,
    /// The cloud.
    pub(crate) cloud: &'static str,
    /// The way in which the cloud differs from AWS.
    pub(crate) reason: &'static str,
    /// The scenario's message when it meets the limit.
    pub(crate) says: &'static str,
}

/// Every limit.
pub(crate) const LIMITS: &[Limit] = &[Limit {
    scenario: "replays::events_of_other_sources_are_found_in_the_archive_without_anybody_getting_them_again",
    cloud: "ministack",
    reason: "its replays go to every rule, whichever are named",
    says: "takes no notice of the rules that are named",
}];
