//! Who processes are: for people to read, and for a process to tell itself from its forked children.
//!
//! What `/proc` says is never a base for a decision about life or death: a pid can be reused, and
//! `/proc` may show another pid namespace than the one a peer lives in. Locks decide that.

use crate::sync::Ordering::{AcqRel, Acquire, Relaxed};
use crate::sync::{AtomicPtr, AtomicU64};
use std::ptr;

/// The id of this process in its own pid namespace. For people.
pub(crate) fn pid() -> u32 {
    std::process::id()
}

/// The user that the kernel takes this process for, and that what it makes belongs to.
pub(crate) fn effective_uid() -> u32 {
    // SAFETY: takes nothing, cannot fail.
    unsafe { libc::geteuid() }
}

/// Tells a process from all that it descends from. A process id does not: in a new pid namespace a child may have
/// its parent's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp(u64);

/// The bit of stamps that are process ids, for want of better.
const PID: u64 = 1 << 63;
/// The size of a small page, or less: the kernel rounds it up.
const PAGE_BYTES: usize = 4096;

/// This process.
pub(crate) fn stamp() -> Stamp {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let Some(word) = wiped_word() else {
        return Stamp(PID | u64::from(pid()));
    };
    // Relaxed, here and below: a number that means nothing else.
    match word.load(Relaxed) {
        0 => {
            // LAST comes from the parent, so it is beyond the stamps of all who came before.
            let next = LAST.fetch_add(1, Relaxed) + 1;
            match word.compare_exchange(0, next, Relaxed, Relaxed) {
                Ok(_) => Stamp(next),
                Err(theirs) => Stamp(theirs),
            }
        }
        known => Stamp(known),
    }
}

/// A word that the kernel makes 0 in every child, also in that of a raw `clone`. `None` if it does not do that.
fn wiped_word() -> Option<&'static AtomicU64> {
    static PAGE: AtomicPtr<AtomicU64> = AtomicPtr::new(ptr::null_mut());
    let mut page = PAGE.load(Acquire);
    if page.is_null() {
        let new = wiped_page()?;
        page = match PAGE.compare_exchange(ptr::null_mut(), new, AcqRel, Acquire) {
            Ok(_) => new,
            Err(theirs) => {
                // SAFETY: mapped just now with this length, and seen by nobody else.
                unsafe { libc::munmap(new.cast(), PAGE_BYTES) };
                theirs
            }
        };
    }
    // SAFETY: a page that is mapped for ever, zeroed at first and accessed as this atomic only.
    Some(unsafe { &*page })
}

fn wiped_page() -> Option<*mut AtomicU64> {
    let rw = libc::PROT_READ | libc::PROT_WRITE;
    let private = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: fresh memory at an address of the kernel's choice; nothing is replaced.
    let page = unsafe { libc::mmap(ptr::null_mut(), PAGE_BYTES, rw, private, -1, 0) };
    if page == libc::MAP_FAILED {
        return None;
    }
    // SAFETY: the page that was mapped just now, and that nobody has seen; it is unmapped if the advice is refused.
    unsafe {
        if libc::madvise(page, PAGE_BYTES, libc::MADV_WIPEONFORK) != 0 {
            libc::munmap(page, PAGE_BYTES);
            return None;
        }
    }
    Some(page.cast())
}

/// When this process started, in clock ticks since boot. Together with the pid it names one process. `None` without
/// `/proc`.
pub(crate) fn start_time() -> Option<u64> {
    // Not by number: `/proc` may count in another pid namespace than this process.
    start_time_of("self")
}

fn start_time_of(process: &str) -> Option<u64> {
    let stat = std::fs::read(format!("/proc/{process}/stat")).ok()?;
    start_time_in(&stat)
}

/// Whether the process that started at `start_time` under this pid was stopped, by a signal or a tracer. `false` if there
/// is no such process to be seen.
pub(crate) fn is_stopped(pid: u32, start_time: u64) -> bool {
    let stat = std::fs::read(format!("/proc/{pid}/stat")).unwrap_or_default();
    start_time_in(&stat) == Some(start_time) && is_stopped_in(&stat)
}

