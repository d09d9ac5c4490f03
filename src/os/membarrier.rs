//! Fences on behalf of others: one side issues a system call so that the other side needs none.
//!
//! `GLOBAL_EXPEDITED` puts a full fence into every running thread of every *registered* process.
//! The caller need not be registered; whoever wants to be fenced must be, before it relies on it.
//! Registration belongs to the process: fork inherits it, exec loses it. The cached answers here
//! live in the memory of the process and share exactly that fate, so they are never stale.
//!
//! Never used here: the GLOBAL form (milliseconds) and the PRIVATE forms (one process only).

use crate::sync::AtomicU32;
use crate::sync::Ordering::{Acquire, Release};

/// The answer in `known`, or that of `ask`, which several threads may call that come first. Nobody waits for another
/// one: a child that is forked meanwhile would wait for ever.
fn cached(known: &AtomicU32, ask: impl FnOnce() -> bool) -> bool {
    const NO: u32 = 1;
    const YES: u32 = 2;
    match known.load(Acquire) {
        NO => false,
        YES => true,
        _ => {
            let answer = ask();
            known.store(if answer { YES } else { NO }, Release);
            answer
        }
    }
}

/// True if the kernel offers `GLOBAL_EXPEDITED` and its registration. Asked once per process.
pub(crate) fn supported() -> bool {
    static SUPPORTED: AtomicU32 = AtomicU32::new(0);
    cached(&SUPPORTED, || {
        let needed =
            libc::MEMBARRIER_CMD_GLOBAL_EXPEDITED | libc::MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED;
        let offered = call(libc::MEMBARRIER_CMD_QUERY);
        // -1 (no such call, or forbidden) has every bit set.
        offered >= 0 && offered & libc::c_long::from(needed) == libc::c_long::from(needed)
    })
}

/// Registers this process, once, so that others can fence it. True if it is registered.
///
/// In a process with several threads the first call takes milliseconds: do it when attaching.
pub(crate) fn register() -> bool {
    static REGISTERED: AtomicU32 = AtomicU32::new(0);
    cached(&REGISTERED, || {
        supported() && call(libc::MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED) == 0
    })
}

/// A full fence here and in every running thread of every registered process.
///
/// False means that no fence has happened: the caller must not go to sleep relying on one.
#[must_use]
pub(crate) fn global_expedited() -> bool {
    supported() && call(libc::MEMBARRIER_CMD_GLOBAL_EXPEDITED) == 0
}

fn call(command: libc::c_int) -> libc::c_long {
    // SAFETY: takes three integers and touches no memory of the caller.
    unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::testing::Child;

    #[test]
    fn support_registration_and_the_fence_agree() {
        assert_eq!(register(), supported());
        assert_eq!(global_expedited(), supported());
        assert_eq!(register(), supported(), "the second answer is the first");
    }

    #[test]
    fn a_forked_child_is_registered_as_its_cached_answer_says() {
        const MEMBARRIER_CMD_GET_REGISTRATIONS: libc::c_int = 1 << 9;
        let ours = register();
        let wanted = libc::c_long::from(libc::MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED);
        if call(MEMBARRIER_CMD_GET_REGISTRATIONS) < 0 {
            eprintln!("skipped: the kernel does not tell registrations");
            return;
        }
        let _child = Child::that(|| {
            let told = call(MEMBARRIER_CMD_GET_REGISTRATIONS);
            register() == ours && (told >= 0 && told & wanted != 0) == ours
        });
    }
}
