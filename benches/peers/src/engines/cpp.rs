//! C++ queues: Boost.Lockfree spsc_queue and moodycamel::ReaderWriterQueue, between two threads.
//!
//! The loops are C++ too (cpp/loops.hpp), so that push and pop are inlined; one foreign call runs a whole loop.
//! Invariant: a queue is destroyed after both sides are gone.

use std::ffi::c_void;
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::Arc;

use super::Family;
use crate::scenario::engine::{Across, Traits, Wait, WrittenIn};
use crate::scenario::harness::{Link, over_threads};
use crate::scenario::loops::{Damaged, End, verdict};
use crate::scenario::message::{self, Message};
use crate::scenario::pin::Cpus;
use crate::scenario::slices::Party;

/// The C++ functions for one queue type and one message size.
///
/// Contracts, the same for every entry: `queue`, `out`, `back`, `in` come from `create` and are not destroyed; one thread
/// sends to and one thread receives from a queue; `table` points to `length` messages of that size, `length` > 0.
struct Functions {
    create: unsafe extern "C" fn() -> *mut c_void,
    destroy: unsafe extern "C" fn(*mut c_void),
    send: unsafe extern "C" fn(*mut c_void, *const c_void, usize, u64),
    receive: unsafe extern "C" fn(*mut c_void, *const c_void, usize, u64) -> u64,
    ping: unsafe extern "C" fn(*mut c_void, *mut c_void, *const c_void, usize, u64) -> u64,
    echo: unsafe extern "C" fn(*mut c_void, *mut c_void, u64),
    send_numbered: unsafe extern "C" fn(*mut c_void, u64),
    receive_numbered: unsafe extern "C" fn(*mut c_void, u64) -> u64,
}

/// Declares the functions that PEERS_DEFINE in cpp/loops.hpp defines, and puts them into a `Functions`.
macro_rules! functions {
    ($create:ident $destroy:ident $send:ident $receive:ident $ping:ident $echo:ident $send_numbered:ident
     $receive_numbered:ident) => {{
        unsafe extern "C" {
            fn $create() -> *mut c_void;
            fn $destroy(queue: *mut c_void);
            fn $send(queue: *mut c_void, table: *const c_void, length: usize, count: u64);
            fn $receive(queue: *mut c_void, table: *const c_void, length: usize, count: u64)
            -> u64;
            fn $ping(
                out: *mut c_void,
                back: *mut c_void,
                table: *const c_void,
                length: usize,
                count: u64,
            ) -> u64;
            fn $echo(out: *mut c_void, in_: *mut c_void, count: u64);
            fn $send_numbered(queue: *mut c_void, count: u64);
            fn $receive_numbered(queue: *mut c_void, count: u64) -> u64;
        }
        Functions {
            create: $create,
            destroy: $destroy,
            send: $send,
            receive: $receive,
            ping: $ping,
            echo: $echo,
            send_numbered: $send_numbered,
            receive_numbered: $receive_numbered,
        }
    }};
}

/// A C++ queue type.
pub trait Queue: Send + 'static {
    /// Its functions for messages of `words` words (1, 7 or 128).
    #[allow(private_interfaces, reason = "the trait is used in this file alone")]
    fn functions(words: usize) -> Functions;
}

const fn cpp_threads(name: &'static str) -> Traits {
    Traits {
        name,
        across: Across::Threads,
        written_in: WrittenIn::Cpp,
        wait: Wait::Spin,
    }
}

/// Boost.Lockfree spsc_queue.
#[cfg(have_boost)]
pub struct Boost;

#[cfg(have_boost)]
impl Family for Boost {
    const TRAITS: Traits = cpp_threads("boost-spsc");
    type Link<const WORDS: usize> = CppLink<Boost, WORDS>;
}

#[cfg(have_boost)]
impl Queue for Boost {
    #[allow(private_interfaces, reason = "the trait is used in this file alone")]
    fn functions(words: usize) -> Functions {
        match words {
            1 => {
                functions!(peers_boost_1_create peers_boost_1_destroy peers_boost_1_send peers_boost_1_receive peers_boost_1_ping peers_boost_1_echo peers_boost_1_send_numbered peers_boost_1_receive_numbered)
            }
            7 => {
                functions!(peers_boost_7_create peers_boost_7_destroy peers_boost_7_send peers_boost_7_receive peers_boost_7_ping peers_boost_7_echo peers_boost_7_send_numbered peers_boost_7_receive_numbered)
            }
            128 => {
                functions!(peers_boost_128_create peers_boost_128_destroy peers_boost_128_send peers_boost_128_receive peers_boost_128_ping peers_boost_128_echo peers_boost_128_send_numbered peers_boost_128_receive_numbered)
            }
            _ => unreachable!("compiled for 1, 7 and 128 words"),
        }
    }
}

/// moodycamel::ReaderWriterQueue.
#[cfg(have_moodycamel)]
pub struct Moodycamel;

#[cfg(have_moodycamel)]
impl Family for Moodycamel {
    const TRAITS: Traits = cpp_threads("moodycamel-rwq");
    type Link<const WORDS: usize> = CppLink<Moodycamel, WORDS>;
}

#[cfg(have_moodycamel)]
impl Queue for Moodycamel {
    #[allow(private_interfaces, reason = "the trait is used in this file alone")]
    fn functions(words: usize) -> Functions {
        match words {
            1 => {
                functions!(peers_camel_1_create peers_camel_1_destroy peers_camel_1_send peers_camel_1_receive peers_camel_1_ping peers_camel_1_echo peers_camel_1_send_numbered peers_camel_1_receive_numbered)
            }
            7 => {
                functions!(peers_camel_7_create peers_camel_7_destroy peers_camel_7_send peers_camel_7_receive peers_camel_7_ping peers_camel_7_echo peers_camel_7_send_numbered peers_camel_7_receive_numbered)
            }
            128 => {
                functions!(peers_camel_128_create peers_camel_128_destroy peers_camel_128_send peers_camel_128_receive peers_camel_128_ping peers_camel_128_echo peers_camel_128_send_numbered peers_camel_128_receive_numbered)
            }
            _ => unreachable!("compiled for 1, 7 and 128 words"),
        }
    }
}

