//! What a replay has to send and how far it is, in files: it can be killed at any moment and gone on with.

use serde::{Deserialize, Serialize};
use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};
use throughline_core::Timestamp;

/// A message to send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// Where it is.
    pub message: Kept,
    /// The queues that it goes to; to where it went the first time if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub queues: Vec<String>,
}

/// Where a message is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kept {
    /// In the log: its partition and sort key.
    Log(String, String),
    /// In a file, as a CloudEvent.
    File(PathBuf),
}

/// How it is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// EventBridge replays its archive.
    Archive {
        /// The archive's ARN.
        archive_arn: String,
        /// The bus's ARN.
        bus_arn: String,
        /// The rules that get the events; all if none is named.
        rule_arns: Vec<String>,
    },
    /// Message by message.
    Messages {
        /// How many there are.
        total: usize,
        /// The most a second.
        rate: u32,
    },
}

/// What was begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begun {
    /// Its name.
    pub name: String,
    /// The stack, and where it is: it is not gone on with elsewhere.
    pub stack: String,
    /// The first moment.
    pub from: Timestamp,
    /// The first moment after it.
    pub until: Timestamp,
    /// Whether what is sent names the replay.
    pub is_replay: bool,
    /// How.
    pub way: Way,
}

/// How far it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// Messages that are dealt with, from the first on.
    pub position: usize,
    /// Of these, accepted.
    pub accepted: u64,
    /// Refused for good, and said so.
    pub refused: u64,
    /// Nobody waits for them any more, or they are gone from the log.
    pub too_late: u64,
    /// Whether all of it is done.
    #[serde(default)]
    pub is_over: bool,
}

/// The files of one replay.
#[derive(Debug, Clone)]
pub struct Journal {
    folder: PathBuf,
}

/// A journal could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// A file.
    #[error("{path}: {source}")]
    File {
        /// Which one.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// A file does not hold what it should.
    #[error("{path} cannot be read: {reason}")]
    Malformed {
        /// Which one.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no such journal.
    #[error("nothing of that name was begun here: {known}")]
    Unknown {
        /// What was.
        known: String,
    },
}

const BEGUN: &str = "begun.json";
const WORK: &str = "work.jsonl";
const SENT: &str = "sent.json";

impl Journal {
    /// Begins one. What it needs is on disk before anything is sent.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn begin(replays: &Path, begun: &Begun, work: &[Work]) -> Result<Self, JournalError> {
        let folder = replays.join(&begun.name);
        fs::create_dir_all(&folder).map_err(file(&folder))?;
        let journal = Self { folder };
        let mut lines = String::new();
        for work in work {
            lines.push_str(&json(work, &journal.folder)?);
            lines.push('\n');
        }
        journal.replace(WORK, &lines)?;
        journal.replace(BEGUN, &json(begun, &journal.folder)?)?; // the last: without it, nothing was begun
        Ok(journal)
    }

    /// One that was begun: of this name, or else the last that is not over.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn open(replays: &Path, name: Option<&str>) -> Result<(Self, Begun), JournalError> {
        let mut unfinished = Vec::new();
        for entry in fs::read_dir(replays).into_iter().flatten().filter_map(Result::ok) {
            let journal = Self { folder: entry.path() };
            if !journal.folder.join(BEGUN).is_file() || journal.sent()?.is_over {
                continue;
            }
            unfinished.push(journal);
        }
        unfinished.sort_by(|one, other| one.folder.cmp(&other.folder));
        let names = || unfinished.iter().filter_map(|journal| journal.folder.file_name()?.to_str());
        let known = match names().collect::<Vec<_>>().join(", ") {
            none if none.is_empty() => format!("nothing in {} is unfinished", replays.display()),
            names => format!("unfinished are {names}"),
        };
        let found = match name {
            Some(name) => {
                Some(Self { folder: replays.join(name) }).filter(|one| one.folder.join(BEGUN).is_file())
            }
            None => unfinished.last().cloned(),
        };
        let journal = found.ok_or(JournalError::Unknown { known })?;
        let begun = journal.read(BEGUN)?;
        Ok((journal, begun))
    }

    /// How far it is.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn sent(&self) -> Result<Sent, JournalError> {
        if self.folder.join(SENT).is_file() { self.read(SENT) } else { Ok(Sent::default()) }
    }

    /// Keeps how far it is.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn keep(&self, sent: &Sent) -> Result<(), JournalError> {
        self.replace(SENT, &json(sent, &self.folder)?)
    }

    /// What there is to send.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn work(&self) -> Result<Vec<Work>, JournalError> {
        let path = self.folder.join(WORK);
        let text = fs::read_to_string(&path).map_err(file(&path))?;
        let read = |line| serde_json::from_str(line).map_err(malformed(&path));
        text.lines().map(read).collect()
    }

    fn read<T: for<'de> Deserialize<'de>>(&self, name: &str) -> Result<T, JournalError> {
        let path = self.folder.join(name);
        let text = fs::read_to_string(&path).map_err(file(&path))?;
        serde_json::from_str(&text).map_err(malformed(&path))
    }

    /// A file is what it was, or what it is to be: never half of it.
    fn replace(&self, name: &str, text: &str) -> Result<(), JournalError> {
        let (path, written) = (self.folder.join(name), self.folder.join(format!("{name}.new")));
        let write = || {
            let mut file = fs::File::create(&written)?;
            file.write_all(text.as_bytes())?;
            file.sync_data()?;
            fs::rename(&written, &path)
        };
        write().map_err(file(&path))
    }
}

