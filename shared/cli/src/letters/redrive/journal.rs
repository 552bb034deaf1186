//! The journal of a redrive: an append-only file for each dead-letter queue, with one entry a line.
//!
//! A running redrive holds a lock on it, which ends with the process. Each entry is on the disk before the next step is
//! taken. A last line that a crash cut off is dropped, because its step was not taken yet. A finished redrive leaves a
//! single line: values that edits put into letters may be confidential. Until then, other users cannot read the file.

use super::protocol::{Entry, JournalState};
use serde_json::Value;
use std::{
    fs::{self, File, OpenOptions, Permissions, TryLockError},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};
use throughline_core::Timestamp;

/// The reason that a journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JournalError {
    /// The file system refused an operation.
    #[error("the journal at {path}: {source}")]
    File {
        /// The journal's path.
        path: String,
        /// The operating system's error.
        source: io::Error,
    },
    /// Another process is redriving letters of this queue.
    #[error(
        "letters of this queue are being redriven just now (the journal at {path} is locked): wait until that is over"
    )]
    InUse {
        /// The journal's path.
        path: String,
    },
    /// A line is not an entry of a redrive's journal: another program wrote to the file.
    #[error(
        "line {line} of the journal at {path} cannot be read ({reason}): move the file away if you know that no redrive of this queue was interrupted"
    )]
    Malformed {
        /// The journal's path.
        path: String,
        /// The number of the line, from 1.
        line: usize,
        /// The parse error.
        reason: String,
    },
    /// A redrive with another request was interrupted.
    #[error(
        "a redrive that began at {begun_at} was interrupted, and was asked for something else ({asked}): finish it first with --resume (its journal is {path})"
    )]
    OtherUnfinished {
        /// The journal's path.
        path: String,
        /// The time at which it began.
        begun_at: Timestamp,
        /// The request of the interrupted redrive, in words.
        asked: String,
    },
}

/// The file's mode: only its owner can read the request.
const MODE: u32 = 0o600;

/// An open journal, locked against other processes.
#[derive(Debug)]
pub(crate) struct Journal {
    file: File,
    path: PathBuf,
}

