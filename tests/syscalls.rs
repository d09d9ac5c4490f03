//! What pushing and popping do not do: enter the kernel while nobody sleeps, and allocate.
//!
//! System calls are watched from outside, by `strace` on a child that marks where the quiet part begins and
//! ends; where there is no `strace`, those tests say so and pass. Allocations are counted by the allocator
//! of this binary, for each thread by itself. One last test uses that system calls can be watched from
//! inside, too: it lets something happen right behind one.

mod common;
#[path = "syscalls/many.rs"]
mod many;

use annulus::{Consumer, Peer, Producer, TryPopError, TryPushError, Wait};
use common::alone;
use common::child::{self, Args, Start};
use common::clean::{Cleanup, TempDir};
use common::flow::Msg;
use common::spec::{self, Kind, Spec, Via};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::{Cell, RefCell};
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};

#[test]
fn a_child_plays_the_role_it_was_given() {
    child::play(&[
        ("alone", one_thread),
        ("two threads", two_threads),
        ("many ends", many_ends),
    ]);
}

// ---- allocations --------------------------------------------------------------------------------------

/// The system's allocator, counting.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    // A thread that is ending has nothing more to count.
    let _ = ALLOCATIONS.try_with(|n| n.set(n.get() + 1));
}

// SAFETY: everything is handed on to the system's allocator unchanged; counting does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise is handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise is handed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        count();
        // SAFETY: the caller's promise is handed on.
        unsafe { System.realloc(ptr, layout, bytes) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is handed on.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations of this thread during `work`.
fn allocations(work: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
}

// ---- the work that must be quiet ------------------------------------------------------------------------

/// Sends and takes `n` messages of a type in every way there is.
fn typed(tx: &mut Producer<Msg>, rx: &mut Consumer<Msg>, n: u64) {
    let wait = Wait::park();
    let many = [Msg::new(1), Msg::new(2)];
    for i in 0..n / 5 {
        let message = Msg::new(i);
        tx.try_push(&message).expect("room");
        tx.push(&message, wait).expect("room");
        let mut loan = tx.try_claim().expect("room");
        loan.write(&message);
        loan.commit();
        drop(tx.try_claim().expect("room"));
        assert!(tx.try_push_many(&many).is_ok_and(|sent| sent == 2));
        assert_eq!(rx.try_pop(), Ok(message));
        assert_eq!(rx.pop(wait), Ok(message));
        assert_eq!(rx.try_sample().expect("a message").read(), message);
        assert_eq!(rx.drain(8).count(), 2);
        assert_eq!(rx.try_pop(), Err(TryPopError::Empty));
    }
    // Full and empty are answers, too.
    for round in 0..n / 100 {
        let sent = (0..100)
            .take_while(|&i| tx.try_push(&Msg::new(i)).is_ok())
            .count() as u64;
        assert_eq!(
            (sent, tx.try_push(&many[0])),
            (tx.capacity(), Err(TryPushError::Full))
        );
        assert_eq!((tx.len(), rx.len()), (sent, sent), "round {round}");
        assert_eq!(rx.drain(100).count() as u64, sent);
    }
}

/// Sends and takes `n` messages of bytes in every way there is.
fn bytes(tx: &mut Producer<[u8]>, rx: &mut Consumer<[u8]>, n: u64) {
    let (message, mut got) = ([5; 37], [0; 37]);
    for _ in 0..n / 4 {
        tx.try_push(&message).expect("room");
        tx.push(&message, Wait::park()).expect("room");
        let mut run = tx.try_claim_run(2).expect("room");
        (0..2).for_each(|i| run.write_at(i, 0, &message));
        run.commit();
        rx.try_pop_into(&mut got).expect("a message");
        rx.pop_into(&mut got, Wait::park()).expect("a message");
        rx.try_sample().expect("a message").read_at(0, &mut got);
        assert!(rx.drain(1).next_into(&mut got));
    }
    assert_eq!(got, message);
}

/// The rings whose quiet is watched: all ways of parking and both back ends.
fn rings() -> impl Iterator<Item = Spec> {
    spec::PARKINGS.into_iter().flat_map(|parking| {
        spec::BACK_ENDS.into_iter().map(move |back_end| {
            let mut spec = Spec::new(Via::Anon);
            (spec.capacity, spec.parking, spec.back_end) = (64, parking, back_end);
            spec
        })
    })
}

/// Calls `watch` with work that must be quiet, on each ring and each kind of message.
fn on_each_ring(n: u64, mut watch: impl FnMut(&Spec, Kind, &mut dyn FnMut())) {
    for spec in rings() {
        let ring = spec.typed().create().expect("a new ring");
        let (mut tx, mut rx) = (
            ring.producer().expect("a free end"),
            ring.consumer().expect("a free end"),
        );
        watch(&spec, Kind::Typed, &mut || typed(&mut tx, &mut rx, n));
        let ring = spec.bytes().create().expect("a new ring");
        let (mut tx, mut rx) = (
            ring.producer().expect("a free end"),
            ring.consumer().expect("a free end"),
        );
        watch(&spec, Kind::Bytes, &mut || bytes(&mut tx, &mut rx, n));
    }
}

#[test]
fn pushing_and_popping_allocate_nothing() {
    on_each_ring(100_000, |spec, kind, work| {
        assert_eq!(allocations(work), 0, "{kind:?} {spec:?}");
    });
    many::on_each_kind(20_000, |what, work| {
        assert_eq!(allocations(work), 0, "{what}");
    });
    let probe = allocations(|| drop(std::hint::black_box(Box::new(1))));
    assert_eq!(probe, 1, "the allocator counts");
}

// ---- system calls -------------------------------------------------------------------------------------

/// Marks a place in the trace: a write to nowhere.
fn mark(text: &str) {
    // SAFETY: the text is live; -1 is never a descriptor, so nothing is written.
    unsafe { libc::write(-1, text.as_ptr().cast(), text.len()) };
}

fn one_thread(_: &Args) {
    on_each_ring(1_000_000 / 16, |_, _, work| {
        mark("begin");
        work();
        mark("end");
    });
}

fn many_ends(_: &Args) {
    many::on_each_kind(20_000, |_, work| {
        mark("begin");
        work();
        mark("end");
    });
}

/// Two threads that poll.
fn two_threads(_: &Args) {
    for spec in rings() {
        let ring = spec.typed().create().expect("a new ring");
        let (mut tx, mut rx) = (
            ring.producer().expect("a free end"),
            ring.consumer().expect("a free end"),
        );
        const MESSAGES: u64 = 40_000;
        let stage = AtomicU32::new(0);
        let reach = |step| {
            stage.fetch_add(1, Ordering::SeqCst);
            while stage.load(Ordering::SeqCst) < step {
                std::hint::spin_loop();
            }
        };
        std::thread::scope(|scope| {
            let peer = scope.spawn(|| {
                reach(2);
                reach(4);
                for i in 0..MESSAGES {
                    while tx.try_push(&Msg::new(i)).is_err() {
                        std::hint::spin_loop();
                    }
                }
                reach(6);
                reach(8);
            });
            reach(2);
            mark("begin");
            reach(4);
            for i in 0..MESSAGES {
                let message = loop {
                    match rx.try_pop() {
                        Ok(message) => break message,
                        Err(e) => assert_eq!(e, TryPopError::Empty),
                    }
                    std::hint::spin_loop();
                };
                assert_eq!(message.number(), Some(i));
            }
            reach(6);
            mark("end");
            reach(8);
            // Only a join waits for the thread's own last calls, which belong to no part.
            peer.join().expect("the peer did its work");
        });
    }
}

/// Whether `strace` is here and allowed to work; says why not otherwise.
fn can_trace() -> bool {
    let mut command = Command::new("strace");
    command.args(["-f", "-o", "/dev/null", "true"]);
    let tried = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    match tried {
        Ok(status) if status.success() => return true,
        Ok(status) => eprintln!("skipped: strace may not trace here ({status})"),
        Err(e) => eprintln!("skipped: no strace ({e})"),
    }
    false
}

/// The traced lines between marks, and how many marked parts there were.
fn calls_between_marks(trace: &str) -> (Vec<&str>, usize) {
    let (mut inside, mut parts, mut calls) = (false, 0, Vec::new());
    for line in trace.lines() {
        if line.contains("write(-1, \"begin\"") {
            inside = true;
        } else if line.contains("write(-1, \"end\"") {
            (inside, parts) = (false, parts + 1);
        } else if inside {
            calls.push(line);
        }
    }
    (calls, parts)
}

fn makes_no_system_calls(role: &str, wanted_parts: usize) {
    let _quiet = alone();
    if !can_trace() {
        return;
    }
    let dir = TempDir::new("trace");
    let file = dir.file("trace");
    let tracer = ["strace", "-f", "-qq", "-s", "16", "-o", &file];
    Start::new(role, Args::default())
        .under(&tracer)
        .go()
        .finish();
    let trace = std::fs::read_to_string(&file).expect("a trace");
    let (calls, parts) = calls_between_marks(&trace);
    assert_eq!(parts, wanted_parts, "all parts were traced");
    assert!(
        calls.is_empty(),
        "{} calls, the first ones: {:#?}",
        calls.len(),
        &calls[..calls.len().min(5)]
    );
}

#[test]
fn one_thread_that_pushes_and_pops_makes_no_system_call() {
    makes_no_system_calls("alone", 16);
}

#[test]
fn many_ends_in_the_hands_of_one_thread_make_no_system_call() {
    makes_no_system_calls("many ends", many::KINDS * many::ways());
}

#[test]
fn two_threads_that_poll_make_no_system_call() {
    makes_no_system_calls("two threads", 8);
}

// ---- between two looks ----------------------------------------------------------------------------------

/// Something that happens elsewhere, in the middle of what this thread does.
type Event = Option<Box<dyn FnOnce()>>;

thread_local! {
    /// What happens just before the kernel is next asked about a token.
    static BEFORE: RefCell<Event> = const { RefCell::new(None) };
    /// What happens just after the kernel has next answered about a token.
    static AFTER: RefCell<Event> = const { RefCell::new(None) };
}

/// Asks the kernel by `call`; if the question is about a token, lets happen what is due before and after.
fn asked(about_a_token: bool, call: impl FnOnce() -> libc::c_long) -> i32 {
    let happen = |event: &'static std::thread::LocalKey<RefCell<Event>>| {
        if let Ok(Some(event)) = event.try_with(|event| event.take()) {
            event();
        }
    };
    if about_a_token {
        happen(&BEFORE);
    }
    let answer = call();
    if about_a_token {
        happen(&AFTER);
    }
    answer as i32
}

