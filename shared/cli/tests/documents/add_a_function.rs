//! The guide's page "Add a function".

use super::{GUIDE, workshop::Workshop};
use serde_json::Value;
use std::{fs, path::Path, time::Instant};

/// A block of code: a file to write, or commands to run.
#[derive(Debug, PartialEq, Eq)]
enum Block {
    File { path: String, text: String },
    Commands(String),
}

/// Returns the instructions of a page to a newcomer, in their order. Rust is the text of the file that the line before it
/// names last.
fn blocks(page: &str) -> Vec<Block> {
    let (mut blocks, mut before) = (Vec::new(), "");
    for (place, piece) in page.split("```").enumerate() {
        // Every other piece is between fences, and begins with its language.
        if place.is_multiple_of(2) {
            before = piece;
            continue;
        }
        let (language, text) = piece.split_once('\n').expect("a block has lines");
        blocks.push(match language {
            "sh" => Block::Commands(text.to_owned()),
            "rust" => Block::File { path: file_named_in(before), text: text.to_owned() },
            _ => panic!("what is to be done with a block of `{language}`?"),
        });
    }
    blocks
}

/// Returns the path between the last two backticks of a paragraph that ends with them and a colon.
fn file_named_in(paragraph: &str) -> String {
    let named = paragraph.trim_end().strip_suffix("`:").and_then(|text| text.rsplit_once('`'));
    let (_, path) = named.expect("the line before Rust code ends with the name of its file: `…`:");
    path.to_owned()
}

#[test]
fn a_page_s_commands_and_files_are_found_in_their_order() {
    let page = "# Add\n\nBegin with `one`:\n\n```sh\nmake one\n```\n\nThis is all of `src/one.rs`:\n\n```rust\nfn one() {}\n```\n\nEnd.\n";
    let file = Block::File { path: "src/one.rs".to_owned(), text: "fn one() {}\n".to_owned() };
    assert_eq!(blocks(page), [Block::Commands("make one\n".to_owned()), file]);
}

#[test]
fn the_guide_s_page_has_a_handler_between_commands() {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = fs::read_to_string(project.join(GUIDE).join("add-a-function.md")).unwrap();
    let blocks = blocks(&page);
    let [Block::Commands(_), Block::File { path, .. }, Block::Commands(_)] = &*blocks else {
        panic!("{blocks:?}");
    };
    assert_eq!(path, "functions/keep-receipt/src/handler.rs");
}

/// Follows the page: one command after another, as somebody would who reads it.
fn follow(workshop: &Workshop, blocks: &[Block]) {
    for block in blocks {
        match block {
            Block::File { path, text } => {
                let path = workshop.folder.join(path);
                assert!(path.is_file(), "{} is there, to be replaced", path.display());
                fs::write(path, text).unwrap();
            }
            Block::Commands(commands) => {
                for command in commands.lines().filter(|line| !line.trim().is_empty()) {
                    workshop.done(command);
                }
            }
        }
    }
}

fn is_done_by(tree: &str, handler: &str) -> bool {
    tree.lines().any(|line| line.contains(handler) && line.contains("done"))
}

#[test]
fn a_function_is_added_by_following_its_page() {
    let workshop = Workshop::open("add-a-function");
    let page = fs::read_to_string(workshop.folder.join(GUIDE).join("add-a-function.md")).unwrap();
    let blocks = blocks(&page);
    assert!(blocks.len() >= 3, "{blocks:?}");
    let started = Instant::now();
    follow(&workshop, &blocks);
    let tree = workshop.until_traced("web-1001", |tree| is_done_by(tree, "keep-receipt"));
    println!("{tree}\nall of the page: {:.0} s", started.elapsed().as_secs_f32());
    let outputs: Value = serde_json::from_str(
        &workshop.done("cat .throughline/local/$THROUGHLINE_PORT/stacks/shop/outputs.json"),
    )
    .unwrap();
    let table = outputs["LedgerTable"].as_str().unwrap();
    assert!(workshop.holds(table, "receipt", "o-1001"));

    one_function_gets_new_code(&workshop, table);
    // The stack's template learns of the code; then there is nothing left to do.
    assert!(workshop.done("throughline deploy").contains("Deployed"));
    assert!(workshop.done("throughline deploy").contains("Nothing has changed"));
    what_would_be_lost_is_not_lost_unasked(&workshop);
}

/// A queue under another name is another queue: what the old one holds goes with it.
fn what_would_be_lost_is_not_lost_unasked(workshop: &Workshop) {
    let template = workshop.folder.join("infra/template.yaml");
    let text = fs::read_to_string(&template).unwrap();
    let renamed = text.replace(
        "QueueName: !Sub ${AWS::StackName}-keep-receipt-dead-letters",
        "QueueName: !Sub ${AWS::StackName}-given-up",
    );
    assert_ne!(renamed, text);
    fs::write(&template, renamed).unwrap();
    let said = workshop.run("throughline deploy </dev/null");
    let [shown, errors] = [&said.stdout, &said.stderr].map(|said| String::from_utf8_lossy(said).into_owned());
    println!("{shown}");
    assert!(!said.status.success(), "{shown}");
    let warned =
        shown.lines().find(|line| line.contains("KeepReceiptDeadLetterQueue ")).expect("it is shown");
    assert!(warned.contains("LOST"), "{shown}");
    assert!(errors.contains("--yes") && errors.contains("KeepReceiptDeadLetterQueue"), "{errors}");
    fs::write(&template, text).unwrap();
    assert!(workshop.done("throughline deploy").contains("Nothing has changed"), "and nothing was");
}

/// Its code and what it does change, its configuration stays.
fn one_function_gets_new_code(workshop: &Workshop, table: &str) {
    let configuration = || {
        let mut found = workshop.aws("lambda get-function-configuration --function-name shop-keep-receipt");
        let changes = [
            "CodeSha256",
            "CodeSize",
            "LastModified",
            "LastUpdateStatus",
            "LastUpdateStatusReason",
            "LastUpdateStatusReasonCode",
            "RevisionId",
            "StateReason",
            "StateReasonCode",
        ];
        let code = found["CodeSha256"].to_string();
        for name in changes {
            found[name] = Value::Null;
        }
        (code, found)
    };
    let (old_code, old_configuration) = configuration();
    let handler = workshop.folder.join("functions/keep-receipt/src/handler.rs");
    let source = fs::read_to_string(&handler).unwrap();
    fs::write(&handler, source.replace("\"receipt\"", "\"invoice\"")).unwrap();
    let said = workshop.done("throughline deploy --function keep-receipt");
    assert!(said.contains("keep-receipt: shop-keep-receipt runs code"), "{said}");
    let (new_code, new_configuration) = configuration();
    assert_ne!(new_code, old_code);
    assert_eq!(new_configuration, old_configuration);

    let order = fs::read_to_string(workshop.folder.join("events/order.place.v1.json")).unwrap();
    let other = order.replace("web-1001", "web-other").replace("o-1001", "o-other");
    fs::write(workshop.folder.join("events/other.json"), other).unwrap();
    workshop.done("throughline publish --queue place-order events/other.json");
    workshop.until_traced("web-other", |tree| is_done_by(tree, "keep-receipt"));
    assert!(workshop.holds(table, "invoice", "o-other") && !workshop.holds(table, "receipt", "o-other"));

    let said = workshop.done("throughline deploy --function keep-receipt");
    assert!(said.contains("run this code already"), "{said}");
}
