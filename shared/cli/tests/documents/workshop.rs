//! A copy of the project, in which a newcomer may change what they like, and the cloud that runs there.

use serde_json::{Value, json};
use std::{
    env, fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Output},
    thread,
    time::{Duration, Instant},
};

/// The time within which a command must show the expected state.
const PATIENCE: Duration = Duration::from_secs(100);

/// A copy of the files that belong to the project, their times kept: what was built from them is built already, since
/// the copy builds into the same folder.
pub(crate) struct Workshop {
    project: PathBuf,
    pub(crate) folder: PathBuf,
    port: u16,
}

impl Workshop {
    pub(crate) fn open(name: &str) -> Self {
        let project =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the project");
        let folder = project.join(".throughline/documents").join(name);
        // One that the end-to-end tests do not use.
        let port = env::var("THROUGHLINE_TEST_PORT").ok().and_then(|port| port.parse().ok());
        let this = Self { project, folder, port: port.unwrap_or(14_566) + 2 };
        // A run that was killed may have left its cloud, and changes.
        if this.folder.exists() {
            this.close();
        }
        for file in this.files() {
            let (from, to) = (this.project.join(&file), this.folder.join(&file));
            fs::create_dir_all(to.parent().expect("a folder")).expect("a folder can be made");
            fs::copy(&from, &to).expect("a file can be copied");
            let modified = fs::metadata(&from).and_then(|from| from.modified()).expect("a time");
            let copy = fs::File::options().write(true).open(&to).expect("the copy");
            copy.set_modified(modified).expect("the copy's time can be set");
        }
        symlink(this.target(), this.folder.join("target")).expect("a link");
        this.share_tools();
        this
    }

    fn target(&self) -> PathBuf {
        env::var_os("CARGO_TARGET_DIR").map_or_else(|| self.project.join("target"), PathBuf::from)
    }

    /// Shares the installed tools, as if they had been installed here.
    fn share_tools(&self) {
        for name in ["cloud", "checks"] {
            let [from, to] = [&self.project, &self.folder].map(|root| root.join(".throughline").join(name));
            let Ok(installed) = fs::read_to_string(from.join("installed.txt")) else { continue };
            fs::create_dir_all(&to).expect("a folder can be made");
            for entry in fs::read_dir(&from).expect("the tools").map(Result::unwrap) {
                if entry.file_name() != "installed.txt" {
                    symlink(entry.path(), to.join(entry.file_name())).expect("a link");
                }
            }
            let [there, here] = [&self.project, &self.folder].map(|root| root.display().to_string());
            fs::write(to.join("installed.txt"), installed.replace(&there, &here)).expect("a file");
        }
    }

    /// Returns the files of the project: those that git knows, and the new ones that it does not ignore.
    fn files(&self) -> Vec<PathBuf> {
        let listed = Command::new("git")
            .current_dir(&self.project)
            .args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"])
            .output()
            .expect("git");
        let listed = String::from_utf8(listed.stdout).expect("names are text");
        let files = listed.split('\0').filter(|name| !name.is_empty()).map(PathBuf::from);
        files.filter(|file| self.project.join(file).is_file()).collect()
    }

    /// Runs what a person would type, who has followed the page so far.
    pub(crate) fn run(&self, commands: &str) -> Output {
        let mut bash = Command::new("bash");
        bash.args(["-euo", "pipefail", "-c", &format!("PATH=$PWD/target/local:$PATH\n{commands}")]);
        for name in ["CARGO_TARGET_DIR", "AWS_ENDPOINT_URL", "THROUGHLINE_OUTPUTS", "THROUGHLINE_STACK"] {
            bash.env_remove(name);
        }
        bash.current_dir(&self.folder).env("THROUGHLINE_PORT", self.port.to_string());
        bash.output().expect("bash runs")
    }