fn json(value: &impl Serialize, path: &Path) -> Result<String, JournalError> {
    serde_json::to_string(value).map_err(malformed(path))
}

fn file(path: &Path) -> impl FnOnce(io::Error) -> JournalError {
    let path = path.display().to_string();
    move |source| JournalError::File { path, source }
}

fn malformed(path: &Path) -> impl FnOnce(serde_json::Error) -> JournalError {
    let path = path.display().to_string();
    move |error| JournalError::Malformed { path, reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("throughline-journal-{name}-{}", std::process::id()))
    }

    fn begun(name: &str) -> Begun {
        let time = |second| Timestamp::from_second(second).unwrap();
        Begun {
            name: name.into(),
            stack: "shop on a cloud".into(),
            from: time(0),
            until: time(1),
            is_replay: true,
            way: Way::Messages { total: 1, rate: 10 },
        }
    }

    #[test]
    fn what_was_begun_is_found_again_until_it_is_over() {
        let replays = folder("found");
        let work =
            [Work { message: Kept::Log("order#o-1".into(), "event#1".into()), queues: vec!["q".into()] }];
        let journal = Journal::begin(&replays, &begun("one"), &work).unwrap();
        journal.keep(&Sent { position: 1, accepted: 1, ..Sent::default() }).unwrap();

        let (found, what) = Journal::open(&replays, None).unwrap();
        assert_eq!((what, found.work().unwrap()), (begun("one"), work.to_vec()));
        assert_eq!(found.sent().unwrap().position, 1);

        found.keep(&Sent { is_over: true, ..found.sent().unwrap() }).unwrap();
        let error = Journal::open(&replays, None).unwrap_err().to_string();
        assert!(error.contains("is unfinished"), "{error}");
        fs::remove_dir_all(replays).unwrap();
    }

    #[test]
    fn of_several_the_last_is_gone_on_with_and_an_unknown_name_tells_those_there_are() {
        let replays = folder("several");
        for name in ["throughline-1", "throughline-2"] {
            Journal::begin(&replays, &begun(name), &[]).unwrap();
        }
        assert_eq!(Journal::open(&replays, None).unwrap().1.name, "throughline-2");
        assert_eq!(Journal::open(&replays, Some("throughline-1")).unwrap().1.name, "throughline-1");
        let error = Journal::open(&replays, Some("another")).unwrap_err().to_string();
        assert!(error.contains("throughline-1, throughline-2"), "{error}");
        fs::remove_dir_all(replays).unwrap();
    }

    /// Killed before the last of its files was there, nothing was begun.
    #[test]
    fn what_was_half_begun_was_not() {
        let replays = folder("half");
        let journal = Journal::begin(&replays, &begun("half"), &[]).unwrap();
        fs::remove_file(journal.folder.join(BEGUN)).unwrap();
        Journal::open(&replays, None).unwrap_err();
        fs::remove_dir_all(replays).unwrap();
    }
}
