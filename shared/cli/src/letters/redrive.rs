//! A redrive: letters go back to where they came from, and none is lost wherever it is killed.

pub(crate) mod begin;
mod canary;
pub(crate) mod edit;
mod hands;
mod journal;
pub mod pace;
mod protocol;
pub(crate) mod report;
pub(crate) mod run;

use super::selection::Selection;
use edit::Edits;
use serde::{Deserialize, Serialize};
use std::{
    fmt,
    path::{Path, PathBuf},
};

/// What was asked for, as the journal keeps it: whoever goes on does the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Asked {
    pub(crate) selection: Selection,
    pub(crate) edits: Edits,
    pub(crate) accept_rerun: bool,
}

/// Without what is put into letters: that may be nobody's business.
impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "redrive {}", self.selection.in_words())?;
        if !self.edits.is_none() {
            write!(f, " after these edits: {}", self.edits.summary())?;
        }
        if self.accept_rerun { write!(f, " with --accept-rerun") } else { Ok(()) }
    }
}

/// Where the journal of a queue is: the URL tells account, region, cloud and stack apart.
pub(crate) fn journal_path(root: &Path, queue_url: &str) -> PathBuf {
    let url = queue_url.split_once("://").map_or(queue_url, |(_, rest)| rest);
    let permitted = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    let name: String = url.chars().map(|letter| if permitted(letter) { letter } else { '_' }).collect();
    root.join(".throughline/redrive").join(format!("{name}.jsonl"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_queue_has_a_journal_of_its_own() {
        let path = |url: &str| journal_path(Path::new("/p"), url).display().to_string();
        let aws = path("https://sqs.eu-west-1.amazonaws.com/1/shop-dead-letters");
        assert_eq!(aws, "/p/.throughline/redrive/sqs.eu-west-1.amazonaws.com_1_shop-dead-letters.jsonl");
        assert_ne!(aws, path("http://127.0.0.1:4566/1/shop-dead-letters"));
    }
}
