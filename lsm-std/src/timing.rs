//! Where the time of a get goes: into which of its [parts](Part).
//!
//! With the feature `timing` each get of a thread that [marks](mark) them reads the clock once, where one of its parts ends; from many
//! gets [`taken`] tells what the parts have taken. Without the feature there is nothing of it in the program.

/// A part of a get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Taking the state of the store, counting, handing over what was found.
    Call,
    /// Looking into memtables.
    Memtable,
    /// Asking filters.
    Filter,
    /// Finding the table of a run, and its block.
    Index,
    /// Finding the block in memory; where it is not, memory for it, the open file, and its place in line.
    Cache,
    /// Reading from the file.
    Disk,
    /// Checking a block that was read, finding the key in it, copying the value.
    Decode,
}

/// Nothing.
#[cfg(not(feature = "timing"))]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Laps {}

#[cfg(not(feature = "timing"))]
impl Laps {
    #[inline(always)]
    pub(crate) fn start() -> Self {
        Self {}
    }

    /// Such a part ends here.
    #[inline(always)]
    pub(crate) fn end(&mut self, _: Part) {}
}

#[cfg(feature = "timing")]
pub(crate) use on::Laps;
#[cfg(feature = "timing")]
pub use on::{Stopwatch, mark, taken};

#[cfg(feature = "timing")]
mod on {
    use std::cell::Cell;
    use std::time::Instant;

    use super::Part;
    use crate::clock::instant;

    impl Part {
        /// Every part, in order of its index.
        pub const ALL: [Self; 7] =
            [Self::Call, Self::Memtable, Self::Filter, Self::Index, Self::Cache, Self::Disk, Self::Decode];
    }

    /// The clock is read at the end of the first part, of the second, and so on, by turns. What a get does after so many parts is not
    /// seen: one that is found has 8, one whose block is read 11, and more where it looks into several tables.
    const PLACES: u8 = 16;

    thread_local! {
        static IS_MARKED: Cell<bool> = const { Cell::new(false) };
        /// After how many parts the next get reads the clock.
        static PLACE: Cell<u8> = const { Cell::new(0) };
        static TAKEN: [Cell<i64>; Part::ALL.len()] =
            const { [const { Cell::new(0) }; Part::ALL.len()] };
    }

    /// Measures one thing, without what the clock takes.
    #[derive(Clone, Copy, Debug)]
    pub struct Stopwatch {
        begun: Instant,
    }

    impl Stopwatch {
        /// Begins now.
        #[inline]
        pub fn start() -> Self {
            Self { begun: instant() }
        }

        /// Nanoseconds since it began. A single time is as uncertain as one reading of the clock is long, and may be negative.
        #[inline]
        pub fn nanos(self) -> i64 {
            let (ended, again) = (instant(), instant());
            let nanos = |from, to: Instant| to.duration_since(from).as_nanos() as i64;
            // From one reading to the next is what a reading takes here and now.
            nanos(self.begun, ended) - nanos(ended, again)
        }
    }

    /// Measures one get, if it is to be: when one of its parts ends and the next begins.
    ///
    /// A clock that is read at each end makes the processor wait there for what it does ahead, so that the parts add up to more than
    /// the whole. Read at one it changes nothing of what is measured, for nothing is measured after it.
    #[derive(Clone, Copy, Debug, Default)]
    pub(crate) struct Laps {
        watch: Option<Stopwatch>,
        /// Parts that end before the clock is read.
        before: u8,
        /// What the clock said at the end of the last part.
        said: Option<i64>,
    }

    impl Laps {
        /// A get begins here.
        #[inline]
        pub(crate) fn start() -> Self {
            if !IS_MARKED.get() {
                return Self::default();
            }
            let before = PLACE.get();
            PLACE.set((before + 1) % PLACES);
            Self { watch: Some(Stopwatch::start()), before, said: None }
        }

        /// Such a part ends here.
        #[inline]
        pub(crate) fn end(&mut self, part: Part) {
            let Some(watch) = self.watch else { return };
            let add = |nanos| TAKEN.with(|all| all[part as usize].set(all[part as usize].get() + nanos));
            if let Some(begun) = self.said {
                add(-begun);
                self.watch = None;
            } else if self.before > 0 {
                self.before -= 1;
            } else {
                let ended = watch.nanos();
                add(ended);
                self.said = Some(ended);
            }
        }
    }

    /// Whether gets of this thread read the clock from now on.
    pub fn mark(on: bool) {
        IS_MARKED.set(on);
    }

    /// Nanoseconds that the parts have taken of this thread's marked gets since the last call, in the order of [`Part::ALL`]: an
    /// estimate, and the better the more gets there were. Of few it may be below zero.
    pub fn taken() -> [i64; Part::ALL.len()] {
        TAKEN.with(|all| all.each_ref().map(|part| part.take() * i64::from(PLACES)))
    }
}