/// Stands before the C library's function of this name in this binary, and does the same.
///
/// # Safety
/// As `fcntl(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn fcntl(fd: i32, command: i32, argument: usize) -> i32 {
    asked(command == libc::F_OFD_GETLK, || {
        // SAFETY: the caller's promise is handed on; 64-bit Linux passes the third argument in a register
        // whether or not there is one.
        unsafe { libc::syscall(libc::SYS_fcntl, fd, command, argument) }
    })
}

/// Stands before the C library's function of this name in this binary, and does the same.
///
/// # Safety
/// As `semctl(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn semctl(id: i32, number: i32, command: i32, argument: usize) -> i32 {
    asked(command == libc::GETVAL, || {
        // SAFETY: as for `fcntl`.
        unsafe { libc::syscall(libc::SYS_semctl, id, number, command, argument) }
    })
}

/// A ring whose producer has left, and what its consumer sees of that end while `leaves` says whether
/// another producer only comes, or comes and leaves, between the looks at kernel and table.
fn seen_of_a_visitor(via: Via, leaves: bool) -> Peer {
    let spec = Spec::new(via);
    let _gone = Cleanup(|| spec.remove());
    let ring = spec.create();
    let rx = ring.consumer().expect("a free end");
    drop(ring.producer().expect("a free end"));
    let visitor = Rc::new(RefCell::new(None));
    let (comes, seat) = (ring.clone(), Rc::clone(&visitor));
    AFTER.set(Some(Box::new(move || {
        *seat.borrow_mut() = Some(comes.producer().expect("left in order"));
        if leaves {
            BEFORE.set(Some(Box::new(move || drop(seat.take()))));
        }
    })));
    let seen = rx.producer_state();
    BEFORE.take();
    assert!(AFTER.take().is_none(), "somebody came in between");
    seen
}

#[test]
fn an_endpoint_that_comes_while_it_is_looked_for_is_not_declared_dead() {
    for via in [Via::Shm, Via::SysvName] {
        assert_ne!(seen_of_a_visitor(via, false), Peer::Died, "{via:?}");
    }
}

#[test]
fn an_endpoint_that_comes_and_leaves_while_it_is_looked_for_is_not_declared_dead() {
    for via in [Via::Shm, Via::SysvName] {
        assert_ne!(seen_of_a_visitor(via, true), Peer::Died, "{via:?}");
    }
}
