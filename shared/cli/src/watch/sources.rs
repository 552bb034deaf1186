//! Which functions a changed file is part of, as cargo knows it.

use crate::project::Project;
use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::Command,
};

/// Files of the whole workspace that decide how every function is built.
const OF_EVERYTHING: [&str; 3] = ["Cargo.toml", "Cargo.lock", ".cargo/config.toml"];

/// The packages of the workspace, and the functions that are built from them.
#[derive(Debug, Clone)]
pub(super) struct Sources {
    root: PathBuf,
    /// The folder of each package, and the functions that depend on it.
    packages: BTreeMap<PathBuf, BTreeSet<String>>,
    functions: BTreeSet<String>,
}

/// What `cargo metadata` says, as far as it is needed here.
#[derive(Debug, Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
    workspace_members: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Package {
    id: String,
    name: String,
    manifest_path: PathBuf,
}

#[derive(Debug, Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Debug, Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<DependencyKind>,
}

/// `dev` for what tests alone need.
#[derive(Debug, Deserialize)]
struct DependencyKind {
    kind: Option<String>,
}

impl Sources {
    /// Asks cargo.
    ///
    /// # Errors
    /// A sentence, if it does not answer.
    pub(super) fn find(project: &Project) -> Result<Self, String> {
        let output = Command::new("cargo")
            .args(["metadata", "--format-version", "1", "--locked", "--offline"])
            .current_dir(project.root())
            .output()
            .map_err(|error| format!("cargo cannot be run: {error}"))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("cargo does not know the packages: {}", said.trim()));
        }
        Self::read(project.root(), &output.stdout)
    }

    fn read(root: &Path, metadata: &[u8]) -> Result<Self, String> {
        let metadata: Metadata = serde_json::from_slice(metadata)
            .map_err(|error| format!("`cargo metadata` cannot be read: {error}"))?;
        let members: BTreeSet<&str> = metadata.workspace_members.iter().map(String::as_str).collect();
        let built_from: BTreeMap<&str, Vec<&str>> =
            metadata.resolve.nodes.iter().map(|node| (node.id.as_str(), node.built_from())).collect();
        let folders: BTreeMap<&str, &Path> = metadata
            .packages
            .iter()
            .filter(|package| members.contains(package.id.as_str()))
            .filter_map(|package| Some((package.id.as_str(), package.manifest_path.parent()?)))
            .collect();
        let mut sources =
            Self { root: root.to_owned(), packages: BTreeMap::new(), functions: BTreeSet::new() };
        let in_functions = |folder: &Path| folder.parent() == Some(&root.join("functions"));
        for package in &metadata.packages {
            if !folders.get(package.id.as_str()).is_some_and(|folder| in_functions(folder)) {
                continue;
            }
            sources.functions.insert(package.name.clone());
            for part in all_parts(&package.id, &built_from) {
                if let Some(folder) = folders.get(part) {
                    sources.packages.entry((*folder).to_owned()).or_default().insert(package.name.clone());
                }
            }
        }
        Ok(sources)
    }

    /// How many packages the functions are built from.
    pub(super) fn packages(&self) -> usize {
        self.packages.len()
    }

    /// The folders and files to watch.
    pub(super) fn watched(&self) -> Vec<PathBuf> {
        let of_package = |folder: &PathBuf| ["src", "Cargo.toml", "build.rs"].map(|part| folder.join(part));
        let of_all = OF_EVERYTHING.iter().map(|file| self.root.join(file));
        self.packages.keys().flat_map(of_package).chain(of_all).collect()
    }

    /// The functions that are built from any of these files.
    pub(super) fn functions_of<'a>(&self, changed: impl IntoIterator<Item = &'a Path>) -> BTreeSet<String> {
        let functions = changed.into_iter().filter_map(|path| self.functions_of_one(path));
        functions.flatten().cloned().collect()
    }

    fn functions_of_one(&self, path: &Path) -> Option<&BTreeSet<String>> {
        if OF_EVERYTHING.iter().any(|file| path == self.root.join(file)) {
            return Some(&self.functions);
        }
        // A package's folder may lie in another's.
        let folder = path.ancestors().find(|folder| self.packages.contains_key(*folder))?;
        let within = path.strip_prefix(folder).ok()?;
        let is_source = within.starts_with("src") && !is_an_editors(within);
        let is_built = is_source || within == Path::new("Cargo.toml") || within == Path::new("build.rs");
        is_built.then(|| &self.packages[folder])
    }
}

