//! The journal of a replay: files with its messages and its progress, from which it is resumed after a kill.

use super::work::{Checkpoint, Manifest, WorkItem};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

/// The journal of one replay, a folder of files.
#[derive(Debug, Clone)]
pub struct Journal {
    folder: PathBuf,
}

/// The reason that a journal could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file's path.
        path: String,
        /// The operating system's error.
        source: io::Error,
    },
    /// The content of a file is not valid.
    #[error("{path} cannot be read: {reason}")]
    Malformed {
        /// The file's path.
        path: String,
        /// The parse error.
        reason: String,
    },
    /// There is no unfinished replay of this name.
    #[error("nothing of that name was begun here: {known}")]
    Unknown {
        /// The names of the unfinished replays, in words.
        known: String,
    },
}

const BEGUN: &str = "begun.json";
const WORK: &str = "work.jsonl";
const SENT: &str = "sent.json";
/// The folder of the messages that exist neither in the log nor in a file.
const MESSAGES: &str = "messages";

impl Journal {
    /// Begins a journal. All that a replay needs is on the disk before anything is sent.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn begin(
        replays: &Path,
        begun: &Manifest,
        work: &[WorkItem],
        kept: &[(String, Value)],
    ) -> Result<Self, JournalError> {
        let folder = replays.join(&begun.name);
        fs::create_dir_all(&folder).map_err(file(&folder))?;
        let journal = Self { folder };
        if !kept.is_empty() {
            journal.keep_messages(kept)?;
        }
        let mut lines = String::new();
        for work in work {
            lines.push_str(&json(work, &journal.folder)?);
            lines.push('\n');
        }
        journal.replace(WORK, &lines)?;
        journal.replace(BEGUN, &json(begun, &journal.folder)?)?; // the last: without it, nothing was begun
        Ok(journal)
    }

    /// Opens the journal of this name, or else that of the last replay that is not over.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn open(replays: &Path, name: Option<&str>) -> Result<(Self, Manifest), JournalError> {
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

    /// Returns the progress of the replay.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn sent(&self) -> Result<Checkpoint, JournalError> {
        if self.folder.join(SENT).is_file() { self.read(SENT) } else { Ok(Checkpoint::default()) }
    }

    /// Writes the progress, and removes the messages once the replay is over.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn keep(&self, sent: &Checkpoint) -> Result<(), JournalError> {
        self.replace(SENT, &json(sent, &self.folder)?)?;
        let messages = self.folder.join(MESSAGES);
        if sent.is_over && messages.is_dir() {
            fs::remove_dir_all(&messages).map_err(file(&messages))?;
        }
        Ok(())
    }

    /// Returns the path of a message that the journal itself holds.
    pub fn message(&self, name: &str) -> PathBuf {
        self.folder.join(MESSAGES).join(name)
    }

    /// Writes messages to files that only their owner can read, because they may contain personal data.
    fn keep_messages(&self, kept: &[(String, Value)]) -> Result<(), JournalError> {
        let folder = self.folder.join(MESSAGES);
        DirBuilder::new().mode(0o700).create(&folder).map_err(file(&folder))?;
        for (name, message) in kept {
            let path = self.message(name);
            let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
            let written = opened.and_then(|mut file| file.write_all(message.to_string().as_bytes()));
            written.map_err(file(&path))?;
        }
        Ok(())
    }

    /// Returns the messages to send.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn work(&self) -> Result<Vec<WorkItem>, JournalError> {
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

    /// Replaces a file atomically: it has its old or its new content, and never half of it.
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
mod tests;