    /// The same, whose standard output and error are one, as in a terminal; the copy is in the reader's own folder, and
    /// its cloud on the port that it usually has. Without what cargo tells of its progress and what passes on a terminal.
    pub(crate) fn said(&self, commands: &str) -> String {
        let output = self.run(&format!("exec 2>&1\n{commands}"));
        let said = String::from_utf8_lossy(&output.stdout);
        let said = said.replace(&format!("{}/", self.folder.display()), "");
        let said = said.replace(&self.port.to_string(), "4566").replace(&(self.port + 1).to_string(), "4567");
        let said = said
            .lines()
            .filter(|line| !is_progress(line))
            .fold(String::new(), |said, line| said + line + "\n");
        match output.status.code() {
            Some(0) => said,
            code => format!("{said}(exit code {})\n", code.unwrap_or(-1)),
        }
    }

    /// The same, which must succeed: what it prints, without what it says to people.
    pub(crate) fn done(&self, commands: &str) -> String {
        let started = Instant::now();
        let output = self.run(commands);
        println!("{:6.1} s  {}", started.elapsed().as_secs_f32(), commands.trim());
        let [said, errors] =
            [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned());
        assert!(output.status.success(), "{commands}\n{said}\n{errors}");
        said
    }

    /// Waits until a line is as it should be.
    pub(crate) fn until_traced(&self, correlation_id: &str, is_so: impl Fn(&str) -> bool) -> String {
        let started = Instant::now();
        loop {
            // Of what nobody has handled yet nothing is known, which is no success.
            let traced = self.run(&format!("throughline trace {correlation_id}"));
            let tree = String::from_utf8_lossy(&traced.stdout).into_owned();
            if is_so(&tree) {
                return tree;
            }
            assert!(started.elapsed() < PATIENCE, "waited in vain; the line is\n{tree}");
            thread::sleep(Duration::from_millis(300));
        }
    }

    /// Returns the answer of AWS's command line about the cloud.
    pub(crate) fn aws(&self, call: &str) -> Value {
        let credentials = "AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_DEFAULT_REGION=us-east-1";
        let endpoint = format!("AWS_ENDPOINT_URL=http://127.0.0.1:{}", self.port);
        let said =
            self.done(&format!("{credentials} {endpoint} .throughline/cloud/bin/aws {call} --output json"));
        serde_json::from_str(&said).unwrap_or_default()
    }

    /// Returns whether the ledger holds an entity.
    pub(crate) fn holds(&self, table: &str, kind: &str, id: &str) -> bool {
        let key = json!({ "pk": { "S": format!("{kind}#{id}") }, "sk": { "S": "state" } });
        let found = self.aws(&format!("dynamodb get-item --table-name {table} --key '{key}'"));
        found["Item"].is_object()
    }

    /// Stops the cloud and removes the copy. Cargo takes what was built from it for what is built from the project:
    /// files that were changed there must count as newer here.
    fn close(&self) {
        _ = self.run("throughline down");
        for file in self.files() {
            let original = self.project.join(&file);
            let times = [&original, &self.folder.join(&file)]
                .map(|file| fs::metadata(file).and_then(|file| file.modified()).ok());
            if times[0] == times[1] {
                continue;
            }
            if let Ok(text) = fs::read(&original) {
                // Written anew with what it holds: its time becomes the present one.
                _ = fs::write(&original, text);
            }
        }
        _ = fs::remove_dir_all(&self.folder);
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        self.close();
    }
}

/// Returns whether a line shows progress.
fn is_progress(line: &str) -> bool {
    let of_cargo =
        ["Compiling ", "Finished ", "Blocking ", "Building ", "Downloading ", "Downloaded ", "Updating "];
    let begun = line.strip_suffix(" …").is_some_and(|what| !what.is_empty());
    let ended = line.rsplit_once(": ").is_some_and(|(_, took)| {
        took.strip_suffix(" s").is_some_and(|seconds| seconds.parse::<f32>().is_ok())
    });
    of_cargo.iter().any(|begins| line.trim_start().starts_with(begins)) || begun || ended
}

#[test]
fn progress_is_told_from_what_was_asked_for() {
    for line in ["   Compiling libc v0.2.191", "uploading what is new …", "changing the stack: 0.5 s"] {
        assert!(is_progress(line), "{line}");
    }
    for line in
        ["order.placed  5", "Deployed; the outputs are in a file.", "web-1: taken after 5 s, and done"]
    {
        assert!(!is_progress(line), "{line}");
    }
}