impl Node {
    fn built_from(&self) -> Vec<&str> {
        let is_built = |kind: &DependencyKind| kind.kind.as_deref() != Some("dev");
        let built = self.deps.iter().filter(|dependency| dependency.dep_kinds.iter().any(is_built));
        built.map(|dependency| dependency.pkg.as_str()).collect()
    }
}

/// Editors write beside a file what is no source: `.handler.rs.swp`, `handler.rs~`, `4913`.
fn is_an_editors(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with('.') || name.ends_with('~') || !name.contains('.')
}

/// A package and all that it is built from.
fn all_parts<'a>(id: &'a str, built_from: &BTreeMap<&'a str, Vec<&'a str>>) -> BTreeSet<&'a str> {
    let mut parts = BTreeSet::new();
    let mut next = vec![id];
    while let Some(part) = next.pop() {
        if parts.insert(part) {
            next.extend(built_from.get(part).into_iter().flatten().copied());
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Two functions; both are built from `core`, one of them from `shop`; `testing` is for tests alone.
    fn sources() -> Sources {
        let package = |name: &str, folder: &str| json!({ "id": name, "name": name, "manifest_path": format!("/project/{folder}/Cargo.toml") });
        let needs = |name: &str, kind: Option<&str>| json!({ "pkg": name, "dep_kinds": [{ "kind": kind }] });
        let metadata = json!({
            "packages": [
                package("place-order", "functions/place-order"), package("relay", "functions/relay"),
                package("core", "shared/core"), package("shop", "shared/shop"), package("testing", "shared/testing"),
                { "id": "serde", "name": "serde", "manifest_path": "/registry/serde/Cargo.toml" },
            ],
            "workspace_members": ["place-order", "relay", "core", "shop", "testing"],
            "resolve": { "nodes": [
                { "id": "place-order", "deps": [needs("shop", None), needs("testing", Some("dev"))] },
                { "id": "relay", "deps": [needs("core", None)] },
                { "id": "shop", "deps": [needs("core", None)] },
                { "id": "core", "deps": [needs("serde", None)] },
                { "id": "testing", "deps": [needs("core", None)] },
            ] },
        });
        Sources::read(Path::new("/project"), metadata.to_string().as_bytes()).unwrap()
    }

    fn functions_of(path: &str) -> Vec<String> {
        sources().functions_of([Path::new(path)]).into_iter().collect()
    }

    #[test]
    fn a_functions_own_source_is_of_it_alone() {
        assert_eq!(functions_of("/project/functions/relay/src/main.rs"), ["relay"]);
        assert_eq!(functions_of("/project/functions/relay/Cargo.toml"), ["relay"]);
    }

    #[test]
    fn a_shared_source_is_of_every_function_that_is_built_from_it() {
        assert_eq!(functions_of("/project/shared/core/src/process/driver.rs"), ["place-order", "relay"]);
        assert_eq!(functions_of("/project/shared/shop/src/order.rs"), ["place-order"]);
    }

    #[test]
    fn what_decides_how_all_are_built_is_of_all() {
        for file in OF_EVERYTHING {
            assert_eq!(functions_of(&format!("/project/{file}")), ["place-order", "relay"], "{file}");
        }
    }

    #[test]
    fn what_is_not_built_is_of_none() {
        for path in [
            "/project/shared/testing/src/lib.rs",
            "/project/shared/core/tests/relay.rs",
            "/project/shared/core/README.md",
            "/project/functions/relay/src/.main.rs.swp",
            "/project/functions/relay/src/main.rs~",
            "/project/functions/relay/src/4913",
            "/project/infra/template.yaml",
            "/elsewhere/src/main.rs",
        ] {
            assert_eq!(functions_of(path), [""; 0], "{path}");
        }
    }

    #[test]
    fn this_workspace_is_understood() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
        let sources = Sources::find(&Project::at(root)).unwrap();
        let changed =
            [root.join("functions/place-order/src/handler.rs"), root.join("shared/cli/src/main.rs")];
        let functions = sources.functions_of(changed.iter().map(PathBuf::as_path));
        assert_eq!(functions.into_iter().collect::<Vec<_>>(), ["place-order"]);
        let core = root.join("shared/core/src/lib.rs");
        assert_eq!(sources.functions_of([core.as_path()]).len(), sources.functions.len());
    }
}
