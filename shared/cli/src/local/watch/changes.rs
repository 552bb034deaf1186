//! The changes of files, found by regular looks at them.
//!
//! A library would get notifications from the operating system, but its features would make cargo build the functions'
//! network stack, and with it the AWS SDK, with one more feature for every function. The sources are some hundred
//! files, so a look takes a millisecond or two.

use std::{
    collections::BTreeMap,
    fs, mem,
    path::{Path, PathBuf},
    time::SystemTime,
};

/// The time of each file's last change, and its length in bytes.
type Snapshot = BTreeMap<PathBuf, (SystemTime, u64)>;

/// The state of the files at the last build, and at the last look.
#[derive(Debug)]
pub(super) struct Changes {
    built: Snapshot,
    seen: Snapshot,
}

impl Changes {
    /// Starts to record changes to these files and folders.
    pub(super) fn from_now(watched: &[PathBuf]) -> Self {
        let now = look(watched);
        Self { built: now.clone(), seen: now }
    }

    /// Returns the files that were written, created or removed since it last returned any, once nothing has changed
    /// between two looks.
    pub(super) fn settled(&mut self, watched: &[PathBuf]) -> Option<Vec<PathBuf>> {
        let now = look(watched);
        let is_settled = now == self.seen;
        self.seen = now;
        if !is_settled || self.seen == self.built {
            return None;
        }
        let before = mem::replace(&mut self.built, self.seen.clone());
        let differs = |path: &&PathBuf| before.get(*path) != self.built.get(*path);
        let mut changed: Vec<PathBuf> =
            before.keys().chain(self.built.keys()).filter(differs).cloned().collect();
        changed.sort();
        changed.dedup();
        Some(changed)
    }
}

fn look(watched: &[PathBuf]) -> Snapshot {
    let mut snapshot = Snapshot::new();
    for path in watched {
        look_into(path, &mut snapshot);
    }
    snapshot
}

/// A file that vanishes during the look counts as absent.
fn look_into(path: &Path, snapshot: &mut Snapshot) {
    let Ok(metadata) = fs::metadata(path) else { return };
    if metadata.is_dir() {
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            look_into(&entry.path(), snapshot);
        }
    } else if let Ok(written) = metadata.modified() {
        snapshot.insert(path.to_owned(), (written, metadata.len()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::env;

    /// A folder with one source, which is removed at the end.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = env::temp_dir().join(format!("throughline-watch-{name}-{}", std::process::id()));
            fs::create_dir_all(path.join("src/inner")).unwrap();
            fs::write(path.join("src/main.rs"), "fn main() {}").unwrap();
            Self(path)
        }

        fn watched(&self) -> Vec<PathBuf> {
            vec![self.0.join("src"), self.0.join("Cargo.toml")]
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn what_does_not_change_is_not_told() {
        let folder = Folder::new("nothing");
        let mut changes = Changes::from_now(&folder.watched());
        assert_eq!(changes.settled(&folder.watched()), None);
    }

    #[test]
    fn what_was_written_made_or_removed_is_told_once_it_has_settled_and_once_only() {
        let folder = Folder::new("all");
        let [main, inner, manifest] =
            ["src/main.rs", "src/inner/new.rs", "Cargo.toml"].map(|path| folder.0.join(path));
        let mut changes = Changes::from_now(&folder.watched());
        fs::write(&inner, "// new").unwrap();
        assert_eq!(changes.settled(&folder.watched()), None, "it may go on");
        fs::remove_file(&main).unwrap();
        assert_eq!(changes.settled(&folder.watched()), None, "it goes on");
        fs::write(&manifest, "[package]").unwrap();
        assert_eq!(changes.settled(&folder.watched()), None, "it still goes on");
        assert_eq!(changes.settled(&folder.watched()), Some(vec![manifest, inner, main]));
        assert_eq!(changes.settled(&folder.watched()), None);
    }

    #[test]
    fn what_is_undone_before_it_has_settled_is_no_change() {
        let folder = Folder::new("undone");
        let scratch = folder.0.join("src/4913");
        let mut changes = Changes::from_now(&folder.watched());
        fs::write(&scratch, "").unwrap();
        assert_eq!(changes.settled(&folder.watched()), None);
        fs::remove_file(&scratch).unwrap();
        assert_eq!(changes.settled(&folder.watched()), None);
        assert_eq!(changes.settled(&folder.watched()), None);
    }
}
