//! A walk over sorted entries that lends what it stands at: nothing is copied or shared that nobody keeps.

use bytes::Bytes;

use crate::error::Result;
use crate::types::{Entry, EntryRef};

/// What a step came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The next entry.
    Entry,
    /// Before the next entry, if there is one: none comes before the [key](Cursor::key), in the direction of the walk. So a table
    /// need not be opened before its keys are wanted.
    From,
    /// The end. What is lent then has no meaning.
    End,
}

/// Goes over sorted entries one way, from before the first one on. Ends after the first error.
pub trait Cursor {
    /// Goes on.
    fn step(&mut self) -> Result<Step>;

    /// The key that the last step came to.
    fn key(&self) -> &[u8];

    /// The entry that the last step came to.
    fn entry(&self) -> EntryRef<'_>;

    /// The value of that entry, to be kept.
    fn value(&self) -> Bytes;
}

impl From<Entry> for Result<Entry> {
    fn from(entry: Entry) -> Self {
        Ok(entry)
    }
}

/// What an iterator gives, one after the other.
#[derive(Debug)]
pub(crate) struct Each<I> {
    entries: I,
    at: Option<Entry>,
}

impl<I> Each<I> {
    /// Lends what `entries` gives.
    pub(crate) fn of(entries: I) -> Self {
        Self { entries, at: None }
    }
}

impl<I: Iterator<Item: Into<Result<Entry>>>> Cursor for Each<I> {
    fn step(&mut self) -> Result<Step> {
        self.at = None;
        self.at = self.entries.next().map(Into::into).transpose()?;
        Ok(if self.at.is_some() { Step::Entry } else { Step::End })
    }

    fn key(&self) -> &[u8] {
        self.at.as_ref().map_or(&[], |entry| &entry.key)
    }

    fn entry(&self) -> EntryRef<'_> {
        self.at.as_ref().map_or(EntryRef::NONE, Entry::lend)
    }

    fn value(&self) -> Bytes {
        self.at.as_ref().map_or(Bytes::new(), |entry| entry.value.clone())
    }
}