impl Journal {
    /// Opens and locks a queue's journal, and returns it with the state that its entries give.
    ///
    /// # Errors
    /// [`JournalError`]: it is in use, or it cannot be read.
    pub(crate) fn open(path: &Path) -> Result<(Self, JournalState), JournalError> {
        let wrong = |source| JournalError::File { path: path.display().to_string(), source };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(wrong)?;
        }
        let mut options = OpenOptions::new();
        let mut file = options.read(true).append(true).create(true).mode(MODE).open(path).map_err(wrong)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(JournalError::InUse { path: path.display().to_string() });
            }
            Err(TryLockError::Error(source)) => return Err(wrong(source)),
        }
        file.set_permissions(Permissions::from_mode(MODE)).map_err(wrong)?;
        let mut text = Vec::new();
        file.seek(SeekFrom::Start(0)).and_then(|_| file.read_to_end(&mut text)).map_err(wrong)?;
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        if whole < text.len() {
            file.set_len(whole as u64).map_err(wrong)?;
        }
        let mut state = JournalState::default();
        let mut is_tidy = true;
        for (at, line) in text[..whole].split(|byte| *byte == b'\n').enumerate() {
            if line.is_empty() {
                continue;
            }
            let entry: Entry = serde_json::from_slice(line).map_err(|error| JournalError::Malformed {
                path: path.display().to_string(),
                line: at + 1,
                reason: error.to_string(),
            })?;
            state.apply(&entry);
            is_tidy = matches!(entry, Entry::Summary { .. });
        }
        let mut journal = Self { file, path: path.to_owned() };
        if !is_tidy && state.unfinished().is_none() {
            journal.tidy(&state)?; // whoever finished it was killed before that
        }
        Ok((journal, state))
    }

    /// The journal's path.
    pub(crate) fn path(&self) -> String {
        self.path.display().to_string()
    }

    /// Writes an entry and returns once it is on the disk.
    ///
    /// # Errors
    /// [`JournalError::File`].
    pub(crate) fn write(&mut self, entry: &Entry) -> Result<(), JournalError> {
        let wrong = |source: io::Error| JournalError::File { path: self.path.display().to_string(), source };
        let mut line = serde_json::to_vec(entry).map_err(|error| wrong(error.into()))?;
        line.push(b'\n');
        self.file.write_all(&line).and_then(|()| self.file.sync_data()).map_err(wrong)
    }

    /// Records the beginning of a redrive.
    ///
    /// # Errors
    /// [`JournalError::File`].
    pub(crate) fn begin(
        &mut self,
        state: &mut JournalState,
        asked: Value,
        at: Timestamp,
    ) -> Result<(), JournalError> {
        let begun = Entry::Begun { at, asked };
        self.write(&begun)?;
        state.apply(&begun);
        Ok(())
    }

    /// Records that nothing is left to do, and shortens the file to one line.
    ///
    /// # Errors
    /// [`JournalError::File`].
    pub(crate) fn finish(&mut self, state: &mut JournalState) -> Result<(), JournalError> {
        self.write(&Entry::Finished)?;
        state.apply(&Entry::Finished);
        self.tidy(state)
    }

    /// Shortens the file to one line. A kill in between at worst forgets finished redrives, and the count of later
    /// redrives of a letter starts from one.
    fn tidy(&mut self, state: &JournalState) -> Result<(), JournalError> {
        let cut = self.file.set_len(0);
        cut.map_err(|source| JournalError::File { path: self.path(), source })?;
        self.write(&state.summary())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::letters::redrive::protocol::{LetterRef, LetterState};
    use serde_json::json;

    /// A file of this test alone, which is removed when the test ends.
    struct Place(PathBuf);

    impl Place {
        fn new(name: &str) -> Self {
            let folder =
                std::env::temp_dir().join(format!("throughline-journal-{}-{name}", std::process::id()));
            _ = fs::remove_dir_all(&folder);
            Self(folder)
        }

        fn file(&self) -> PathBuf {
            self.0.join("queues/place-order.jsonl")
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            _ = fs::remove_dir_all(&self.0);
        }
    }

    fn sending(id: &str) -> Entry {
        Entry::Sending { letters: vec![LetterRef { id: id.into(), message: id.into() }] }
    }

    #[test]
    fn what_was_written_is_there_after_the_process_and_a_cut_off_line_is_dropped() {
        let place = Place::new("cut-off");
        let (mut journal, mut state) = Journal::open(&place.file()).unwrap();
        journal.begin(&mut state, json!("all"), Timestamp::UNIX_EPOCH).unwrap();
        journal.write(&sending("m-1")).unwrap();
        drop(journal);
        let mut cut_off = fs::read(place.file()).unwrap();
        cut_off.extend(br#"{"step":"sent","ids":["m-"#);
        fs::write(place.file(), cut_off).unwrap();

        let (mut journal, state) = Journal::open(&place.file()).unwrap();
        assert_eq!(state.letter_state("m-1"), Some(LetterState::InDoubt));
        assert!(state.unfinished().is_some(), "it goes on");
        journal.write(&Entry::Sent { ids: vec!["m-1".into()] }).unwrap();
        drop(journal);
        let (_, state) = Journal::open(&place.file()).unwrap();
        assert_eq!(state.letter_state("m-1"), Some(LetterState::Sent));
    }

    #[test]
    fn what_was_put_into_letters_is_private_and_gone_when_nothing_is_left_to_do() {
        let place = Place::new("private");
        let asked = json!({ "set": [["data.customer", "Ada"]] });
        let has_name = || fs::read_to_string(place.file()).unwrap().contains("Ada");
        let (mut journal, mut state) = Journal::open(&place.file()).unwrap();
        journal.begin(&mut state, asked.clone(), Timestamp::UNIX_EPOCH).unwrap();
        journal.write(&sending("m-1")).unwrap();
        state.apply(&sending("m-1"));
        assert!(has_name(), "whoever goes on puts it into the others");
        assert_eq!(fs::metadata(place.file()).unwrap().permissions().mode() & 0o777, 0o600);
        journal.finish(&mut state).unwrap();
        assert!(!has_name());
        drop(journal);
        let (mut journal, mut again) = Journal::open(&place.file()).unwrap();
        assert_eq!(again, state);
        assert_eq!((again.times_sent("m-1"), again.last_begun_at()), (1, Some(Timestamp::UNIX_EPOCH)));

        // The process was killed between the last entry and the tidying, and all users could once read the file.
        journal.begin(&mut again, asked, Timestamp::UNIX_EPOCH).unwrap();
        journal.write(&Entry::Finished).unwrap();
        drop(journal);
        fs::set_permissions(place.file(), Permissions::from_mode(0o644)).unwrap();
        assert!(has_name());
        let (_, again) = Journal::open(&place.file()).unwrap();
        assert_eq!((again, has_name()), (state, false));
        assert_eq!(fs::metadata(place.file()).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn two_cannot_redrive_one_queue() {
        let place = Place::new("two");
        let (first, _) = Journal::open(&place.file()).unwrap();
        assert!(matches!(Journal::open(&place.file()), Err(JournalError::InUse { .. })));
        drop(first);
        Journal::open(&place.file()).unwrap();
    }

    #[test]
    fn a_line_that_is_none_is_named() {
        let place = Place::new("malformed");
        drop(Journal::open(&place.file()).unwrap());
        fs::write(place.file(), "{\"step\":\"finished\"}\nno entry\n").unwrap();
        let error = Journal::open(&place.file()).unwrap_err();
        assert!(matches!(error, JournalError::Malformed { line: 2, .. }), "{error}");
    }
}