/// A live C++ queue for messages of `WORDS` words.
struct Handle<Q: Queue, const WORDS: usize> {
    queue: NonNull<c_void>,
    functions: Functions,
    kind: PhantomData<Q>,
}

// SAFETY: the queue is a heap object without thread affinity.
unsafe impl<Q: Queue, const WORDS: usize> Send for Handle<Q, WORDS> {}
// SAFETY: both queue types allow one sending and one receiving thread at a time, and `CppLink` makes one of each.
unsafe impl<Q: Queue, const WORDS: usize> Sync for Handle<Q, WORDS> {}

impl<Q: Queue, const WORDS: usize> Handle<Q, WORDS> {
    fn new() -> Result<Self, String> {
        let functions = Q::functions(WORDS);
        // SAFETY: `create` has no preconditions.
        let queue = unsafe { (functions.create)() };
        let queue = NonNull::new(queue).ok_or("the C++ queue could not be allocated")?;
        Ok(Handle {
            queue,
            functions,
            kind: PhantomData,
        })
    }
}

impl<Q: Queue, const WORDS: usize> Drop for Handle<Q, WORDS> {
    fn drop(&mut self) {
        // SAFETY: made by `create` of the same functions; the last owner is going, so nobody uses it any more.
        unsafe { (self.functions.destroy)(self.queue.as_ptr()) };
    }
}

/// One side of two C++ queues.
pub struct CppEnd<Q: Queue, const WORDS: usize> {
    out: Arc<Handle<Q, WORDS>>,
    back: Arc<Handle<Q, WORDS>>,
    table: Box<[Message<WORDS>]>,
}

impl<Q: Queue, const WORDS: usize> End for CppEnd<Q, WORDS> {
    fn send(&mut self, count: u64) {
        let (table, length) = (self.table.as_ptr().cast(), self.table.len());
        // SAFETY: `out` is live and this side is its only sender; the table has `length` messages.
        unsafe { (self.out.functions.send)(self.out.queue.as_ptr(), table, length, count) };
    }

    fn receive(&mut self, count: u64) -> Result<(), Damaged> {
        let (table, length) = (self.table.as_ptr().cast(), self.table.len());
        let back = &self.back;
        // SAFETY: `back` is live and this side is its only receiver; the table has `length` messages.
        verdict(unsafe { (back.functions.receive)(back.queue.as_ptr(), table, length, count) })
    }

    fn ping(&mut self, count: u64) -> Result<(), Damaged> {
        let (table, length) = (self.table.as_ptr().cast(), self.table.len());
        let (out, back) = (self.out.queue.as_ptr(), self.back.queue.as_ptr());
        // SAFETY: both are live, this side is the only sender of `out` and the only receiver of `back`; the table has
        // `length` messages.
        verdict(unsafe { (self.out.functions.ping)(out, back, table, length, count) })
    }

    fn echo(&mut self, count: u64) {
        let (out, back) = (self.out.queue.as_ptr(), self.back.queue.as_ptr());
        // SAFETY: both are live, this side is the only sender of `out` and the only receiver of `back`.
        unsafe { (self.out.functions.echo)(out, back, count) };
    }

    fn send_numbered(&mut self, count: u64) {
        // SAFETY: `out` is live and this side is its only sender.
        unsafe { (self.out.functions.send_numbered)(self.out.queue.as_ptr(), count) };
    }

    fn receive_numbered(&mut self, count: u64) -> Result<(), Damaged> {
        let back = &self.back;
        // SAFETY: `back` is live and this side is its only receiver.
        verdict(unsafe { (back.functions.receive_numbered)(back.queue.as_ptr(), count) })
    }
}

/// Two C++ queues, one per direction.
pub struct CppLink<Q: Queue, const WORDS: usize> {
    near: Option<CppEnd<Q, WORDS>>,
    far: Option<CppEnd<Q, WORDS>>,
}

impl<Q: Queue, const WORDS: usize> Link for CppLink<Q, WORDS> {
    type Near = CppEnd<Q, WORDS>;
    type Far = CppEnd<Q, WORDS>;

    fn create() -> Result<Self, String> {
        let to_near = Arc::new(Handle::new()?);
        let to_far = Arc::new(Handle::new()?);
        let end = |out: &Arc<_>, back: &Arc<_>| CppEnd {
            out: Arc::clone(out),
            back: Arc::clone(back),
            table: message::table(),
        };
        Ok(CppLink {
            near: Some(end(&to_far, &to_near)),
            far: Some(end(&to_near, &to_far)),
        })
    }

    fn near(&mut self) -> Result<Self::Near, String> {
        self.near
            .take()
            .ok_or_else(|| String::from("attached twice"))
    }

    fn far(&mut self) -> Result<Self::Far, String> {
        self.far
            .take()
            .ok_or_else(|| String::from("attached twice"))
    }

    fn run<R>(
        self,
        cpus: Cpus,
        near: impl FnOnce(&mut Self::Near, &mut Party<'_>) -> Result<R, String>,
        far: impl FnOnce(&mut Self::Far, &mut Party<'_>) -> Result<(), String> + Send,
    ) -> Result<R, String> {
        over_threads(self, cpus, near, far)
    }
}
