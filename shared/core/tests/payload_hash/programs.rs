//! Programs that read and write JSON with `serde_json`, one for each combination of its features. They are compiled
//! when the test runs, outside this workspace, which would give all of them the same features.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
    thread,
};

/// The features that change how values are read, kept or written.
const FEATURES: [&str; 3] = ["float_roundtrip", "preserve_order", "arbitrary_precision"];

/// A program, and the features of `serde_json` that it was compiled with.
pub(crate) struct Program {
    pub(crate) features: Vec<&'static str>,
    path: PathBuf,
}

impl Program {
    pub(crate) fn has(&self, feature: &str) -> bool {
        self.features.contains(&feature)
    }

    /// Returns the program's answer to each line.
    pub(crate) fn answers(&self, lines: &[String]) -> Vec<String> {
        let mut child = Command::new(&self.path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", self.path.display()));
        let mut stdin = child.stdin.take().expect("piped");
        let text = lines.join("\n") + "\n";
        let writing = thread::spawn(move || stdin.write_all(text.as_bytes()));
        let output = child.wait_with_output().expect("it ends");
        writing.join().expect("it does not panic").expect("it reads all of it");
        assert!(output.status.success(), "the program with {:?} failed", self.features);
        let answers: Vec<_> =
            String::from_utf8(output.stdout).expect("UTF-8").lines().map(ToOwned::to_owned).collect();
        assert_eq!(answers.len(), lines.len(), "a line each, with {:?}", self.features);
        answers
    }
}

/// All of them.
pub(crate) fn programs() -> &'static [Program] {
    static PROGRAMS: OnceLock<Vec<Program>> = OnceLock::new();
    PROGRAMS.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("payload-hash");
        write_package(&folder);
        (0..1 << FEATURES.len())
            .map(|chosen| {
                let features = FEATURES.into_iter().enumerate();
                let features = features.filter(|(at, _)| chosen & (1 << at) != 0).map(|(_, name)| name);
                compiled(&folder, features.collect())
            })
            .collect()
    })
}

/// The program as a package of its own, with the versions that this workspace has locked.
fn write_package(folder: &Path) {
    let core = Path::new(env!("CARGO_MANIFEST_DIR"));
    let features = FEATURES.map(|name| format!("{name} = [\"serde_json/{name}\"]")).join("\n");
    let manifest = format!(
        "[workspace]\n\n[package]\nname = \"program\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n\
         [dependencies]\nserde_json = \"1\"\n\n[features]\n{features}\n\n\
         [[bin]]\nname = \"program\"\npath = \"program.rs\"\n\n[profile.dev]\ndebug = false\n"
    );
    fs::create_dir_all(folder).expect("the target folder can be written");
    fs::write(folder.join("Cargo.toml"), manifest).expect("the target folder can be written");
    for (from, name) in [
        (core.join("tests/payload_hash/program/program.rs"), "program.rs"),
        (core.join("../../Cargo.lock"), "Cargo.lock"),
    ] {
        fs::copy(&from, folder.join(name)).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
    }
}

fn compiled(folder: &Path, features: Vec<&'static str>) -> Program {
    let names = features.join(",");
    let output = Command::new(env!("CARGO"))
        // What it needs was fetched for the workspace.
        .args(["build", "--quiet", "--offline", "--features", &names, "--target-dir"])
        .arg(folder.join("target"))
        .current_dir(folder)
        // What cargo tells tests about themselves is about another package.
        .env_remove("CARGO_TARGET_DIR")
        .env_remove("CARGO_BUILD_TARGET")
        .output()
        .expect("cargo starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the program with features `{names}` was not compiled:\n{errors}");
    let name = if features.is_empty() { "none".to_owned() } else { features.join("-") };
    let path = folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    let built = folder.join("target/debug").join(format!("program{}", std::env::consts::EXE_SUFFIX));
    // Copied aside first: a program that is running cannot be written.
    let part = path.with_extension("part");
    fs::copy(&built, &part).expect("it was built");
    fs::rename(&part, &path).expect("it was copied");
    Program { features, path }
}
