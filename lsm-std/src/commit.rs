//! Group commit: writers that come together share one append to the log, and one sync.
//!
//! A writer queues its item. The first to find no leader takes all that is queued, commits it as one group and wakes the
//! others; those that came meanwhile are the next group, led by one of them. The order of the queue is the order of the log.
//! The first failure is final: it is the answer to everyone who waits and to everyone who comes. So is a panic of the sink.

use crate::sync::{Condvar, Mutex, MutexGuard, lock, wait};

/// Where groups go: appends them to a log in order and makes them visible. Called by one thread at a time.
pub(crate) trait Sink<T> {
    /// Why a group could not be committed. Given to every waiting writer.
    type Error: Clone;

    /// Commits `group`, which is not empty, as a whole.
    fn commit(&mut self, group: Vec<T>) -> Result<(), Self::Error>;

    /// The failure that a panic in [`commit`](Self::commit) amounts to.
    fn panicked() -> Self::Error;
}

/// A queue before a [`Sink`].
#[derive(Debug)]
pub(crate) struct Committer<T, S: Sink<T>> {
    queue: Mutex<Queue<T, S::Error>>,
    decided: Condvar,
    sink: Mutex<S>,
}

#[derive(Debug)]
struct Queue<T, E> {
    waiting: Vec<T>,
    /// Number of the first waiting item; items are numbered as they come.
    first: u64,
    /// Items below this number are committed.
    committed: u64,
    led: bool,
    failed: Option<E>,
}

impl<T, S: Sink<T>> Committer<T, S> {
    /// A queue before `sink`.
    pub(crate) fn new(sink: S) -> Self {
        let queue = Queue { waiting: Vec::new(), first: 0, committed: 0, led: false, failed: None };
        Self { queue: Mutex::new(queue), decided: Condvar::new(), sink: Mutex::new(sink) }
    }

    /// Commits `item` and returns when it is in the log and visible. Blocks while a group before it is committed.
    ///
    /// # Errors
    /// The first failure of the sink, now or earlier.
    pub(crate) fn commit(&self, item: T) -> Result<(), S::Error> {
        let mut queue = lock(&self.queue);
        if let Some(failed) = &queue.failed {
            return Err(failed.clone());
        }
        let number = queue.first + queue.waiting.len() as u64;
        queue.waiting.push(item);
        loop {
            if number < queue.committed {
                return Ok(());
            }
            if let Some(failed) = &queue.failed {
                return Err(failed.clone());
            }
            queue = if queue.led { wait(&self.decided, queue) } else { self.lead(queue) };
        }
    }

    /// Commits all that is queued.
    fn lead<'a>(&'a self, mut queue: MutexGuard<'a, Queue<T, S::Error>>) -> MutexGuard<'a, Queue<T, S::Error>> {
        queue.led = true;
        let group = std::mem::take(&mut queue.waiting);
        queue.first += group.len() as u64;
        let end = queue.first;
        drop(queue);
        let mut lead = Lead { committer: self, end, result: None };
        lead.result = Some(lock(&self.sink).commit(group));
        drop(lead);
        lock(&self.queue)
    }

    /// The sink, between two groups.
    pub(crate) fn sink(&self) -> MutexGuard<'_, S> {
        lock(&self.sink)
    }
}

/// Tells the others how a group has ended, also if the sink panicked.
struct Lead<'a, T, S: Sink<T>> {
    committer: &'a Committer<T, S>,
    end: u64,
    /// None after a panic.
    result: Option<Result<(), S::Error>>,
}

