//! Queues written in C and C++, one foreign call per message or batch.
//!
//! moodycamel and Boost work between threads; ck_ring and rte_ring hold messages by value in memory that forked processes share at one
//! address. Invariant: a queue and its ends are never freed; they end with the process, which serves one measurement.

use std::ffi::c_void;
use std::marker::PhantomData;
use std::ptr::NonNull;

use super::traits;
use crate::scenario::engine::{Across, Traits, Wait, WrittenIn};
use crate::scenario::harness::CAPACITY;
use crate::scenario::many::content::Slot;
use crate::scenario::many::harness;
use crate::scenario::many::loops::{Rx, Tx};
use crate::scenario::many::work::{MOST_BATCH, Many, Sharing};

/// What a C or C++ file defines for its queue. Contracts: `queue` and `end` come from the calls above them and are not null; an end
/// is used by one thread, for sending or for receiving; `messages` has `count` readable messages of 56 bytes, and `into` so many
/// writable ones.
pub struct Calls {
    create: unsafe extern "C" fn(slots: usize, producers: usize) -> *mut c_void,
    sender: unsafe extern "C" fn(queue: *mut c_void) -> *mut c_void,
    receiver: unsafe extern "C" fn(queue: *mut c_void) -> *mut c_void,
    send: unsafe extern "C" fn(end: *mut c_void, messages: *const Slot, count: usize) -> usize,
    receive: unsafe extern "C" fn(end: *mut c_void, into: *mut Slot, count: usize) -> usize,
}

/// A queue of another language.
pub trait Foreign: 'static {
    /// What it is.
    const TRAITS: Traits;
    /// Its calls.
    const CALLS: Calls;
    /// Whether a call waits for the calls of others that began earlier.
    const WAITS_IN_TURN: bool = false;
}

/// Such a queue.
pub struct Channel<F> {
    queue: NonNull<c_void>,
    foreign: PhantomData<fn() -> F>,
}

/// An end of it, and where it takes messages to.
pub struct End<F> {
    end: NonNull<c_void>,
    taken: [Slot; MOST_BATCH as usize],
    foreign: PhantomData<fn() -> F>,
}

// SAFETY: every queue here may be used by any number of threads; through this type they only attach.
unsafe impl<F> Sync for Channel<F> {}

impl<F: Foreign> harness::Channel for Channel<F> {
    const TRAITS: Traits = F::TRAITS;
    type Tx = End<F>;
    type Rx = End<F>;

    fn carries(many: Many) -> bool {
        many.sharing == Sharing::Competing && !(F::WAITS_IN_TURN && many.rivals_share_a_core())
    }

    fn create(many: Many) -> Result<Self, String> {
        // SAFETY: `create` has no preconditions.
        let queue = unsafe { (F::CALLS.create)(CAPACITY, many.producers as usize) };
        Ok(Channel {
            queue: NonNull::new(queue).ok_or("the queue could not be made")?,
            foreign: PhantomData,
        })
    }

    fn sender(&self) -> Result<End<F>, String> {
        // SAFETY: the queue was made by `create` of the same calls.
        End::new(unsafe { (F::CALLS.sender)(self.queue.as_ptr()) })
    }

    fn receiver(&self) -> Result<End<F>, String> {
        // SAFETY: the queue was made by `create` of the same calls.
        End::new(unsafe { (F::CALLS.receiver)(self.queue.as_ptr()) })
    }
}

impl<F> End<F> {
    fn new(end: *mut c_void) -> Result<Self, String> {
        Ok(End {
            end: NonNull::new(end).ok_or("no memory for an end")?,
            taken: [[0; 7]; MOST_BATCH as usize],
            foreign: PhantomData,
        })
    }
}

impl<F: Foreign> Tx for End<F> {
    #[inline(always)]
    fn try_send(&mut self, message: &Slot) -> bool {
        self.try_send_many(std::slice::from_ref(message)) == 1
    }

    #[inline(always)]
    fn try_send_many(&mut self, messages: &[Slot]) -> usize {
        // SAFETY: a live end for sending, and as many messages as stated.
        unsafe { (F::CALLS.send)(self.end.as_ptr(), messages.as_ptr(), messages.len()) }
    }
}

impl<F: Foreign> Rx for End<F> {
    #[inline(always)]
    fn try_receive(&mut self, take: &mut impl FnMut(&Slot)) -> bool {
        self.try_receive_many(1, take) == 1
    }

    #[inline(always)]
    fn try_receive_many(&mut self, most: usize, take: &mut impl FnMut(&Slot)) -> usize {
        let most = most.min(self.taken.len());
        // SAFETY: a live end for receiving, and `taken` has room for `most`.
        let count = unsafe { (F::CALLS.receive)(self.end.as_ptr(), self.taken.as_mut_ptr(), most) };
        self.taken[..count].iter().for_each(take);
        count
    }
}

/// An end of a queue whose ends have nothing of their own.
#[cfg(any(have_boost_queue, have_ck, have_dpdk))]
unsafe extern "C" fn the_queue_itself(queue: *mut c_void) -> *mut c_void {
    queue
}

