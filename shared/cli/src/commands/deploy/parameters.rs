//! The values of the template's parameters: from a file, from the command, and from what runs on this machine.

use super::error::{DeployError, file, malformed};
use crate::{
    cloud::place::Place,
    local::{Kind, providers::Providers},
    project::{Project, template::Template},
};
use std::{collections::BTreeMap, fs, path::PathBuf, str::FromStr};

/// A parameter's value, as it is typed: `NAME=VALUE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    name: String,
    value: String,
}

impl FromStr for Parameter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok(Self { name: name.into(), value: value.into() }),
            _ => Err(format!("`{text}` is not of the form NAME=VALUE")),
        }
    }
}

/// Returns the default file of values. On AWS it need not exist.
pub(super) fn default_file(project: &Project, place: &Place) -> PathBuf {
    let file = match place {
        // What is no cloud that we know has ministack's: it leaves out most.
        Place::Local { endpoint } => Kind::at(endpoint).unwrap_or(Kind::Ministack).parameters_file(),
        Place::Aws => "infra/aws.parameters.json",
    };
    project.root().join(file)
}

/// Gathers the values: the file's; over them, the addresses of the providers on this machine; over those, the typed
/// ones.
pub(super) fn gather(
    project: &Project,
    place: &Place,
    port: u16,
    from: Option<&PathBuf>,
    typed: &[Parameter],
) -> Result<BTreeMap<String, String>, DeployError> {
    let path = from.cloned().unwrap_or_else(|| default_file(project, place));
    let mut values: BTreeMap<String, String> = if from.is_none() && !place.is_local() && !path.exists() {
        BTreeMap::new()
    } else {
        let text = fs::read_to_string(&path).map_err(file(&path))?;
        serde_json::from_str(&text).map_err(|error| {
            malformed(&path, format!("it must be one object of names and values, all of them text: {error}"))
        })?
    };
    if place.is_local() {
        for (name, value) in Providers::of(project, port).parameters()? {
            values.entry(name.to_owned()).and_modify(|written| *written = value);
        }
    }
    values.extend(typed.iter().map(|Parameter { name, value }| (name.clone(), value.clone())));
    Ok(values)
}

/// Checks that the template has all these parameters, and no other without a value.
pub(super) fn check(template: &Template, values: &BTreeMap<String, String>) -> Result<(), DeployError> {
    let missing = template
        .parameters()
        .filter(|(name, parameter)| parameter.get("Default").is_none() && !values.contains_key(*name));
    let missing: Vec<String> = missing
        .map(|(name, parameter)| format!("  {name}: {}", parameter["Description"].as_str().unwrap_or("")))
        .collect();
    let known: Vec<&str> = template.parameters().map(|(name, _)| name).collect();
    let unknown: Vec<&str> = values.keys().map(String::as_str).filter(|name| !known.contains(name)).collect();
    let mut problems = Vec::new();
    if !missing.is_empty() {
        problems.push(format!(
            "the template has parameters without a value:\n{}\ngive each with --parameter NAME=VALUE, or in a file \
             with --parameters FILE",
            missing.join("\n")
        ));
    }
    if !unknown.is_empty() {
        problems.push(format!(
            "the template has no parameter `{}`; it has {}",
            unknown.join("` and no `"),
            known.join(", ")
        ));
    }
    if problems.is_empty() { Ok(()) } else { Err(DeployError::Parameters(problems.join("\n"))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATE: &str =
        "Parameters:\n  Url: {Type: String, Description: Where it is.}\n  Days: {Type: Number, Default: 3}\n";

    fn checked(values: &[(&str, &str)]) -> Result<(), String> {
        let values = values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        check(&Template::parse(TEMPLATE).unwrap(), &values).map_err(|error| error.to_string())
    }

    #[test]
    fn what_has_no_default_must_be_given_and_what_it_is_is_told() {
        checked(&[("Url", "https://x")]).unwrap();
        let error = checked(&[("Days", "4")]).unwrap_err();
        assert!(error.contains("Url: Where it is.") && error.contains("--parameter NAME=VALUE"), "{error}");
    }

    #[test]
    fn a_name_that_the_template_does_not_know_is_told_with_those_it_knows() {
        let error = checked(&[("Url", "https://x"), ("Dayz", "4")]).unwrap_err();
        assert!(error.contains("no parameter `Dayz`") && error.contains("Days"), "{error}");
    }

    #[test]
    fn a_value_may_hold_what_parts_it_from_its_name() {
        let parameter: Parameter = "Url=https://x?a=b".parse().unwrap();
        assert_eq!((parameter.name.as_str(), parameter.value.as_str()), ("Url", "https://x?a=b"));
        assert!("Url".parse::<Parameter>().unwrap_err().contains("NAME=VALUE"));
    }
}
