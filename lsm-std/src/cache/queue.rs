//! Which blocks stay in memory: S3-FIFO (Yang et al., SOSP 2023).
//!
//! Blocks come into a small queue. Who was asked for again by the time it gets to the front goes on into the main queue, the
//! others go: what is read once, by a scan, drives nothing else out. At the front of the main queue a block that was asked for
//! goes to the back. A block that went a short while ago and is read again comes into the main queue at once.
//!
//! Once all room is taken, a block is kept when it is read for the second time within a short while. What is read evenly, and is more
//! than fits, would else drive out its like at every read: as much work again as the read itself, for nothing.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use super::slots::Slots;

/// The small queue has this part of all bytes.
const SMALL_PART: u64 = 10;

/// A queue's worth of evictions is counted in so many steps.
const STEPS: u64 = 16;

/// A full cache keeps a block that was read, or went, less than so many steps ago.
const RECENT_STEPS: u16 = 4;

/// Of so many blocks in a row that were all asked for, the next one goes nevertheless: nobody waits for a walk over the whole line.
const LOOKS_MAX: u32 = 64;

/// The times that a mark can tell apart.
const TIMES: u16 = 255;

/// Blocks in memory, in two queues, and what they count.
#[derive(Debug)]
pub(super) struct Queue {
    small: Line,
    main: Line,
    bytes_max: u64,
    /// Counts of all that went so far, or got no place.
    passed: u64,
    /// What blocks count that are still in line and went with their tables.
    gone: u64,
}

#[derive(Debug, Default)]
struct Line {
    tickets: VecDeque<Ticket>,
    bytes: u64,
}

/// A block in line.
#[derive(Debug)]
struct Ticket {
    slots: Weak<Slots>,
    index: u32,
    bytes: u32,
}

impl Ticket {
    /// The table's slots, if it still is.
    fn slots(&self) -> Option<Arc<Slots>> {
        self.slots.upgrade().filter(|slots| !slots.is_gone())
    }
}

impl Line {
    fn push(&mut self, ticket: Ticket) {
        self.bytes += u64::from(ticket.bytes);
        self.tickets.push_back(ticket);
    }

    fn pop(&mut self) -> Option<Ticket> {
        let ticket = self.tickets.pop_front()?;
        self.bytes -= u64::from(ticket.bytes);
        Some(ticket)
    }

    fn drop_gone(&mut self) {
        self.tickets.retain(|ticket| ticket.slots().is_some());
        self.bytes = self.tickets.iter().map(|ticket| u64::from(ticket.bytes)).sum();
    }
}

impl Queue {
    /// For blocks that count up to `bytes_max` in all.
    pub(super) fn new(bytes_max: u64) -> Self {
        Self { small: Line::default(), main: Line::default(), bytes_max, passed: 0, gone: 0 }
    }

    /// What the blocks in memory count.
    pub(super) fn bytes(&self) -> u64 {
        (self.small.bytes + self.main.bytes).saturating_sub(self.gone)
    }

    /// Whether a block that was read, and counts so many bytes, gets a place: if there is room, or if it was read, or went, a short
    /// while ago. Else it is noted when it was read.
    pub(super) fn admits(&mut self, slots: &Slots, index: usize, bytes: u64) -> bool {
        let has_room = self.small.bytes + self.main.bytes + bytes <= self.bytes_max;
        if has_room || self.went(slots.asked(index), RECENT_STEPS) {
            return true;
        }
        self.passed += bytes;
        slots.pass_over(index, self.now());
        false
    }

    /// Puts a block in its place, which counts so many bytes, and takes out what is too much.
    pub(super) fn insert(&mut self, slots: &Arc<Slots>, index: usize, block: &Arc<[u8]>, bytes: u64) {
        let (Ok(at), Ok(count)) = (u32::try_from(index), u32::try_from(bytes)) else { return };
        if bytes > self.bytes_max / 4 || slots.is_gone() {
            return;
        }
        let Some(went) = slots.put(index, block, bytes) else { return };
        let ticket = Ticket { slots: Arc::downgrade(slots), index: at, bytes: count };
        if self.went(went, STEPS as u16) {
            self.main.push(ticket);
        } else {
            self.small.push(ticket);
        }
        let mut looks = 0;
        while self.small.bytes + self.main.bytes > self.bytes_max {
            looks += 1;
            self.evict(looks > LOOKS_MAX);
        }
    }

    /// The time, in blocks that went or got no place, from 1 to [`TIMES`] and again from 1.
    fn now(&self) -> u8 {
        (self.passed / (self.bytes_max / STEPS).max(1) % u64::from(TIMES)) as u8 + 1
    }

    /// Whether a block of this mark, which is not in memory, went less than so many steps ago.
    fn went(&self, mark: u8, steps: u16) -> bool {
        mark > 0 && (u16::from(self.now()) + TIMES - u16::from(mark)) % TIMES < steps
    }

    /// Takes a block out, or, unless one `must` go, gives it another place.
    fn evict(&mut self, must: bool) {
        let is_small = self.small.bytes > self.bytes_max / SMALL_PART || self.main.tickets.is_empty();
        let line = if is_small { &mut self.small } else { &mut self.main };
        let Some(ticket) = line.pop() else { return };
        let (index, bytes) = (ticket.index as usize, u64::from(ticket.bytes));
        let Some(slots) = ticket.slots() else {
            self.gone = self.gone.saturating_sub(bytes);
            return;
        };
        let asked = slots.asked(index);
        if asked > 0 && !must {
            slots.set_asked(index, if is_small { 0 } else { asked - 1 });
            self.main.push(ticket);
        } else {
            self.passed += bytes;
            slots.evict(index, bytes, self.now());
        }
    }

    /// A table goes. O(1), but once in a while O(blocks in memory).
    pub(super) fn forget(&mut self, slots: &Slots) {
        self.gone += slots.leave();
        if self.gone > self.bytes_max / STEPS {
            self.small.drop_gone();
            self.main.drop_gone();
            self.gone = 0;
        }
    }
}