impl<T, S: Sink<T>> Drop for Lead<'_, T, S> {
    fn drop(&mut self) {
        let mut queue = lock(&self.committer.queue);
        queue.led = false;
        match self.result.take().unwrap_or_else(|| Err(S::panicked())) {
            Ok(()) => queue.committed = self.end,
            Err(error) => {
                queue.waiting.clear();
                queue.failed = Some(error);
            }
        }
        self.committer.decided.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::thread;
    use std::sync::Arc;

    /// The sink panics at this item.
    const PANIC: u32 = 99;

    /// A log in memory that fails its `fail_at`th commit.
    #[derive(Debug, Default)]
    struct Log {
        groups: Vec<Vec<u32>>,
        fail_at: Option<usize>,
    }

    impl Sink<u32> for Log {
        type Error = &'static str;

        fn commit(&mut self, group: Vec<u32>) -> Result<(), &'static str> {
            if self.fail_at == Some(self.groups.len()) {
                return Err("sync failed");
            }
            assert!(!group.contains(&PANIC), "the sink breaks");
            self.groups.push(group);
            Ok(())
        }

        fn panicked() -> &'static str {
            "panicked"
        }
    }

    fn logged(committer: &Committer<u32, Log>) -> Vec<u32> {
        committer.sink().groups.concat()
    }

    /// Two writers beside this one; each must find its items in the log, in its own order, when `commit` returns.
    fn writers_see_their_writes() {
        let committer = Arc::new(Committer::new(Log::default()));
        let write = |first: u32, count: u32| {
            let committer = Arc::clone(&committer);
            move || {
                for item in first..first + count {
                    assert_eq!(committer.commit(item), Ok(()));
                    let log = logged(&committer);
                    let own: Vec<_> = log.iter().filter(|item| **item >= first && **item < first + count).collect();
                    assert_eq!(own, (first..=item).collect::<Vec<_>>().iter().collect::<Vec<_>>());
                }
            }
        };
        let others = [thread::spawn(write(10, 1)), thread::spawn(write(20, 1))];
        write(30, 2)();
        for other in others {
            other.join().unwrap();
        }
        let mut log = logged(&committer);
        log.sort_unstable();
        assert_eq!(log, [10, 20, 30, 31]);
    }

    /// The second group fails: whoever is told Ok is in the log, whoever is told of the failure is not, nobody hangs.
    fn a_failed_group_fails_all_who_wait() {
        let committer = Arc::new(Committer::new(Log { groups: Vec::new(), fail_at: Some(1) }));
        let write = |item: u32| {
            let committer = Arc::clone(&committer);
            move || committer.commit(item).is_ok()
        };
        let others = [thread::spawn(write(1)), thread::spawn(write(2))];
        let mine = write(3)();
        let mut told = vec![(3, mine)];
        for (item, other) in (1..).zip(others) {
            told.push((item, other.join().unwrap()));
        }
        let log = logged(&committer);
        for (item, ok) in told {
            assert_eq!(log.contains(&item), ok, "item {item}, log {log:?}");
        }
        if log.len() < 3 {
            assert_eq!(committer.commit(9), Err("sync failed"));
        }
    }

    /// Every interleaving with at most three forced switches; all of them would take hours.
    #[cfg(loom)]
    fn model(test: fn()) {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(3);
        builder.check(test);
    }

    #[cfg(loom)]
    #[test]
    fn loom_writers_see_their_writes_in_log_order() {
        model(writers_see_their_writes);
    }

    #[cfg(loom)]
    #[test]
    fn loom_a_failed_sync_fails_all_who_wait_and_wakes_them() {
        model(a_failed_group_fails_all_who_wait);
    }

    #[cfg(not(loom))]
    #[test]
    fn writers_see_their_writes_in_log_order() {
        for _ in 0..200 {
            writers_see_their_writes();
        }
    }

    #[cfg(not(loom))]
    #[test]
    fn a_sink_that_panics_fails_all_who_come_after() {
        let committer = Arc::new(Committer::new(Log::default()));
        assert_eq!(committer.commit(1), Ok(()));
        let leader = Arc::clone(&committer);
        assert!(thread::spawn(move || leader.commit(PANIC)).join().is_err());
        assert_eq!(committer.commit(2), Err("panicked"));
        assert_eq!(logged(&committer), [1]);
    }

    #[cfg(not(loom))]
    #[test]
    fn a_failed_sync_fails_all_who_wait_and_wakes_them() {
        for _ in 0..200 {
            a_failed_group_fails_all_who_wait();
        }
    }
}
