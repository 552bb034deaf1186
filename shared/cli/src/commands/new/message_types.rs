//! The places where a project declares its events: the catalogues that `events!` makes.

use super::NewError;
use crate::project::Project;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// An enum of events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Catalogue {
    /// The package that declares it, such as `throughline-shop`.
    pub(super) package: String,
    /// The enum, such as `OrderEvent`.
    pub(super) name: String,
    /// Its events.
    pub(super) events: Vec<EventType>,
}

/// An event of an enum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EventType {
    /// Its type, such as `order.placed`.
    pub(super) message_type: String,
    /// Its version, such as `v1`.
    pub(super) version: String,
    /// Its variant, such as `Placed`.
    pub(super) variant: String,
    /// Its data, such as `OrderPlaced`.
    pub(super) payload: String,
}

impl Catalogue {
    /// The one that declares all these types: a handler takes one.
    ///
    /// # Errors
    /// If a type is not declared, or no one enum declares them all.
    pub(super) fn of_all(project: &Project, types: &[String]) -> Result<Self, NewError> {
        let catalogues = in_project(project)?;
        let declares = |catalogue: &Self, wanted: &String| {
            catalogue.events.iter().any(|event| event.message_type == *wanted)
        };
        let unknown =
            types.iter().find(|wanted| !catalogues.iter().any(|catalogue| declares(catalogue, wanted)));
        if let Some(unknown) = unknown {
            let known = catalogues.iter().flat_map(|catalogue| &catalogue.events);
            let mut known: Vec<&str> = known.map(|event| event.message_type.as_str()).collect();
            known.sort_unstable();
            return Err(NewError::UnknownType { message_type: unknown.clone(), known: known.join(", ") });
        }
        let found =
            catalogues.into_iter().find(|catalogue| types.iter().all(|wanted| declares(catalogue, wanted)));
        found.ok_or_else(|| NewError::SeveralEnums { types: types.join(", ") })
    }

    /// The event of a type.
    pub(super) fn event(&self, message_type: &str) -> Option<&EventType> {
        self.events.iter().find(|event| event.message_type == message_type)
    }
}

/// Every catalogue of events in `shared/`, but those of tests and programs.
fn in_project(project: &Project) -> Result<Vec<Catalogue>, NewError> {
    let mut found = Vec::new();
    for krate in folders(&project.root().join("shared"))? {
        let Ok(manifest) = fs::read_to_string(krate.join("Cargo.toml")) else { continue };
        let Some(package) = package_of(&manifest) else { continue };
        // Who declares messages does it with the framework; its own are no business of a handler's.
        if !manifest
            .lines()
            .any(|line| line.starts_with("throughline-core") || line.starts_with("throughline."))
        {
            continue;
        }
        for file in sources(&krate.join("src"))? {
            let text = fs::read_to_string(&file).map_err(|source| NewError::file(&file, source))?;
            found.extend(declared(&package, &text));
        }
    }
    Ok(found)
}

fn folders(folder: &Path) -> Result<Vec<PathBuf>, NewError> {
    let entries = fs::read_dir(folder).map_err(|source| NewError::file(folder, source))?;
    let mut paths: Vec<_> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
    paths.sort();
    Ok(paths)
}

fn sources(folder: &Path) -> Result<Vec<PathBuf>, NewError> {
    let mut found = Vec::new();
    if !folder.is_dir() {
        return Ok(found);
    }
    for path in folders(folder)? {
        let name = path.file_stem().unwrap_or_default();
        if name == "tests" || name == "bin" {
            continue;
        }
        if path.is_dir() {
            found.extend(sources(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    Ok(found)
}

fn package_of(manifest: &str) -> Option<String> {
    let name = manifest.lines().find_map(|line| line.strip_prefix("name = \""))?;
    Some(name.trim_end_matches('"').to_owned())
}

/// The catalogues of events in a file: `events! { pub enum NAME of ".." { "TYPE" v1 => VARIANT(..), } }`.
fn declared(package: &str, text: &str) -> Vec<Catalogue> {
    let mut found: Vec<Catalogue> = Vec::new();
    let mut is_inside = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with("events! {") {
            is_inside = true;
        } else if is_inside && line.starts_with("pub enum ") {
            let name = line["pub enum ".len()..].split_whitespace().next().unwrap_or_default().to_owned();
            found.push(Catalogue { package: package.to_owned(), name, events: Vec::new() });
        } else if let (true, Some(event)) = (is_inside, event(line)) {
            found.last_mut().into_iter().for_each(|catalogue| catalogue.events.push(event.clone()));
        } else if line == "}" && found.last().is_some_and(|catalogue| !catalogue.events.is_empty()) {
            is_inside = false;
        }
    }
    found
}

/// `"order.placed" v1 => Placed(OrderPlaced.order_id),`
fn event(line: &str) -> Option<EventType> {
    let (message_type, rest) = line.strip_prefix('"')?.split_once('"')?;
    let (version, rest) = rest.trim().split_once("=>")?;
    let (variant, rest) = rest.trim().split_once('(')?;
    let payload = rest.split(['.', ')']).next()?.trim();
    // Of several versions that it reads, the last is the one that is written.
    let version = version.split_whitespace().last()?;
    let [message_type, version, variant, payload] =
        [message_type, version, variant, payload].map(ToOwned::to_owned);
    Some(EventType { message_type, version, variant, payload })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_enum_that_declares_all_the_types_is_found_in_this_very_project() {
        let project = Project::find().unwrap();
        let types = ["order.confirmed".to_owned(), "order.cancelled".to_owned()];
        let found = Catalogue::of_all(&project, &types).unwrap();
        assert_eq!((found.package.as_str(), found.name.as_str()), ("throughline-shop", "OrderEvent"));
        let of_two = ["order.confirmed".to_owned(), "stock.reserved".to_owned()];
        assert!(matches!(Catalogue::of_all(&project, &of_two), Err(NewError::SeveralEnums { .. })));
        let error = Catalogue::of_all(&project, &["order.lost".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("`order.lost`") && error.contains("order.placed, "), "{error}");
    }

    #[test]
    fn the_events_of_each_enum_are_found_and_commands_are_not() {
        let text = include_str!("../../../../shop/src/order.rs");
        let [orders] = declared("throughline-shop", text).try_into().unwrap();
        assert_eq!((orders.name.as_str(), orders.events.len()), ("OrderEvent", 4));
        let confirmed = orders.event("order.confirmed").unwrap();
        assert_eq!((confirmed.variant.as_str(), confirmed.version.as_str()), ("Confirmed", "v1"));
        assert_eq!(confirmed.payload, "OrderConfirmed");
        assert_eq!(declared("throughline-shop", include_str!("../../../../shop/src/placing.rs")), []);
    }
}
