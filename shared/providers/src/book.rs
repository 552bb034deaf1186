//! Requests by key: each happens once, can be undone once, and can be refused before it comes.

use std::collections::BTreeMap;

/// The requests so far, by key.
#[derive(Debug)]
pub struct Book<R> {
    /// The prefix of every id.
    prefix: &'static str,
    by_key: BTreeMap<String, Entry<R>>,
}

/// One key's entry.
#[derive(Debug)]
struct Entry<R> {
    /// The request that took effect under the key; `None` if the key was voided before.
    happened: Option<Happened<R>>,
    is_voided: bool,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happened<R> {
    /// Its id.
    pub id: String,
    /// The request.
    pub request: R,
    /// Whether the request has been undone since.
    pub is_undone: bool,
}

/// The outcome of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// It happens, under this id.
    Happens(String),
    /// It happened before, under this id.
    Happened(String),
    /// Something else was asked for under this key.
    OtherRequest,
    /// The key was voided.
    Voided,
}

/// The outcome of a request to undo another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undo {
    /// It is undone.
    Undone,
    /// It was undone before.
    AlreadyUndone,
    /// It never happened.
    NeverHappened,
}

impl<R: PartialEq> Book<R> {
    /// An empty book.
    pub fn new(prefix: &'static str) -> Self {
        Self { prefix, by_key: BTreeMap::new() }
    }

    /// Does what is asked for, once for each key.
    pub fn ask(&mut self, key: &str, request: R) -> Asked {
        if let Some(entry) = self.by_key.get(key) {
            return match &entry.happened {
                _ if entry.is_voided => Asked::Voided,
                Some(happened) if happened.request == request => Asked::Happened(happened.id.clone()),
                _ => Asked::OtherRequest,
            };
        }
        let id = format!("{}-{}", self.prefix, self.by_key.len() + 1);
        let happened = Happened { id: id.clone(), request, is_undone: false };
        self.by_key.insert(key.to_owned(), Entry { happened: Some(happened), is_voided: false });
        Asked::Happens(id)
    }

    /// Undoes what has this id.
    pub fn undo(&mut self, id: &str) -> Undo {
        let mut happened = self.by_key.values_mut().filter_map(|entry| entry.happened.as_mut());
        happened.find(|happened| happened.id == id).map_or(Undo::NeverHappened, Happened::undo)
    }

    /// Undoes what happened under this key, and refuses what comes under it from now on.
    pub fn void(&mut self, key: &str) -> Undo {
        let nothing = || Entry { happened: None, is_voided: true };
        let entry = self.by_key.entry(key.to_owned()).or_insert_with(nothing);
        entry.is_voided = true;
        entry.happened.as_mut().map_or(Undo::NeverHappened, Happened::undo)
    }

    /// Everything that happened, undone or not, in the order of its keys.
    pub fn happened(&self) -> impl Iterator<Item = &Happened<R>> {
        self.by_key.values().filter_map(|entry| entry.happened.as_ref())
    }

    /// Returns the request that took effect under this id.
    pub fn get(&self, id: &str) -> Option<&Happened<R>> {
        self.happened().find(|happened| happened.id == id)
    }
}

impl<R> Happened<R> {
    fn undo(&mut self) -> Undo {
        if self.is_undone {
            return Undo::AlreadyUndone;
        }
        self.is_undone = true;
        Undo::Undone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live(book: &Book<&str>) -> usize {
        book.happened().filter(|happened| !happened.is_undone).count()
    }

    #[test]
    fn a_request_happens_once_for_each_key() {
        let mut book = Book::new("x");
        assert_eq!(book.ask("k-1", "tea"), Asked::Happens("x-1".into()));
        assert_eq!(book.ask("k-1", "tea"), Asked::Happened("x-1".into()));
        assert_eq!(book.ask("k-1", "mug"), Asked::OtherRequest);
        assert_eq!(book.ask("k-2", "tea"), Asked::Happens("x-2".into()));
        assert_eq!(live(&book), 2);
    }

    #[test]
    fn it_is_undone_once_and_asking_again_does_not_bring_it_back() {
        let mut book = Book::new("x");
        book.ask("k-1", "tea");
        assert_eq!(book.undo("x-1"), Undo::Undone);
        assert_eq!(book.undo("x-1"), Undo::AlreadyUndone);
        assert_eq!(book.void("k-1"), Undo::AlreadyUndone);
        assert_eq!(book.undo("x-2"), Undo::NeverHappened);
        assert_eq!(book.ask("k-1", "tea"), Asked::Voided);
        assert_eq!(live(&book), 0);
    }

    #[test]
    fn a_voided_key_is_refused_whether_or_not_something_had_happened_under_it() {
        let mut book = Book::new("x");
        book.ask("k-1", "tea");
        assert_eq!(book.void("k-1"), Undo::Undone);
        assert_eq!(book.void("k-2"), Undo::NeverHappened);
        for key in ["k-1", "k-2"] {
            assert_eq!(book.ask(key, "tea"), Asked::Voided);
        }
        assert_eq!(live(&book), 0);
        assert_eq!(book.ask("k-3", "tea"), Asked::Happens("x-3".into()), "no id is given twice");
    }
}
