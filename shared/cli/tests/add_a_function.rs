//! The README's section "Add a function", done word for word in a copy of this working tree, on a local cloud.
//!
//! The copy has tools and builds of its own but for what is shared to save time: what `scripts/setup` installed, and
//! what cargo compiled.

use serde_json::{Value, json};
use std::{
    env, fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Output},
    thread,
    time::{Duration, Instant},
};

const HEADING: &str = "## Add a function\n";
/// How long the last step may take until it shows what it should.
const PATIENCE: Duration = Duration::from_secs(100);

/// A block of code: a file to write, or commands to run.
#[derive(Debug)]
enum Block {
    File { path: String, text: String },
    Commands(String),
}

/// What the section tells a newcomer to do, in its order.
fn blocks(readme: &str) -> Vec<Block> {
    let (_, section) = readme.split_once(HEADING).expect("the README has the section");
    let section = section.split("\n## ").next().unwrap_or_default();
    let mut blocks = Vec::new();
    // Every other piece is between fences, and begins with what it is.
    for fenced in section.split("```").skip(1).step_by(2) {
        let (about, text) = fenced.split_once('\n').expect("a block has lines");
        match about.split_once("file=") {
            Some((_, path)) => {
                blocks.push(Block::File { path: path.trim().to_owned(), text: text.to_owned() });
            }
            None if about.trim() == "sh" => blocks.push(Block::Commands(text.to_owned())),
            None => panic!("what is to be done with a block of `{about}`?"),
        }
    }
    blocks
}

/// A copy of the working tree, and the cloud that runs in it.
struct Copy {
    root: PathBuf,
    port: u16,
}

impl Copy {
    fn of(original: &Path, port: u16) -> Self {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("add-a-function");
        let copy = Self { root, port };
        // A run that was killed may have left its cloud.
        if copy.root.join("target").exists() {
            _ = copy.run("target/local/throughline down");
        }
        _ = fs::remove_dir_all(&copy.root);
        let listed = Command::new("git")
            .args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"])
            .current_dir(original)
            .output()
            .expect("git lists the files");
        for file in String::from_utf8(listed.stdout).expect("names are text").split_terminator('\0') {
            let (from, to) = (original.join(file), copy.root.join(file));
            fs::create_dir_all(to.parent().expect("a file is in a folder")).unwrap();
            // What was deleted and not committed is listed, too.
            if from.is_file() {
                fs::copy(from, to).unwrap();
            }
        }
        copy.share_builds(original);
        copy.share_tools(original);
        copy
    }

    /// What cargo compiled is found again, but for this workspace's own crates: those have another path.
    fn share_builds(&self, original: &Path) {
        let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| original.join("target"), PathBuf::from);
        fs::create_dir_all(self.root.join("target")).unwrap();
        for profile in ["debug", "local"] {
            fs::create_dir_all(target.join(profile)).unwrap();
            symlink(target.join(profile), self.root.join("target").join(profile)).unwrap();
        }
    }

    /// What is installed is believed to be, as if it had been installed here.
    fn share_tools(&self, original: &Path) {
        for name in ["cloud", "checks"] {
            let (from, to) =
                (original.join(".throughline").join(name), self.root.join(".throughline").join(name));
            let Ok(installed) = fs::read_to_string(from.join("installed.txt")) else { continue };
            fs::create_dir_all(&to).unwrap();
            for entry in fs::read_dir(&from).unwrap().map(Result::unwrap) {
                if entry.file_name() != "installed.txt" {
                    symlink(entry.path(), to.join(entry.file_name())).unwrap();
                }
            }
            let [here, there] =
                [original, &self.root].map(|root| root.canonicalize().unwrap().display().to_string());
            fs::write(to.join("installed.txt"), installed.replace(&here, &there)).unwrap();
        }
    }

    fn run(&self, commands: &str) -> Output {
        let mut bash = Command::new("bash");
        bash.args(["-euo", "pipefail", "-c", commands]).current_dir(&self.root);
        for name in ["CARGO_TARGET_DIR", "AWS_ENDPOINT_URL", "THROUGHLINE_OUTPUTS", "THROUGHLINE_STACK"] {
            bash.env_remove(name);
        }
        bash.env("THROUGHLINE_PORT", self.port.to_string()).output().expect("bash runs")
    }

    /// Runs commands in a shell that finds the `throughline` command, and returns what they print.
    fn done(&self, commands: &str) -> String {
        let started = Instant::now();
        let output = self.run(&format!("PATH=$PWD/target/local:$PATH\n{commands}"));
        println!("{:6.1} s  {}", started.elapsed().as_secs_f32(), commands.trim());
        let [said, errors] =
            [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned());
        assert!(output.status.success(), "{commands}\n{said}\n{errors}");
        said
    }

    /// Does what the section says: one command after another, as somebody would who follows it.
    fn follow(&self, blocks: &[Block]) {
        for block in blocks {
            match block {
                Block::File { path, text } => {
                    assert!(self.root.join(path).is_file(), "{path} is there, to be replaced");
                    fs::write(self.root.join(path), text).unwrap();
                }
                Block::Commands(commands) => {
                    for command in commands.lines().filter(|line| !line.trim().is_empty()) {
                        self.done(command);
                    }
                }
            }
        }
    }

    fn aws(&self, call: &str) -> Value {
        let credentials = "AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_DEFAULT_REGION=us-east-1";
        let endpoint = format!("AWS_ENDPOINT_URL=http://127.0.0.1:{}", self.port);
        let said =
            self.done(&format!("{credentials} {endpoint} .throughline/cloud/bin/aws {call} --output json"));
        serde_json::from_str(&said).unwrap_or_default()
    }

    /// Waits until a line is as it should be.
    fn until_traced(&self, correlation_id: &str, is_so: impl Fn(&str) -> bool) -> String {
        let started = Instant::now();
        loop {
            let tree = self.done(&format!("throughline trace {correlation_id}"));
            if is_so(&tree) {
                return tree;
            }
            assert!(started.elapsed() < PATIENCE, "waited in vain; the line is\n{tree}");
            thread::sleep(Duration::from_millis(300));
        }
    }

    /// Whether the ledger holds an entity.
    fn holds(&self, table: &str, kind: &str, id: &str) -> bool {
        let key = json!({ "pk": { "S": format!("{kind}#{id}") }, "sk": { "S": "state" } });
        let found = self.aws(&format!("dynamodb get-item --table-name {table} --key '{key}'"));
        found["Item"].is_object()
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        _ = self.run("target/local/throughline down");
    }
}

