//! Signals that are none of the guard's business go where they would have gone without it.

use crate::common::alone;
use crate::common::child::{self, Args, Child};
use annulus::{Backing, spsc};
use memmap2::MmapOptions;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

/// Ends the process with a code that nothing else ends it with.
extern "C" fn old_handler(_: i32) {
    // SAFETY: ends the process at once.
    unsafe { libc::_exit(42) };
}

/// The same, and with a look at what came along.
extern "C" fn old_handler_that_asks(_: i32, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: the kernel filled it in.
    let code = unsafe { (*info).si_code };
    // SAFETY: ends the process at once.
    unsafe { libc::_exit(if code == libc::BUS_ADRERR { 43 } else { 44 }) };
}

fn handle(before: &str) {
    let (handler, flags) = match before {
        "default" => (libc::SIG_DFL, 0),
        "ignored" => (libc::SIG_IGN, 0),
        "old" => (old_handler as *const () as usize, 0),
        "asks" => (
            old_handler_that_asks as *const () as usize,
            libc::SA_SIGINFO,
        ),
        // What Rust's runtime has installed.
        _ => return,
    };
    // SAFETY: integers, a set of bits and an optional function, for all of which zero is a value.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler;
    action.sa_flags = flags;
    // SAFETY: a live structure with a function that stays.
    let done = unsafe { libc::sigaction(libc::SIGBUS, &action, std::ptr::null_mut()) };
    assert_eq!(done, 0);
}

/// A process with a ring and a guard touches a missing page of a file of its own.
pub fn role_fault(args: &Args) {
    handle(args.get("before"));
    annulus::guard::install().expect("a handler");
    let ring = spsc::<u64>("own").capacity(8).backing(Backing::Memfd);
    let _ring = ring.create().expect("create");
    let path = std::env::temp_dir().join(crate::common::clean::unique("page"));
    let mut options = std::fs::OpenOptions::new();
    let file = options
        .read(true)
        .write(true)
        .create_new(true)
        .open(&path)
        .expect("new");
    file.set_len(4096).expect("room");
    let map = MmapOptions::new().map_raw(&file).expect("map");
    file.set_len(0).expect("truncate");
    std::fs::remove_file(&path).expect("remove");
    child::report("there");
    // SAFETY: inside the mapping; that there is nothing behind it is what this is about.
    let byte = unsafe { AtomicU8::from_ptr(map.as_mut_ptr()) }.load(Relaxed);
    child::report(&format!("went on with {byte}"));
}

/// A process with a guard is sent the signal.
pub fn role_signal(args: &Args) {
    handle(args.get("before"));
    annulus::guard::install().expect("a handler");
    child::report("there");
    child::listen();
    child::report("went on");
    // The signal may still be on its way to the main thread, whose stack for handlers the runtime takes away at an
    // orderly exit from another thread.
    // SAFETY: ends the process at once.
    unsafe { libc::_exit(0) };
}

/// How a child ended: by a signal, or else by itself.
fn end_of(role: &str, before: &str, then: impl FnOnce(&mut Child)) -> Result<i32, i32> {
    let mut child = Child::start(role, Args::default().with("before", before));
    child.expect("there");
    then(&mut child);
    let mut status = 0;
    // SAFETY: our own child, which nobody else waits for before this returns; the buffer is live.
    let reaped = unsafe { libc::waitpid(child.pid() as i32, &mut status, 0) };
    assert_eq!(reaped, child.pid() as i32);
    match libc::WIFSIGNALED(status) {
        true => Err(libc::WTERMSIG(status)),
        false => Ok(libc::WEXITSTATUS(status)),
    }
}

#[test]
fn a_fault_outside_of_all_rings_ends_the_process_or_reaches_the_handler_before() {
    let _alone = alone();
    let fault = |before| end_of("stranger's fault", before, |_| {});
    for before in ["default", "ignored", "runtime"] {
        assert_eq!(fault(before), Err(libc::SIGBUS), "{before}");
    }
    assert_eq!(fault("old"), Ok(42));
    assert_eq!(fault("asks"), Ok(43));
}

#[test]
fn a_signal_that_was_sent_ends_the_process_or_reaches_the_handler_before() {
    let _alone = alone();
    let sent = |before| end_of("signal", before, |child| child.signal(libc::SIGBUS));
    for before in ["default", "runtime"] {
        assert_eq!(sent(before), Err(libc::SIGBUS), "{before}");
    }
    assert_eq!(sent("old"), Ok(42));
    assert_eq!(sent("asks"), Ok(44));
    let ignored = end_of("signal", "ignored", |child| {
        child.signal(libc::SIGBUS);
        child.say("go on");
        child.expect("went on");
    });
    assert_eq!(ignored, Ok(0));
}