/// Field 3, behind the name.
fn is_stopped_in(stat: &[u8]) -> bool {
    let behind = stat.iter().rposition(|&b| b == b')').map(|end| end + 2);
    let state = behind.and_then(|at| stat.get(at));
    matches!(state, Some(b'T' | b't'))
}

/// Field 22. Field 2 is the name in parentheses and may itself hold spaces and parentheses, so
/// counting begins behind the last one: field 3 comes first there.
fn start_time_in(stat: &[u8]) -> Option<u64> {
    let name_end = stat.iter().rposition(|&b| b == b')')?;
    let rest = std::str::from_utf8(&stat[name_end + 1..]).ok()?;
    rest.split_ascii_whitespace().nth(22 - 3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::testing::Child;

    #[test]
    fn a_stamp_is_one_process_s_and_no_descendant_s() {
        let ours = stamp();
        let _child = Child::that(|| {
            let childs = stamp();
            let again = childs == stamp() && childs != ours;
            // SAFETY: the grandchild compares and exits.
            let pid = unsafe { libc::fork() };
            if pid == 0 {
                let new = ![ours, childs].contains(&stamp());
                // SAFETY: ends the process at once.
                unsafe { libc::_exit(i32::from(!new)) };
            }
            let mut status = 1;
            // SAFETY: our own child, reaped only here.
            unsafe { libc::waitpid(pid, &mut status, 0) };
            again && status == 0
        });
        assert_eq!(stamp(), ours);
        assert_ne!(ours.0 & PID, PID, "the kernel wipes pages");
    }

    #[test]
    fn a_child_of_a_raw_clone_with_its_parent_s_pid_has_a_stamp_of_its_own() {
        let ours = stamp();
        let flags = libc::CLONE_NEWPID | libc::SIGCHLD;
        // SAFETY: no stack is given and no memory is shared, so this is a fork that calls no handlers.
        let raw = |flags: i32| unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) as i32 };
        let wait = |pid| {
            let mut status = 1;
            // SAFETY: a child of this process, reaped only here.
            unsafe { libc::waitpid(pid, &mut status, 0) };
            libc::WEXITSTATUS(status)
        };
        let child = raw(flags);
        if child == -1 {
            eprintln!("skipped: {}", std::io::Error::last_os_error());
            return;
        }
        if child == 0 {
            let (first, first_pid) = (stamp(), pid());
            let grandchild = raw(flags);
            if grandchild == 0 {
                let told = pid() == first_pid && ![ours, first].contains(&stamp());
                // SAFETY: ends the process at once.
                unsafe { libc::_exit(i32::from(!told)) };
            }
            // SAFETY: as above.
            unsafe { libc::_exit(wait(grandchild)) };
        }
        assert_eq!(wait(child), 0);
    }

    #[test]
    fn the_start_time_is_found_behind_any_name() {
        let tail = "S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 987654 20 21";
        for name in ["cat", "a b", "x) S 1 2", "((", ")"] {
            let stat = format!("42 ({name}) {tail}");
            assert_eq!(start_time_in(stat.as_bytes()), Some(987_654), "{name}");
        }
        for (state, stopped) in [("S", false), ("T", true), ("t", true)] {
            let stat = format!("42 (a) T) {state} 1 2");
            assert_eq!(is_stopped_in(stat.as_bytes()), stopped);
        }
        assert!(!is_stopped_in(b"42 (a)") && !is_stopped_in(b""));
        assert_eq!(start_time_in(b"42 (cat) S 1 2"), None);
        assert_eq!(start_time_in(b""), None);
    }

    #[test]
    fn a_younger_process_started_no_earlier_and_a_dead_one_is_gone() {
        let ours = start_time().unwrap();
        assert_eq!(start_time_of(&pid().to_string()), Some(ours));
        let child = Child::that(|| true);
        let child_pid = child.pid().to_string();
        assert!(start_time_of(&child_pid).unwrap() >= ours);
        child.kill();
        assert_eq!(start_time_of(&child_pid), None);
    }
}
