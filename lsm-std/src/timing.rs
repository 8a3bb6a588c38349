//! Where the time of a get goes: into which of its [parts](Part).
//!
//! With the feature `timing` the gets of a thread that [marks](mark) them read the clock where a part ends; [`taken`] says what the
//! parts have taken. Without the feature there is nothing of it in the program.

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
pub(crate) struct Laps;

#[cfg(not(feature = "timing"))]
impl Laps {
    #[inline(always)]
    pub(crate) fn start() -> Self {
        Self
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

    thread_local! {
        static IS_MARKED: Cell<bool> = const { Cell::new(false) };
        static TAKEN: [Cell<i64>; Part::ALL.len()] =
            const { [const { Cell::new(0) }; Part::ALL.len()] };
    }

    /// Measures one thing after the other, without what the clock takes.
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

        /// Hands the nanoseconds since it began to `note` and begins anew after that. A single time is as uncertain as one reading
        /// of the clock is long, and may be negative.
        #[inline]
        pub fn lap(&mut self, note: impl FnOnce(i64)) {
            let (ended, again) = (instant(), instant());
            let nanos = |from, to: Instant| to.duration_since(from).as_nanos() as i64;
            // From one reading to the next is what a reading takes here and now.
            note(nanos(self.begun, ended) - nanos(ended, again));
            self.begun = instant();
        }
    }

    /// Measures the parts of one get, if they are to be.
    #[derive(Clone, Copy, Debug, Default)]
    pub(crate) struct Laps {
        watch: Option<Stopwatch>,
    }

    impl Laps {
        /// A get begins here.
        #[inline]
        pub(crate) fn start() -> Self {
            Self { watch: IS_MARKED.get().then(Stopwatch::start) }
        }

        /// Such a part ends here.
        #[inline]
        pub(crate) fn end(&mut self, part: Part) {
            if let Some(watch) = &mut self.watch {
                watch.lap(|nanos| {
                    TAKEN.with(|all| all[part as usize].set(all[part as usize].get() + nanos));
                });
            }
        }
    }

    /// Whether gets of this thread measure their parts from now on.
    pub fn mark(on: bool) {
        IS_MARKED.set(on);
    }

    /// Nanoseconds that the parts have taken of this thread's marked gets since the last call, in the order of [`Part::ALL`].
    pub fn taken() -> [i64; Part::ALL.len()] {
        TAKEN.with(|all| all.each_ref().map(Cell::take))
    }
}