/// moodycamel::ConcurrentQueue. Not in order across producers.
#[cfg(have_concurrentqueue)]
pub struct Moodycamel;

#[cfg(have_concurrentqueue)]
unsafe extern "C" {
    fn peers_camel_many_create(slots: usize, producers: usize) -> *mut c_void;
    fn peers_camel_many_sender(queue: *mut c_void) -> *mut c_void;
    fn peers_camel_many_receiver(queue: *mut c_void) -> *mut c_void;
    fn peers_camel_many_send(end: *mut c_void, messages: *const Slot, count: usize) -> usize;
    fn peers_camel_many_receive(end: *mut c_void, into: *mut Slot, count: usize) -> usize;
}

#[cfg(have_concurrentqueue)]
impl Foreign for Moodycamel {
    const TRAITS: Traits = traits("moodycamel-cq", Across::Threads, WrittenIn::Cpp, Wait::Spin);
    const CALLS: Calls = Calls {
        create: peers_camel_many_create,
        sender: peers_camel_many_sender,
        receiver: peers_camel_many_receiver,
        send: peers_camel_many_send,
        receive: peers_camel_many_receive,
    };
}

/// boost::lockfree::queue. It has no call for several messages.
#[cfg(have_boost_queue)]
pub struct Boost;

#[cfg(have_boost_queue)]
unsafe extern "C" {
    fn peers_boost_many_create(slots: usize, producers: usize) -> *mut c_void;
    fn peers_boost_many_send(end: *mut c_void, messages: *const Slot, count: usize) -> usize;
    fn peers_boost_many_receive(end: *mut c_void, into: *mut Slot, count: usize) -> usize;
}

#[cfg(have_boost_queue)]
impl Foreign for Boost {
    const TRAITS: Traits = traits("boost-queue", Across::Threads, WrittenIn::Cpp, Wait::Spin);
    const CALLS: Calls = Calls {
        create: peers_boost_many_create,
        sender: the_queue_itself,
        receiver: the_queue_itself,
        send: peers_boost_many_send,
        receive: peers_boost_many_receive,
    };
}

/// Concurrency Kit's ck_ring. It has no call for several messages.
#[cfg(have_ck)]
pub struct Ck;

#[cfg(have_ck)]
unsafe extern "C" {
    fn peers_ck_create(slots: usize, producers: usize) -> *mut c_void;
    fn peers_ck_send(end: *mut c_void, messages: *const Slot, count: usize) -> usize;
    fn peers_ck_receive(end: *mut c_void, into: *mut Slot, count: usize) -> usize;
}

#[cfg(have_ck)]
impl Foreign for Ck {
    const TRAITS: Traits = traits("ck-ring", Across::Processes, WrittenIn::C, Wait::Spin);
    const CALLS: Calls = Calls {
        create: peers_ck_create,
        sender: the_queue_itself,
        receiver: the_queue_itself,
        send: peers_ck_send,
        receive: peers_ck_receive,
    };
    const WAITS_IN_TURN: bool = true;
}

/// How rte_ring's producers and consumers wait for each other: strictly in turn.
#[cfg(have_dpdk)]
pub const PLAIN: u32 = 0;
/// Relaxed tail sync: the last one out moves the tail.
#[cfg(have_dpdk)]
pub const RTS: u32 = 1;
/// Head/tail sync: one at a time.
#[cfg(have_dpdk)]
pub const HTS: u32 = 2;

/// DPDK's rte_ring with messages by value, in one of its three modes.
#[cfg(have_dpdk)]
pub struct Dpdk<const MODE: u32>;

#[cfg(have_dpdk)]
unsafe extern "C" {
    fn peers_dpdk_many_create(slots: usize, mode: u32) -> *mut c_void;
    fn peers_dpdk_many_send(end: *mut c_void, messages: *const Slot, count: usize) -> usize;
    fn peers_dpdk_many_receive(end: *mut c_void, into: *mut Slot, count: usize) -> usize;
}

#[cfg(have_dpdk)]
unsafe extern "C" fn create_dpdk<const MODE: u32>(slots: usize, _producers: usize) -> *mut c_void {
    // SAFETY: `create` has no preconditions.
    unsafe { peers_dpdk_many_create(slots, MODE) }
}

#[cfg(have_dpdk)]
impl<const MODE: u32> Foreign for Dpdk<MODE> {
    const TRAITS: Traits = traits(
        match MODE {
            RTS => "rte-ring-rts",
            HTS => "rte-ring-hts",
            _ => "rte-ring",
        },
        Across::Processes,
        WrittenIn::C,
        Wait::Spin,
    );
    const CALLS: Calls = Calls {
        create: create_dpdk::<MODE>,
        sender: the_queue_itself,
        receiver: the_queue_itself,
        send: peers_dpdk_many_send,
        receive: peers_dpdk_many_receive,
    };
    const WAITS_IN_TURN: bool = MODE == PLAIN;
}
