//! DPDK's rte_ring across processes, passing pointers to the buffers of a pool (cpp/dpdk_ring.c).
//!
//! One foreign call per record. The pool is anonymous shared memory at the same address in every forked process. Invariant:
//! pool and rings together hold as many buffers as the ring's bytes do.

use std::ffi::c_void;
use std::io::Error;
use std::ptr::NonNull;

use super::traits;
use crate::scenario::engine::{Across, Traits, Wait, WrittenIn};
use crate::scenario::records::harness::Channel;
use crate::scenario::records::loops::{Rx, Tx};
use crate::scenario::records::work::Records;

// What cpp/dpdk_ring.c defines. Contracts: `memory` is what `init` says; `end` has `end_bytes` bytes, is aligned to 8, was attached
// and is used by one thread, for sending or for receiving; `record` has `length` readable bytes and `into` as many writable
// ones as the longest record has.
unsafe extern "C" {
    fn peers_dpdk_buffers(bytes: usize, longest: usize) -> u32;
    fn peers_dpdk_memory(buffers: u32, longest: usize) -> usize;
    fn peers_dpdk_init(memory: *mut c_void, buffers: u32, longest: usize, several: bool) -> bool;
    fn peers_dpdk_end_bytes() -> usize;
    fn peers_dpdk_attach(end: *mut c_void, memory: *mut c_void, buffers: u32, producers: u32);
    fn peers_dpdk_try_send(end: *mut c_void, record: *const c_void, length: usize) -> bool;
    fn peers_dpdk_try_receive(end: *mut c_void, into: *mut c_void) -> i64;
}

/// Two rings and a pool of buffers.
pub struct Pool {
    memory: NonNull<c_void>,
    bytes: usize,
    buffers: u32,
    producers: u32,
}

// SAFETY: the rings are made for as many producers as attach, and for one consumer.
unsafe impl Sync for Pool {}

/// An end, with the free buffers it keeps to itself.
pub struct End(Box<[u64]>);

impl Channel for Pool {
    const TRAITS: Traits = traits("rte-ring", Across::Processes, WrittenIn::C, Wait::Spin);
    type Tx = End;
    type Rx = End;

    fn create(records: Records) -> Result<Self, String> {
        let lengths = records.lengths;
        // SAFETY: arithmetic alone.
        let buffers = unsafe { peers_dpdk_buffers(lengths.ring_bytes(), lengths.most) };
        // SAFETY: arithmetic alone.
        let bytes = unsafe { peers_dpdk_memory(buffers, lengths.most) };
        // SAFETY: a fresh anonymous mapping of non-zero length at an address of the kernel's choice.
        let memory = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_ANONYMOUS | libc::MAP_POPULATE,
                -1,
                0,
            )
        };
        if memory == libc::MAP_FAILED {
            return Err(format!("mmap: {}", Error::last_os_error()));
        }
        let memory = NonNull::new(memory).ok_or("mmap returned address 0")?;
        let pool = Pool {
            memory,
            bytes,
            buffers,
            producers: records.producers,
        };
        // SAFETY: the memory begins at a page, is as long as `memory` said and nobody else's yet.
        let made = unsafe {
            peers_dpdk_init(
                memory.as_ptr(),
                buffers,
                lengths.most,
                records.producers > 1,
            )
        };
        made.then_some(pool)
            .ok_or_else(|| String::from("rte_ring_init refused"))
    }

    fn sender(&self) -> Result<End, String> {
        self.receiver()
    }

    fn receiver(&self) -> Result<End, String> {
        // SAFETY: a constant.
        let bytes = unsafe { peers_dpdk_end_bytes() };
        let mut end = vec![0u64; bytes.div_ceil(8)].into_boxed_slice();
        let at = end.as_mut_ptr().cast();
        // SAFETY: the end is as long as it must be; the memory was initialised with as many buffers.
        unsafe { peers_dpdk_attach(at, self.memory.as_ptr(), self.buffers, self.producers) };
        Ok(End(end))
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        // SAFETY: this is the mapping made in `create`; the ends are gone, they lived within the run that borrowed this.
        unsafe { libc::munmap(self.memory.as_ptr(), self.bytes) };
    }
}

impl Tx for End {
    #[inline(always)]
    fn try_send(&mut self, record: &[u8]) -> bool {
        let (end, bytes) = (self.0.as_mut_ptr().cast(), record.as_ptr().cast());
        // SAFETY: attached and used for sending alone; the record is as long as stated and fits into a buffer.
        unsafe { peers_dpdk_try_send(end, bytes, record.len()) }
    }
}

impl Rx for End {
    #[inline(always)]
    fn try_receive(&mut self, into: &mut Vec<u8>) -> bool {
        let (end, bytes) = (self.0.as_mut_ptr().cast(), into.as_mut_ptr().cast());
        // SAFETY: attached and used for receiving alone; `into` has room for the longest record.
        let length = unsafe { peers_dpdk_try_receive(end, bytes) };
        if let Ok(length) = usize::try_from(length) {
            // SAFETY: so many bytes were written just now.
            unsafe { into.set_len(length) };
        }
        length >= 0
    }
}
