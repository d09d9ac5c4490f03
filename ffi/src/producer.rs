//! The producing end as C holds it. Messages are copied in; every call checks their size.

use crate::failure::{Failure, guard};
use crate::pointer::{self, Out};
use crate::waiting;
use annulus::{LoanRun, Producer};
use std::ffi::c_void;

/// The producing end of a ring. To be used by one thread at a time; it may move between threads.
pub struct AnnulusProducer {
    tx: Producer<[u8]>,
}

impl AnnulusProducer {
    pub(crate) fn new(tx: Producer<[u8]>) -> Self {
        Self { tx }
    }

    #[inline(always)]
    fn check(&self, size_bytes: usize) -> Result<(), Failure> {
        if size_bytes == self.tx.slot_size() {
            Ok(())
        } else {
            Err(wrong_size(self.tx.slot_size()))
        }
    }
}

/// A message of another size than the ring's.
#[cold]
pub(crate) fn wrong_size(slot_size: usize) -> Failure {
    Failure::invalid(
        "size_bytes",
        format_args!("the ring's slot size, {slot_size}"),
    )
}

/// Copies messages into a run of slots and sends them; how many.
fn fill(mut run: LoanRun<'_, [u8]>, messages: &[u8], size_bytes: usize) -> usize {
    let n = run.len();
    for (i, message) in messages.chunks_exact(size_bytes).take(n).enumerate() {
        run.write_at(i, 0, message);
    }
    run.commit();
    n
}

/// Pushes a copy of one message if there is room for it. Never waits; enters the kernel only to wake a
/// sleeping consumer. `size_bytes` must be the ring's slot size.
///
/// Errors: ANNULUS_E_FULL, ANNULUS_E_CLOSED if the consumer has closed, ANNULUS_E_CORRUPT, ANNULUS_E_INVALID,
/// ANNULUS_E_NULL. Nothing was pushed then.
///
/// # Safety
/// `producer` is NULL or a live handle, used by no other thread now. `message` is NULL or valid for reads of
/// `size_bytes` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn annulus_producer_try_push(
    producer: *mut AnnulusProducer,
    message: *const c_void,
    size_bytes: usize,
) -> i32 {
    guard(|| {
        // SAFETY: NULL or live and unshared, by this function's own contract.
        let producer = unsafe { pointer::handle(producer, "producer") }?;
        // SAFETY: NULL or readable for `size_bytes`, by this function's own contract.
        let message = unsafe { pointer::bytes(message, size_bytes, 1) }?;
        producer.check(size_bytes)?;
        Ok(producer.tx.try_push(message)?)
    })
}

/// Pushes a copy of one message, waiting for room for at most `timeout_ns` nanoseconds, or
/// `ANNULUS_FOREVER`. `wait` is one of `ANNULUS_WAIT_*`; `size_bytes` must be the ring's slot size.
///
/// Errors: ANNULUS_E_TIMED_OUT, ANNULUS_E_PEER_DIED if the ring is full and the consumer died,
/// ANNULUS_E_CLOSED if the consumer has closed, ANNULUS_E_CORRUPT, ANNULUS_E_INVALID, ANNULUS_E_NULL. Nothing
/// was pushed then.
///
/// # Safety
/// As `annulus_producer_try_push`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn annulus_producer_push(
    producer: *mut AnnulusProducer,
    message: *const c_void,
    size_bytes: usize,
    wait: i32,
    timeout_ns: u64,
) -> i32 {
    guard(|| {
        // SAFETY: NULL or live and unshared, by this function's own contract.
        let producer = unsafe { pointer::handle(producer, "producer") }?;
        // SAFETY: NULL or readable for `size_bytes`, by this function's own contract.
        let message = unsafe { pointer::bytes(message, size_bytes, 1) }?;
        producer.check(size_bytes)?;
        let wait = waiting::strategy(wait)?;
        match waiting::deadline(timeout_ns) {
            None => producer.tx.push(message, wait)?,
            Some(deadline) => producer.tx.push_until(message, wait, deadline)?,
        }
        Ok(())
    })
}

