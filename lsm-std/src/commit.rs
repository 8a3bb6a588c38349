//! Group commit: writers that come together share one append to the log, and one sync.
//!
//! A writer queues its item. The first to find no leader takes all that is queued, commits it as one group and wakes the
//! others; those that came meanwhile are the next group, led by one of them. The order of the queue is the order of the log.
//! A failure that may pass is the answer to that group alone. The first other one is final: it is the answer to everyone who
//! waits and to everyone who comes. So is a panic of the sink.

use std::ops::Range;

use crate::sync::{Condvar, Mutex, MutexGuard, lock, wait};

/// Where groups go: appends them to a log in order and makes them visible. Called by one thread at a time.
pub(crate) trait Sink<T> {
    /// Why a group could not be committed. Given to every waiting writer.
    type Error: Clone;

    /// Commits `group`, which is not empty, as a whole.
    fn commit(&mut self, group: &[T]) -> Result<(), Self::Error>;

    /// Whether a failure leaves the log as it was, so that later groups can be committed.
    fn is_passing(error: &Self::Error) -> bool;

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
    /// The room of the group before, for the next one.
    spare: Vec<T>,
    /// Number of the first waiting item; items are numbered as they come.
    first: u64,
    /// Items below this number are committed, or refused.
    committed: u64,
    /// Groups that failed although others do not, until all their writers know.
    refused: Vec<Refused<E>>,
    led: bool,
    /// Writers that sleep. To wake them is a call to the system, so none is made where nobody sleeps.
    sleeping: usize,
    failed: Option<E>,
}

#[derive(Debug)]
struct Refused<E> {
    numbers: Range<u64>,
    /// Writers that do not know yet.
    untold: usize,
    error: E,
}

impl<T, E: Clone> Queue<T, E> {
    /// Why item `number` was refused, if it was. Asked once by its writer.
    fn refusal(&mut self, number: u64) -> Option<E> {
        let at = self.refused.iter().position(|refused| refused.numbers.contains(&number))?;
        let refused = self.refused.get_mut(at)?;
        refused.untold -= 1;
        Some(if refused.untold == 0 { self.refused.swap_remove(at).error } else { refused.error.clone() })
    }
}

impl<T, S: Sink<T>> Committer<T, S> {
    /// A queue before `sink`.
    pub(crate) fn new(sink: S) -> Self {
        let queue = Queue {
            waiting: Vec::new(),
            spare: Vec::new(),
            first: 0,
            committed: 0,
            refused: Vec::new(),
            led: false,
            sleeping: 0,
            failed: None,
        };
        Self { queue: Mutex::new(queue), decided: Condvar::new(), sink: Mutex::new(sink) }
    }

    /// Commits `item` and returns when it is in the log and visible. Blocks while a group before it is committed.
    ///
    /// # Errors
    /// The failure of the sink that met this item, or an earlier final one.
    pub(crate) fn commit(&self, item: T) -> Result<(), S::Error> {
        let mut queue = lock(&self.queue);
        if let Some(failed) = &queue.failed {
            return Err(failed.clone());
        }
        let number = queue.first + queue.waiting.len() as u64;
        queue.waiting.push(item);
        loop {
            if number < queue.committed {
                return queue.refusal(number).map_or(Ok(()), Err);
            }
            if let Some(failed) = &queue.failed {
                return Err(failed.clone());
            }
            queue = if queue.led { self.sleep(queue) } else { self.lead(queue) };
        }
    }

    /// Waits until a group is committed or refused.
    fn sleep<'a>(&'a self, mut queue: MutexGuard<'a, Queue<T, S::Error>>) -> MutexGuard<'a, Queue<T, S::Error>> {
        queue.sleeping += 1;
        let mut queue = wait(&self.decided, queue);
        queue.sleeping -= 1;
        queue
    }

