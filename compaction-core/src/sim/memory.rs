//! What the simulated store holds in memory: the memtable, and what is known of each key.

use alloc::vec::Vec;

use super::entry::Entry;
use super::names::Names;
use super::settings::LIMIT;
use super::{SimError, TableFormat};

/// A scan follows so many numbers, live or not.
const SCAN_LOOK_MAX: usize = 1 << 16;

/// The memtable and the keys.
#[derive(Debug)]
pub(super) struct Memory {
    /// Writes since the last flush, in order.
    writes: Vec<Entry>,
    /// What the memtable counts as.
    pub(super) bytes: u64,
    /// Number of the last write.
    seqno: u32,
    /// Writes beyond this number are in the present memtable.
    flushed: u32,
    keys: Vec<KeyState>,
    /// What they look like.
    pub(super) names: Names,
    /// Bytes of the keys that have a value, and of these.
    pub(super) live_bytes: u64,
    /// Whether nobody will read: then it is not noted where keys lie.
    pub(super) unread: bool,
}

/// What is known of a key.
#[derive(Clone, Copy, Debug, Default)]
struct KeyState {
    /// Length of its value plus one; 0 for none.
    live: u32,
    /// Number of its last write; 0 for none.
    seqno: u32,
    /// Id of the table that holds this write, or held it last.
    table: u32,
}

impl Default for Memory {
    fn default() -> Self {
        let (writes, keys, names) = (Vec::new(), Vec::new(), Names::default());
        Self { writes, bytes: 0, seqno: 0, flushed: 0, keys, names, live_bytes: 0, unread: false }
    }
}

impl Memory {
    /// Takes the writes out and starts a new memtable.
    pub(super) fn freeze(&mut self) -> Vec<Entry> {
        self.bytes = 0;
        self.flushed = self.seqno;
        core::mem::take(&mut self.writes)
    }

    /// Whether the present memtable knows of `key`.
    pub(super) fn has(&self, key: u32) -> bool {
        self.keys.get(key as usize).is_some_and(|state| state.seqno > self.flushed)
    }

    /// Notes that a table holds these entries, wherever they are the last write of their key.
    pub(super) fn settle(&mut self, table: u64, entries: &[Entry]) {
        let table = u32::try_from(table).unwrap_or(u32::MAX);
        for entry in if self.unread { &[] } else { entries } {
            if let Some(state) = self.keys.get_mut(entry.key as usize)
                && state.seqno == entry.seqno
            {
                state.table = table;
            }
        }
    }

    /// The table in which a reader finds `key`, if any has it.
    pub(super) fn table_of(&self, key: u32) -> Option<u64> {
        self.keys.get(key as usize).filter(|state| state.seqno > 0).map(|state| state.table.into())
    }

    /// The key that a scan of `keys` keys from `key` on looks at last, the one behind them included. A stretch without live keys
    /// is followed only so far.
    pub(super) fn reach(&self, key: u32, keys: u64) -> u32 {
        let (mut left, mut last) = (keys, key);
        for state in self.keys.get(key as usize..).unwrap_or(&[]).iter().take(SCAN_LOOK_MAX) {
            if state.live > 0 && left == 0 {
                return last;
            }
            left = left.saturating_sub(u64::from(state.live > 0));
            last = last.saturating_add(1);
        }
        last
    }

    /// Bytes of the keys that have a value from the last `writes` writes and the one before, and of these. O(keys).
    pub(super) fn young_bytes(&self, writes: u64, format: &TableFormat) -> u64 {
        let oldest = u64::from(self.seqno).saturating_sub(writes);
        let bytes = |(key, state): (u32, &KeyState)| {
            let value = state.live.checked_sub(1).filter(|_| u64::from(state.seqno) >= oldest)?;
            Some(self.names.bytes(key, format).saturating_add(value.into()))
        };
        (0u32..).zip(&self.keys).filter_map(bytes).fold(0, u64::saturating_add)
    }

    /// Adds one write; `value` is the value's length, `None` for a delete.
    ///
    /// # Errors
    /// A key or a number of writes beyond the limits.
    pub(super) fn insert(&mut self, key: u32, value: Option<u32>, format: &TableFormat) -> Result<(), SimError> {
        let entry = self.number_write(key, value, format)?;
        self.writes.push(entry);
        Ok(())
    }

    /// The entry of a write that lies in a table already; the memtable must be empty.
    ///
    /// # Errors
    /// As [`insert`](Self::insert).
    pub(super) fn adopt(&mut self, key: u32, value: Option<u32>, format: &TableFormat) -> Result<Entry, SimError> {
        let entry = self.number_write(key, value, format)?;
        self.flushed = self.seqno;
        Ok(entry)
    }

    fn number_write(&mut self, key: u32, value: Option<u32>, format: &TableFormat) -> Result<Entry, SimError> {
        let too_large = |what, n: u32| SimError::TooLarge { what, simulated: n.into(), max: LIMIT };
        if u64::from(key) > LIMIT {
            return Err(too_large("keys", key));
        }
        self.seqno = self.seqno.checked_add(1).ok_or(too_large("operations", u32::MAX))?;
        let at = key as usize;
        if at >= self.keys.len() {
            self.keys.resize(at.saturating_add(1), KeyState::default());
        }
        let entry = Entry::new(key, self.seqno, value);
        let key_bytes = self.names.bytes(key, format);
        let Some(state) = self.keys.get_mut(at) else { return Ok(entry) };
        if let Some(before) = state.live.checked_sub(1) {
            self.live_bytes = self.live_bytes.saturating_sub(key_bytes.saturating_add(before.into()));
        }
        if let Some(after) = value {
            self.live_bytes = self.live_bytes.saturating_add(key_bytes).saturating_add(after.into());
        }
        state.live = value.map_or(0, |bytes| bytes.saturating_add(1));
        state.seqno = self.seqno;
        Ok(entry)
    }
}
