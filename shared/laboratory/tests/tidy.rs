//! The tree itself: a file is compiled where it lies.

use std::{
    fs,
    path::{Component, Path, PathBuf},
};

/// The folders of packages.
const PACKAGES: [&str; 2] = ["shared", "functions"];

fn root() -> PathBuf {
    normal(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))
}

/// Returns a path without `..`.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => _ = normal.pop(),
            component => normal.push(component),
        }
    }
    normal
}

/// Returns every Rust file beneath a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let paths = entries.map(|entry| entry.expect("the folder can be read").path());
    let (folders, files): (Vec<_>, Vec<_>) = paths.partition(|path| path.is_dir());
    let within = folders.iter().flat_map(|folder| sources(folder));
    files.into_iter().filter(|file| file.extension().is_some_and(|name| name == "rs")).chain(within).collect()
}

/// Returns the paths that a file takes modules from, each as it is written after `#[path = `.
fn paths(text: &str) -> impl Iterator<Item = &str> {
    let attributes = text.lines().filter_map(|line| line.trim_start().strip_prefix("#[path"));
    attributes.filter_map(|rest| rest.split('"').nth(1))
}

/// Returns what is wrong with a module that a file takes from a path; both paths are relative to the root.
fn objection(file: &Path, path: &str) -> Option<String> {
    let module = normal(&file.parent().expect("a file lies in a folder").join(path));
    let package: PathBuf = file.components().take(2).collect();
    let wrong = if !module.starts_with(&package) {
        "it lies in another package: make it a module of `throughline_testing::fixtures`, of `throughline_shop::testing` \
         or of its own package's library"
    } else if module.starts_with(package.join("tests")) {
        "it belongs to another test program: give both their roots in its folder, with `path` in Cargo.toml"
    } else {
        return None;
    };
    Some(format!("{} takes {} as a module: {wrong}", file.display(), module.display()))
}

#[test]
fn no_module_is_taken_from_another_package_or_another_test_program() {
    let root = root();
    let files: Vec<_> = PACKAGES.iter().flat_map(|folder| sources(&root.join(folder))).collect();
    assert!(files.len() > 300, "these are not all of the files: {files:?}");
    let mut objections = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).expect("a Rust file is text");
        let file = file.strip_prefix(&root).expect("it lies beneath the root");
        objections.extend(paths(&text).filter_map(|path| objection(file, path)));
    }
    assert!(objections.is_empty(), "{}", objections.join("\n"));
}

#[test]
fn a_path_into_another_package_or_another_test_program_is_noticed() {
    let wrong = |file: &str, path: &str| {
        let text = format!("//! A test.\n\n    #[path = \"{path}\"]\nmod it;\n");
        let found: Vec<_> = paths(&text).collect();
        assert_eq!(found, [path]);
        objection(Path::new(file), path).unwrap_or_default()
    };
    let elsewhere = wrong("shared/laboratory/tests/traces.rs", "../../lambda/tests/traces/collector.rs");
    assert!(elsewhere.contains("takes shared/lambda/tests/traces/collector.rs"), "{elsewhere}");
    assert!(elsewhere.contains("another package"), "{elsewhere}");
    let program = wrong("shared/cli/tests/rights/main.rs", "../end_to_end/aws.rs");
    assert!(program.contains("another test program"), "{program}");
    assert_eq!(wrong("shared/core/tests/decode_agrees.rs", "../benches/decode/by_hand.rs"), "");
}
