//! The functions that a changed file belongs to, according to cargo.

use crate::project::Project;
use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::Command,
};

/// The files of the workspace that affect the build of every function.
const OF_EVERYTHING: [&str; 3] = ["Cargo.toml", "Cargo.lock", ".cargo/config.toml"];

/// The packages of the workspace, and the functions that are built from them.
#[derive(Debug, Clone)]
pub(super) struct Sources {
    root: PathBuf,
    /// The folder of each package, and the functions that depend on it.
    packages: BTreeMap<PathBuf, BTreeSet<String>>,
    functions: BTreeSet<String>,
}

/// The part of the output of `cargo metadata` that is needed here.
#[derive(Debug, Deserialize)]
struct Metadata {
    /// The packages of the workspace.
    packages: Vec<Package>,
}

#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
    dependencies: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    /// The folder of a dependency on this machine.
    path: Option<PathBuf>,
    /// `dev` for a dependency that only tests need.
    kind: Option<String>,
}

impl Sources {
    /// Reads the packages from cargo.
    ///
    /// # Errors
    /// A sentence, if cargo fails.
    pub(super) fn find(project: &Project) -> Result<Self, String> {
        Self::said_by(Command::new("cargo"), project)
    }

    /// Reads the packages from their manifests alone, which suffices because only packages of this workspace are
    /// watched. To resolve the others, cargo would need them for every platform and for their tests, and a build has
    /// downloaded none of that.
    fn said_by(mut cargo: Command, project: &Project) -> Result<Self, String> {
        let output = cargo
            .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
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
        let packages: BTreeMap<&Path, &Package> =
            metadata.packages.iter().filter_map(|package| Some((package.folder()?, package))).collect();
        let mut sources =
            Self { root: root.to_owned(), packages: BTreeMap::new(), functions: BTreeSet::new() };
        let in_functions = |folder: &Path| folder.parent() == Some(&root.join("functions"));
        for (folder, package) in packages.iter().filter(|(folder, _)| in_functions(folder)) {
            sources.functions.insert(package.name.clone());
            for part in all_parts(folder, &packages) {
                sources.packages.entry(part.to_owned()).or_default().insert(package.name.clone());
            }
        }
        Ok(sources)
    }

    /// Returns the number of packages that the functions are built from.
    pub(super) fn packages(&self) -> usize {
        self.packages.len()
    }

    /// Returns the folders and files to watch.
    pub(super) fn watched(&self) -> Vec<PathBuf> {
        let of_package = |folder: &PathBuf| ["src", "Cargo.toml", "build.rs"].map(|part| folder.join(part));
        let of_all = OF_EVERYTHING.iter().map(|file| self.root.join(file));
        self.packages.keys().flat_map(of_package).chain(of_all).collect()
    }

    /// Returns the functions that are built from any of these files.
    pub(super) fn functions_of<'a>(&self, changed: impl IntoIterator<Item = &'a Path>) -> BTreeSet<String> {
        let functions = changed.into_iter().filter_map(|path| self.functions_of_one(path));
        functions.flatten().cloned().collect()
    }

    fn functions_of_one(&self, path: &Path) -> Option<&BTreeSet<String>> {
        if OF_EVERYTHING.iter().any(|file| path == self.root.join(file)) {
            return Some(&self.functions);
        }
        // A package's folder may be inside another package's folder.
        let folder = path.ancestors().find(|folder| self.packages.contains_key(*folder))?;
        let within = path.strip_prefix(folder).ok()?;
        let is_source = within.starts_with("src") && !is_an_editors(within);
        let is_built = is_source || within == Path::new("Cargo.toml") || within == Path::new("build.rs");
        is_built.then(|| &self.packages[folder])
    }
}

impl Package {
    fn folder(&self) -> Option<&Path> {
        self.manifest_path.parent()
    }

    /// Returns the folders of the packages on this machine that it is built from.
    fn built_from(&self) -> impl Iterator<Item = &Path> {
        let built = self.dependencies.iter().filter(|dependency| dependency.kind.as_deref() != Some("dev"));
        built.filter_map(|dependency| dependency.path.as_deref())
    }
}

/// Returns whether a file is one of an editor's own, such as `.handler.rs.swp`, `handler.rs~` or `4913`.
fn is_an_editors(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with('.') || name.ends_with('~') || !name.contains('.')
}

/// Returns the folders of a package and of all packages of the workspace that it is built from.
fn all_parts<'a>(folder: &'a Path, packages: &BTreeMap<&'a Path, &'a Package>) -> BTreeSet<&'a Path> {
    let mut parts = BTreeSet::new();
    let mut next = vec![folder];
    while let Some(part) = next.pop() {
        let Some(package) = packages.get(part) else { continue };
        if parts.insert(part) {
            next.extend(package.built_from());
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use std::{env, fs};

    /// Two functions: both are built from `core`, and one of them from `shop`. `testing` is only for tests.
    fn sources() -> Sources {
        let needs =
            |path: &str, kind: Option<&str>| json!({ "path": format!("/project/{path}"), "kind": kind });
        let package = |folder: &str, dependencies: &[Value]| {
            let name = folder.rsplit('/').next();
            let manifest_path = format!("/project/{folder}/Cargo.toml");
            json!({ "name": name, "manifest_path": manifest_path, "dependencies": dependencies })
        };
        let metadata = json!({ "packages": [
            package(
                "functions/place-order",
                &[needs("shared/shop", None), needs("shared/testing", Some("dev"))],
            ),
            package("functions/relay", &[needs("shared/core", Some("build")), needs("../elsewhere", None)]),
            package("shared/shop", &[needs("shared/core", None)]),
            package("shared/core", &[json!({ "name": "serde", "kind": null })]),
            package("shared/testing", &[needs("shared/core", None)]),
        ] });
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

    #[test]
    fn this_workspace_is_understood_before_any_other_package_was_downloaded() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
        let home = env::temp_dir().join(format!("throughline-cargo-home-{}", std::process::id()));
        fs::create_dir_all(&home).unwrap();
        let mut cargo = Command::new(env!("CARGO"));
        cargo.env("CARGO_HOME", &home);
        let sources = Sources::said_by(cargo, &Project::at(root));
        fs::remove_dir_all(home).unwrap();
        let main = root.join("functions/relay-outbox/src/main.rs");
        let functions = sources.unwrap().functions_of([main.as_path()]);
        assert_eq!(functions.into_iter().collect::<Vec<_>>(), ["relay-outbox"]);
    }
}
