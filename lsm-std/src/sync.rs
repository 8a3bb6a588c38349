//! Locks, atomics and threads: those of std, or of loom under `cfg(loom)`, so that loom can drive the whole engine.
//!
//! A lock whose holder panicked is taken all the same: every critical section here leaves its data whole at each step.

use std::sync::{PoisonError, TryLockError};

#[cfg(not(loom))]
pub(crate) use std::{
    sync::{
        Condvar, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicBool, AtomicU64},
    },
    thread,
};

#[cfg(loom)]
pub(crate) use loom::{
    sync::{
        Condvar, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicBool, AtomicU64},
    },
    thread,
};

#[cfg(not(loom))]
pub(crate) use arc_swap::ArcSwap;

#[cfg(loom)]
pub(crate) use swap::ArcSwap;

pub(crate) use std::sync::atomic::Ordering;
pub(crate) use std::thread::sleep;
use std::time::Duration;

/// Takes the lock, also after a panic of an earlier holder.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes the lock if nobody has it.
pub(crate) fn try_lock<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

/// Takes the lock beside other readers, also after a panic of an earlier holder.
pub(crate) fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

/// Takes the lock alone, also after a panic of an earlier holder.
pub(crate) fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

/// Waits to be notified. Spurious returns happen: call it in a loop.
pub(crate) fn wait<'a, T>(condvar: &Condvar, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
    condvar.wait(guard).unwrap_or_else(PoisonError::into_inner)
}

/// Waits to be notified, no longer than `time`. Spurious returns happen.
pub(crate) fn wait_for<'a, T>(condvar: &Condvar, guard: MutexGuard<'a, T>, time: Duration) -> MutexGuard<'a, T> {
    condvar.wait_timeout(guard, time).unwrap_or_else(PoisonError::into_inner).0
}

/// A bell: whoever looked for work before it rang last is told to look again.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    rung: Mutex<u64>,
    bell: Condvar,
}

impl Bell {
    /// How often it has rung. Read this first, then look for work, then [`wait`](Self::wait) with the number read.
    pub(crate) fn rung(&self) -> u64 {
        *lock(&self.rung)
    }

    /// Wakes everyone who waits.
    pub(crate) fn ring(&self) {
        let mut rung = lock(&self.rung);
        *rung = rung.wrapping_add(1);
        self.bell.notify_all();
    }

    /// Waits until it has rung again since `seen` was read, no longer than `time` if one is given.
    pub(crate) fn wait(&self, seen: u64, time: Option<Duration>) {
        let mut rung = lock(&self.rung);
        while *rung == seen {
            match time {
                None => rung = wait(&self.bell, rung),
                Some(time) => {
                    drop(wait_for(&self.bell, rung, time));
                    return;
                }
            }
        }
    }
}

/// Stands for `arc_swap::ArcSwap` in models: loom does not see into that one.
#[cfg(loom)]
mod swap {
    use std::sync::Arc;

    use super::{Mutex, lock};

    #[derive(Debug)]
    pub(crate) struct ArcSwap<T>(Mutex<Arc<T>>);

    impl<T> ArcSwap<T> {
        pub(crate) fn from_pointee(value: T) -> Self {
            Self(Mutex::new(Arc::new(value)))
        }

        pub(crate) fn load(&self) -> Arc<T> {
            self.load_full()
        }

        pub(crate) fn load_full(&self) -> Arc<T> {
            Arc::clone(&lock(&self.0))
        }

        pub(crate) fn store(&self, value: Arc<T>) {
            // The old one goes after the lock: its files may go with it.
            let _old = std::mem::replace(&mut *lock(&self.0), value);
        }
    }
}