fn is_done_by(tree: &str, handler: &str) -> bool {
    tree.lines().any(|line| line.contains(handler) && line.contains("done"))
}

#[test]
fn a_function_is_added_by_following_the_readme() {
    let original = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
    let port =
        env::var("THROUGHLINE_TEST_PORT").ok().and_then(|port| port.parse().ok()).unwrap_or(14_566) + 2;
    let copy = Copy::of(&original, port);
    let readme = fs::read_to_string(copy.root.join("README.md")).unwrap();
    let blocks = blocks(&readme);
    assert!(blocks.len() >= 3, "{blocks:?}");
    let started = Instant::now();
    copy.follow(&blocks);
    let tree = copy.until_traced("web-1001", |tree| is_done_by(tree, "keep-receipt"));
    println!("{tree}\nall of the section: {:.0} s", started.elapsed().as_secs_f32());
    let outputs: Value =
        serde_json::from_str(&copy.done("cat .throughline/local/$THROUGHLINE_PORT/outputs.json")).unwrap();
    let table = outputs["LedgerTable"].as_str().unwrap();
    assert!(copy.holds(table, "receipt", "o-1001"));

    one_function_gets_new_code(&copy, table);
    // The stack's template learns of the code; then there is nothing left to do.
    assert!(copy.done("throughline deploy").contains("Deployed"));
    assert!(copy.done("throughline deploy").contains("Nothing has changed"));
    what_would_be_lost_is_not_lost_unasked(&copy);
}

/// A queue under another name is another queue: what the old one holds goes with it.
fn what_would_be_lost_is_not_lost_unasked(copy: &Copy) {
    let template = copy.root.join("infra/template.yaml");
    let text = fs::read_to_string(&template).unwrap();
    let renamed = text.replace(
        "QueueName: !Sub ${AWS::StackName}-keep-receipt-dead-letters",
        "QueueName: !Sub ${AWS::StackName}-given-up",
    );
    assert_ne!(renamed, text);
    fs::write(&template, renamed).unwrap();
    let said = copy.run("target/local/throughline deploy </dev/null");
    let [shown, errors] = [&said.stdout, &said.stderr].map(|said| String::from_utf8_lossy(said).into_owned());
    println!("{shown}");
    assert!(!said.status.success(), "{shown}");
    let warned =
        shown.lines().find(|line| line.contains("KeepReceiptDeadLetterQueue ")).expect("it is shown");
    assert!(warned.contains("LOST"), "{shown}");
    assert!(errors.contains("--yes") && errors.contains("KeepReceiptDeadLetterQueue"), "{errors}");
    fs::write(&template, text).unwrap();
    assert!(copy.done("throughline deploy").contains("Nothing has changed"), "and nothing was");
}

/// Its code and what it does change, its configuration stays.
fn one_function_gets_new_code(copy: &Copy, table: &str) {
    let configuration = || {
        let mut found = copy.aws("lambda get-function-configuration --function-name shop-keep-receipt");
        let changes = ["CodeSha256", "CodeSize", "LastModified", "RevisionId", "LastUpdateStatus"];
        let code = found["CodeSha256"].to_string();
        for name in changes {
            found[name] = Value::Null;
        }
        (code, found)
    };
    let (old_code, old_configuration) = configuration();
    let handler = copy.root.join("functions/keep-receipt/src/handler.rs");
    let source = fs::read_to_string(&handler).unwrap();
    fs::write(&handler, source.replace("\"receipt\"", "\"invoice\"")).unwrap();
    let said = copy.done("throughline deploy --function keep-receipt");
    assert!(said.contains("keep-receipt: shop-keep-receipt runs code"), "{said}");
    let (new_code, new_configuration) = configuration();
    assert_ne!(new_code, old_code);
    assert_eq!(new_configuration, old_configuration);

    let order = fs::read_to_string(copy.root.join("events/order.place.v1.json")).unwrap();
    let other = order.replace("web-1001", "web-other").replace("o-1001", "o-other");
    fs::write(copy.root.join("events/other.json"), other).unwrap();
    copy.done("throughline publish --queue place-order events/other.json");
    copy.until_traced("web-other", |tree| is_done_by(tree, "keep-receipt"));
    assert!(copy.holds(table, "invoice", "o-other") && !copy.holds(table, "receipt", "o-other"));

    let said = copy.done("throughline deploy --function keep-receipt");
    assert!(said.contains("run this code already"), "{said}");
}
