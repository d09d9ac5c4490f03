//! What the models sleep on: a futex, a semaphore, nothing. None of them knows of time, so a wake-up that is lost
//! is a deadlock, which loom reports.

use crate::sync::AtomicU32;
use crate::sync::Ordering::Relaxed;
use crate::wait::park::Bell;
use loom::sync::{Condvar, Mutex, MutexGuard};

/// A bell a model can make, one for each direction.
pub(crate) trait NewBell: Bell + Sized + Send + Sync + 'static {
    fn new() -> Self;
}

/// A futex on the sleep word. There are no deadlines: a lost wake-up is a deadlock, which loom reports.
#[derive(Debug)]
pub(crate) struct FutexBell {
    bucket: Mutex<()>,
    waiters: Condvar,
}

impl NewBell for FutexBell {
    fn new() -> Self {
        Self {
            bucket: Mutex::new(()),
            waiters: Condvar::new(),
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("loom's locks are not poisoned")
}

impl Bell for FutexBell {
    fn sleep(&self, word: &AtomicU32, said: u32, _deadline_ns: u64) {
        let bucket = locked(&self.bucket);
        // Relaxed: as the kernel does it, under the lock of the waiters' bucket.
        if word.load(Relaxed) == said {
            drop(self.waiters.wait(bucket));
        }
    }

    fn ring(&self, _word: &AtomicU32) {
        let _bucket = locked(&self.bucket);
        self.waiters.notify_all();
    }
}

/// A counting semaphore that never looks at the sleep word, used as the endpoints use theirs: wait, then take away
/// what else was posted. A post may be left over from an earlier sleep; the model begins with one such post.
#[derive(Debug)]
pub(crate) struct SemaphoreBell {
    posts: Mutex<u32>,
    waiters: Condvar,
}

impl NewBell for SemaphoreBell {
    fn new() -> Self {
        Self {
            posts: Mutex::new(1),
            waiters: Condvar::new(),
        }
    }
}

impl Bell for SemaphoreBell {
    fn sleep(&self, _word: &AtomicU32, _said: u32, _deadline_ns: u64) {
        let mut posts = locked(&self.posts);
        while *posts == 0 {
            posts = self
                .waiters
                .wait(posts)
                .expect("loom's locks are not poisoned");
        }
        *posts -= 1;
        drop(posts);
        // Not in one piece with the wait: a post may come in between.
        *locked(&self.posts) = 0;
    }

    fn ring(&self, _word: &AtomicU32) {
        *locked(&self.posts) += 1;
        self.waiters.notify_all();
    }
}

/// A bell for models in which nobody sleeps.
#[derive(Debug)]
pub(crate) struct NoBell;

impl Bell for NoBell {
    fn sleep(&self, _word: &AtomicU32, _said: u32, _deadline_ns: u64) {
        panic!("nobody sleeps in this model");
    }

    fn ring(&self, _word: &AtomicU32) {}
}
