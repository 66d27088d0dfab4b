//! One way to take a lock: a thread that panicked with it in hand must not take the doors down with it.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Takes the lock, poisoned or not. Every value behind these locks is whole between any two statements.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
