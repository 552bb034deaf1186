//! The kinds of local clouds, and their differences.

use crate::local::health;
use serde::Serialize;
use std::fmt;

/// A kind of local cloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The program ministack.
    Ministack,
    /// LocalStack as a program, without the parts that need Docker.
    Localstack,
    /// LocalStack's image in Docker.
    LocalstackInDocker,
}

/// The local cloud that a user asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Wanted {
    /// ministack: small, starts at once
    #[default]
    Ministack,
    /// LocalStack 4.14.0: in Docker where an engine runs, else as a program, which needs Python 3.13
    Localstack,
}

impl Kind {
    /// Every kind, with the name in the file beside its pid.
    const ALL: [(Self, &'static str); 3] = [
        (Self::Ministack, "ministack"),
        (Self::Localstack, "localstack"),
        (Self::LocalstackInDocker, "localstack-in-docker"),
    ];

    pub(super) fn name(self) -> &'static str {
        Self::ALL.iter().find(|(kind, _)| *kind == self).map_or("", |(_, name)| name)
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, known)| *known == name.trim()).map(|(kind, _)| kind)
    }

    /// Returns whether this kind is what the user asked for.
    pub(super) fn is(self, wanted: Wanted) -> bool {
        (self == Self::Ministack) == (wanted == Wanted::Ministack)
    }

    /// Returns the path of the cloud's health check.
    pub(super) fn health(self) -> &'static str {
        match self {
            Self::Ministack => "/_ministack/health",
            Self::Localstack | Self::LocalstackInDocker => "/_localstack/health",
        }
    }

    /// Returns the kind of cloud that answers at an address, even if another program started it, or `None` if neither
    /// answers. LocalStack is not asked whether it runs in Docker.
    pub fn at(endpoint: &str) -> Option<Self> {
        // ministack also answers at LocalStack's paths.
        [Self::Ministack, Self::Localstack].into_iter().find(|kind| health::is_ok(endpoint, kind.health()))
    }

    /// Returns the path of the project's file with the template's parameters for this cloud.
    pub fn parameters_file(self) -> &'static str {
        match self {
            Self::Ministack => "infra/local.parameters.json",
            Self::Localstack | Self::LocalstackInDocker => "infra/localstack.parameters.json",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ministack => "ministack",
            Self::Localstack => "LocalStack",
            Self::LocalstackInDocker => "LocalStack in Docker",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_down_is_found_again() {
        for (kind, name) in Kind::ALL {
            assert_eq!((Kind::named(&format!("{name}\n")), kind.name()), (Some(kind), name));
        }
        assert_eq!(Kind::named("another"), None);
    }

    #[test]
    fn localstack_is_localstack_wherever_it_runs() {
        assert!(Kind::LocalstackInDocker.is(Wanted::Localstack) && Kind::Localstack.is(Wanted::Localstack));
        assert!(!Kind::Localstack.is(Wanted::Ministack) && Kind::Ministack.is(Wanted::Ministack));
    }

    #[test]
    fn each_has_its_parameters() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        for (kind, _) in Kind::ALL {
            assert!(root.join(kind.parameters_file()).is_file(), "{kind}");
        }
    }
}
