//! moodycamel::ConcurrentQueue between threads, where several producers meet.
//!
//! One foreign call per record. Its cells have room for the longest short record; it reserves whole blocks of 32 per producer,
//! so that it has room for some more than the ring's bytes.

use std::ffi::c_void;
use std::ptr::NonNull;

use super::traits;
use crate::scenario::engine::{Across, Traits, Wait, WrittenIn};
use crate::scenario::records::harness::Channel;
use crate::scenario::records::lengths::SHORT;
use crate::scenario::records::loops::{Rx, Tx};
use crate::scenario::records::work::Records;

/// Bytes of a cell in cpp/moodycamel_concurrent.cpp.
const CELL: usize = SHORT.most + 4;

// What cpp/moodycamel_concurrent.cpp defines. Contracts: `queue` comes from `create` and is not destroyed; `producer` and
// `consumer` come from a live queue and are used by one thread each; `record` has `length` readable bytes, at most 200; `into`
// has 200 writable bytes.
unsafe extern "C" {
    fn peers_camel_concurrent_create(cells: usize, producers: usize) -> *mut c_void;
    fn peers_camel_concurrent_destroy(queue: *mut c_void);
    fn peers_camel_concurrent_producer(queue: *mut c_void) -> *mut c_void;
    fn peers_camel_concurrent_consumer(queue: *mut c_void) -> *mut c_void;
    fn peers_camel_concurrent_try_send(
        producer: *mut c_void,
        record: *const c_void,
        length: usize,
    ) -> bool;
    fn peers_camel_concurrent_try_receive(consumer: *mut c_void, into: *mut c_void) -> i64;
}

/// ConcurrentQueue.
pub struct Concurrent(NonNull<c_void>);

// SAFETY: the queue may be used by any number of threads; tokens belong to one each.
unsafe impl Sync for Concurrent {}

/// A token of one thread. It ends with the process, which serves one measurement: the queue is told nothing.
pub struct Token(NonNull<c_void>);

impl Channel for Concurrent {
    const TRAITS: Traits = traits("moodycamel-cq", Across::Threads, WrittenIn::Cpp, Wait::Spin);
    type Tx = Token;
    type Rx = Token;

    fn carries(records: Records) -> bool {
        records.producers > 1 && records.lengths.most <= SHORT.most
    }

    fn create(records: Records) -> Result<Self, String> {
        let cells = records.lengths.ring_bytes() / CELL;
        // SAFETY: `create` has no preconditions.
        let queue = unsafe { peers_camel_concurrent_create(cells, records.producers as usize) };
        let queue = NonNull::new(queue).ok_or("the C++ queue could not be allocated")?;
        Ok(Concurrent(queue))
    }

    fn sender(&self) -> Result<Token, String> {
        // SAFETY: the queue is live.
        let token = unsafe { peers_camel_concurrent_producer(self.0.as_ptr()) };
        Ok(Token(NonNull::new(token).ok_or("no memory for a token")?))
    }

    fn receiver(&self) -> Result<Token, String> {
        // SAFETY: the queue is live.
        let token = unsafe { peers_camel_concurrent_consumer(self.0.as_ptr()) };
        Ok(Token(NonNull::new(token).ok_or("no memory for a token")?))
    }
}

impl Drop for Concurrent {
    fn drop(&mut self) {
        // SAFETY: made by `create`; its tokens are not used any more, they lived within the run that borrowed this.
        unsafe { peers_camel_concurrent_destroy(self.0.as_ptr()) };
    }
}

impl Tx for Token {
    #[inline(always)]
    fn try_send(&mut self, record: &[u8]) -> bool {
        let (token, bytes) = (self.0.as_ptr(), record.as_ptr().cast());
        // SAFETY: a producer's token of a live queue; the record is as long as stated and of the short class.
        unsafe { peers_camel_concurrent_try_send(token, bytes, record.len()) }
    }
}

impl Rx for Token {
    #[inline(always)]
    fn try_receive(&mut self, into: &mut Vec<u8>) -> bool {
        let bytes = into.as_mut_ptr().cast();
        // SAFETY: the consumer's token of a live queue; `into` has room for the longest record of the short class.
        let length = unsafe { peers_camel_concurrent_try_receive(self.0.as_ptr(), bytes) };
        if let Ok(length) = usize::try_from(length) {
            // SAFETY: so many bytes were written just now.
            unsafe { into.set_len(length) };
        }
        length >= 0
    }
}