    /// Commits all that is queued.
    fn lead<'a>(&'a self, mut queue: MutexGuard<'a, Queue<T, S::Error>>) -> MutexGuard<'a, Queue<T, S::Error>> {
        queue.led = true;
        let spare = std::mem::take(&mut queue.spare);
        let group = std::mem::replace(&mut queue.waiting, spare);
        let numbers = queue.first..queue.first + group.len() as u64;
        queue.first = numbers.end;
        drop(queue);
        let mut lead = Lead { committer: self, numbers, group, result: None };
        lead.result = Some(lock(&self.sink).commit(&lead.group));
        lead.group.clear();
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
    numbers: Range<u64>,
    group: Vec<T>,
    /// None after a panic.
    result: Option<Result<(), S::Error>>,
}

impl<T, S: Sink<T>> Drop for Lead<'_, T, S> {
    fn drop(&mut self) {
        let mut queue = lock(&self.committer.queue);
        queue.led = false;
        queue.spare = std::mem::take(&mut self.group);
        match self.result.take().unwrap_or_else(|| Err(S::panicked())) {
            Ok(()) => queue.committed = self.numbers.end,
            Err(error) if S::is_passing(&error) => {
                let numbers = self.numbers.clone();
                queue.committed = numbers.end;
                let untold = usize::try_from(numbers.end - numbers.start).unwrap_or(usize::MAX);
                queue.refused.push(Refused { numbers, untold, error });
            }
            Err(error) => {
                queue.waiting.clear();
                queue.failed = Some(error);
            }
        }
        if queue.sleeping > 0 {
            self.committer.decided.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::thread;
    use std::sync::Arc;

    /// The sink panics at this item.
    const PANIC: u32 = 99;

    /// The sink has no room for a group with this item, once.
    const FULL: u32 = 3;

    /// A log in memory that fails its `fail_at`th commit.
    #[derive(Debug, Default)]
    struct Log {
        groups: Vec<Vec<u32>>,
        fail_at: Option<usize>,
        /// It was full once.
        was_full: bool,
    }

    impl Sink<u32> for Log {
        type Error = &'static str;

        fn commit(&mut self, group: &[u32]) -> Result<(), &'static str> {
            if self.fail_at == Some(self.groups.len()) {
                return Err("sync failed");
            }
            if group.contains(&FULL) && !std::mem::replace(&mut self.was_full, true) {
                return Err("full");
            }
            assert!(!group.contains(&PANIC), "the sink breaks");
            self.groups.push(group.to_vec());
            Ok(())
        }

        fn is_passing(error: &&'static str) -> bool {
            *error == "full"
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
        let committer = Arc::new(Committer::new(Log { fail_at: Some(1), was_full: true, ..Log::default() }));
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

    /// One group is refused: whoever is told so is not in the log, whoever comes later is, nobody hangs.
    fn a_refused_group_fails_alone() {
        let committer = Arc::new(Committer::new(Log::default()));
        let write = |item: u32| {
            let committer = Arc::clone(&committer);
            move || committer.commit(item)
        };
        let others = [thread::spawn(write(1)), thread::spawn(write(2))];
        let mine = write(FULL)();
        assert_eq!(mine, Err("full"));
        assert_eq!(write(FULL)(), Ok(()));
        for (item, other) in (1..).zip(others) {
            assert_eq!(other.join().unwrap().is_ok(), logged(&committer).contains(&item), "item {item}");
        }
        assert!(lock(&committer.queue).refused.is_empty());
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

    #[cfg(loom)]
    #[test]
    fn loom_a_refused_group_fails_alone() {
        model(a_refused_group_fails_alone);
    }

    #[cfg(not(loom))]
    #[test]
    fn a_refused_group_fails_alone_and_the_next_is_taken() {
        for _ in 0..200 {
            a_refused_group_fails_alone();
        }
    }

    #[cfg(not(loom))]
    #[test]
    fn writers_see_their_writes_in_log_order() {
        for _ in 0..200 {
            writers_see_their_writes();
        }
    }

    /// Each commit takes until `go` is sent something.
    #[cfg(not(loom))]
    #[derive(Debug)]
    struct Slow {
        begun: std::sync::mpsc::Sender<Vec<u32>>,
        go: std::sync::mpsc::Receiver<()>,
    }

    #[cfg(not(loom))]
    impl Sink<u32> for Slow {
        type Error = &'static str;

        fn commit(&mut self, group: &[u32]) -> Result<(), &'static str> {
            self.begun.send(group.to_vec()).unwrap();
            self.go.recv().map_err(|_| "given up")
        }

        fn is_passing(_: &&'static str) -> bool {
            false
        }

        fn panicked() -> &'static str {
            "panicked"
        }
    }

    #[cfg(not(loom))]
    #[test]
    fn whoever_comes_while_a_group_is_written_is_told_nothing_before_the_next_one_is() {
        let ((begun, groups), (go, waits)) = (std::sync::mpsc::channel(), std::sync::mpsc::channel());
        let committer = Arc::new(Committer::new(Slow { begun, go: waits }));
        let write = |item: u32| {
            let committer = Arc::clone(&committer);
            thread::spawn(move || committer.commit(item))
        };
        let soon = || thread::sleep(std::time::Duration::from_millis(50));
        let first = write(1);
        assert_eq!(groups.recv(), Ok(vec![1]));
        let others = [write(2), write(3)];
        soon();
        assert!(!others.iter().any(thread::JoinHandle::is_finished), "told while another group is written");
        while lock(&committer.queue).waiting.len() < 2 {
            soon();
        }
        go.send(()).unwrap();
        assert_eq!(groups.recv().map(|group| group.len()), Ok(2));
        soon();
        assert!(!others.iter().any(thread::JoinHandle::is_finished), "told while their own group is written");
        go.send(()).unwrap();
        for writer in [first].into_iter().chain(others) {
            assert_eq!(writer.join().unwrap(), Ok(()));
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