/// Pushes copies of as many of `count` messages, from the first, as there is room for now, and stores how
/// many in `*pushed`. The consumer is woken once. Never waits. The messages lie one behind the other, of
/// `size_bytes` bytes each, which must be the ring's slot size.
///
/// Returns ANNULUS_OK if at least one was pushed, or `count` is 0.
///
/// Errors: as `annulus_producer_try_push`; `*pushed` is 0 then.
///
/// # Safety
/// `producer` is NULL or a live handle, used by no other thread now. `messages` is NULL or valid for reads of
/// `size_bytes * count` bytes. `pushed` is NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn annulus_producer_try_push_many(
    producer: *mut AnnulusProducer,
    messages: *const c_void,
    size_bytes: usize,
    count: usize,
    pushed: *mut usize,
) -> i32 {
    guard(|| {
        // SAFETY: NULL or a place for a number, by this function's own contract.
        let pushed = unsafe { Out::new(pushed, 0, "pushed") }?;
        // SAFETY: NULL or live and unshared, by this function's own contract.
        let producer = unsafe { pointer::handle(producer, "producer") }?;
        // SAFETY: NULL or readable for so many bytes, by this function's own contract.
        let messages = unsafe { pointer::bytes(messages, size_bytes, count) }?;
        producer.check(size_bytes)?;
        if count > 0 {
            let run = producer.tx.try_claim_run(count)?;
            pushed.set(fill(run, messages, size_bytes));
        }
        Ok(())
    })
}

/// Like `annulus_producer_try_push_many`, but waits for room for the first message as
/// `annulus_producer_push` does. Does not wait for the others: fewer than `count` may have been pushed, and
/// the caller goes on with the rest.
///
/// Errors: as `annulus_producer_push`; `*pushed` is 0 then.
///
/// # Safety
/// As `annulus_producer_try_push_many`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn annulus_producer_push_many(
    producer: *mut AnnulusProducer,
    messages: *const c_void,
    size_bytes: usize,
    count: usize,
    wait: i32,
    timeout_ns: u64,
    pushed: *mut usize,
) -> i32 {
    guard(|| {
        // SAFETY: NULL or a place for a number, by this function's own contract.
        let pushed = unsafe { Out::new(pushed, 0, "pushed") }?;
        // SAFETY: NULL or live and unshared, by this function's own contract.
        let producer = unsafe { pointer::handle(producer, "producer") }?;
        // SAFETY: NULL or readable for so many bytes, by this function's own contract.
        let messages = unsafe { pointer::bytes(messages, size_bytes, count) }?;
        producer.check(size_bytes)?;
        let wait = waiting::strategy(wait)?;
        if count > 0 {
            if let Some(deadline) = waiting::deadline(timeout_ns) {
                // The loan is given back; the room that it proves stays, and the run below finds it.
                producer.tx.claim_until(wait, deadline)?.abort();
            }
            let run = producer.tx.claim_run(count, wait)?;
            pushed.set(fill(run, messages, size_bytes));
        }
        Ok(())
    })
}

/// Stores in `*len` how many messages the consumer has not released yet; never less than there are.
///
/// Errors: ANNULUS_E_NULL.
///
/// # Safety
/// `producer` is NULL or a live handle, used by no other thread now. `len` is NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn annulus_producer_len(
    producer: *const AnnulusProducer,
    len: *mut u64,
) -> i32 {
    guard(|| {
        // SAFETY: NULL or a place for a number, by this function's own contract.
        let out = unsafe { Out::new(len, 0, "len") }?;
        // SAFETY: NULL or live, by this function's own contract.
        let producer = unsafe { pointer::handle_ref(producer, "producer") }?;
        out.set(producer.tx.len());
        Ok(())
    })
}

/// Ends the stream for ever and frees the handle, whatever it returns: the consumer takes what was pushed and
/// then gets ANNULUS_E_CLOSED.
///
/// Errors: ANNULUS_E_NULL.
///
/// # Safety
/// `producer` is NULL or a live handle, used by nobody now or later.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn annulus_producer_close(producer: *mut AnnulusProducer) -> i32 {
    guard(|| {
        // SAFETY: NULL or live and never used again, by this function's own contract.
        let producer = unsafe { pointer::from_handle(producer) };
        producer
            .ok_or_else(|| Failure::null("producer"))?
            .tx
            .close();
        Ok(())
    })
}

/// Leaves the ring, so that another producer can go on, and frees the handle. NULL is allowed and does
/// nothing.
///
/// # Safety
/// `producer` is NULL or a live handle, used by nobody now or later.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn annulus_producer_free(producer: *mut AnnulusProducer) {
    guard(|| {
        // SAFETY: NULL or live and never used again, by this function's own contract.
        drop(unsafe { pointer::from_handle(producer) });
        Ok(())
    });
}
