//! The consuming end as C holds it. Messages are copied out; every call checks their size.

use crate::failure::{Failure, guard};
use crate::pointer::{self, Out};
use crate::producer::wrong_size;
use crate::waiting;
use annulus::Consumer;
use std::ffi::c_void;

/// The consuming end of a ring. To be used by one thread at a time; it may move between threads.
pub struct AnnulusConsumer {
    rx: Consumer<[u8]>,
}

impl AnnulusConsumer {
    pub(crate) fn new(rx: Consumer<[u8]>) -> Self {
        Self { rx }
    }

    #[inline(always)]
    fn check(&self, size_bytes: usize) -> Result<(), Failure> {
        if size_bytes == self.rx.slot_size() {
            Ok(())
        } else {
            Err(wrong_size(self.rx.slot_size()))
        }
    }

    /// Takes one message, waiting for it.
    #[inline(always)]
    fn pop(&mut self, message: &mut [u8], wait: i32, timeout_ns: u64) -> Result<(), Failure> {
        let wait = waiting::strategy(wait)?;
        match waiting::deadline(timeout_ns) {
            None => self.rx.pop_into(message, wait)?,
            Some(deadline) => self.rx.pop_into_until(message, wait, deadline)?,
        }
        Ok(())
    }

    /// Takes as many messages as are there and fit; how many.
    fn drain_into(&mut self, messages: &mut [u8], size_bytes: usize) -> usize {
        let places = messages.chunks_exact_mut(size_bytes);
        let mut drain = self.rx.drain(places.len());
        let mut taken = 0;
        for place in places {
            if !drain.next_into(place) {
                break;
            }
            taken += 1;
        }
        taken
    }
}

/// Takes the oldest message, copying it to `message`. Never waits; enters the kernel only to wake a sleeping
/// producer. `size_bytes` must be the ring's slot size. The memory need not be initialised.
///
/// Errors: ANNULUS_E_EMPTY, ANNULUS_E_CLOSED if the producer has closed and everything was taken,
/// ANNULUS_E_CORRUPT, ANNULUS_E_INVALID, ANNULUS_E_NULL. Nothing was taken then.
///
/// # Safety
/// `consumer` is NULL or a live handle, used by no other thread now. `message` is NULL or valid for writes of
/// `size_bytes` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn annulus_consumer_try_pop(
    consumer: *mut AnnulusConsumer,
    message: *mut c_void,
    size_bytes: usize,
) -> i32 {
    guard(|| {
        // SAFETY: NULL or live and unshared, by this function's own contract.
        let consumer = unsafe { pointer::handle(consumer, "consumer") }?;
        // SAFETY: NULL or writable for `size_bytes`, by this function's own contract; only written to.
        let message = unsafe { pointer::bytes_mut(message, size_bytes, 1) }?;
        consumer.check(size_bytes)?;
        Ok(consumer.rx.try_pop_into(message)?)
    })
}

/// Takes the oldest message, waiting for one for at most `timeout_ns` nanoseconds, or `ANNULUS_FOREVER`.
/// `wait` is one of `ANNULUS_WAIT_*`; `size_bytes` must be the ring's slot size.
///
/// Errors: ANNULUS_E_TIMED_OUT, ANNULUS_E_PEER_DIED if the ring is empty and the producer died,
/// ANNULUS_E_CLOSED if the producer has closed and everything was taken, ANNULUS_E_CORRUPT,
/// ANNULUS_E_INVALID, ANNULUS_E_NULL. Nothing was taken then.
///
/// # Safety
/// As `annulus_consumer_try_pop`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn annulus_consumer_pop(
    consumer: *mut AnnulusConsumer,
    message: *mut c_void,
    size_bytes: usize,
    wait: i32,
    timeout_ns: u64,
) -> i32 {
    guard(|| {
        // SAFETY: NULL or live and unshared, by this function's own contract.
        let consumer = unsafe { pointer::handle(consumer, "consumer") }?;
        // SAFETY: NULL or writable for `size_bytes`, by this function's own contract; only written to.
        let message = unsafe { pointer::bytes_mut(message, size_bytes, 1) }?;
        consumer.check(size_bytes)?;
        consumer.pop(message, wait, timeout_ns)
    })
}

/// Takes up to `count` messages that are there now, copying them one behind the other to `messages`, and
/// stores how many in `*popped`. Never waits. `size_bytes` is the size of one message and must be the ring's
/// slot size. Slots go back one by one: should this process die in the middle, its successor gets the message
/// that was being copied again, and those before it are gone with this process.
///
/// Returns ANNULUS_OK if at least one was taken, or `count` is 0.
///
/// Errors: as `annulus_consumer_try_pop`; `*popped` is 0 then.
///
/// # Safety
/// `consumer` is NULL or a live handle, used by no other thread now. `messages` is NULL or valid for writes
/// of `size_bytes * count` bytes. `popped` is NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn annulus_consumer_try_pop_many(
    consumer: *mut AnnulusConsumer,
    messages: *mut c_void,
    size_bytes: usize,
    count: usize,
    popped: *mut usize,
) -> i32 {
    guard(|| {
        // SAFETY: NULL or a place for a number, by this function's own contract.
        let popped = unsafe { Out::new(popped, 0, "popped") }?;
        // SAFETY: NULL or live and unshared, by this function's own contract.
        let consumer = unsafe { pointer::handle(consumer, "consumer") }?;
        // SAFETY: NULL or writable for so many bytes, by this function's own contract; only written to.
        let messages = unsafe { pointer::bytes_mut(messages, size_bytes, count) }?;
        consumer.check(size_bytes)?;
        if count > 0 {
            let (first, rest) = messages.split_at_mut(size_bytes);
            consumer.rx.try_pop_into(first)?;
            popped.set(1 + consumer.drain_into(rest, size_bytes));
        }
        Ok(())
    })
}

/// Like `annulus_consumer_try_pop_many`, but waits for the first message as `annulus_consumer_pop` does. Does
/// not wait for the others: fewer than `count` may have been taken.
///
/// Errors: as `annulus_consumer_pop`; `*popped` is 0 then.
///
/// # Safety
/// As `annulus_consumer_try_pop_many`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn annulus_consumer_pop_many(
    consumer: *mut AnnulusConsumer,
    messages: *mut c_void,
    size_bytes: usize,
    count: usize,
    wait: i32,
    timeout_ns: u64,
    popped: *mut usize,
) -> i32 {
    guard(|| {
        // SAFETY: NULL or a place for a number, by this function's own contract.
        let popped = unsafe { Out::new(popped, 0, "popped") }?;
        // SAFETY: NULL or live and unshared, by this function's own contract.
        let consumer = unsafe { pointer::handle(consumer, "consumer") }?;
        // SAFETY: NULL or writable for so many bytes, by this function's own contract; only written to.
        let messages = unsafe { pointer::bytes_mut(messages, size_bytes, count) }?;
        consumer.check(size_bytes)?;
        if count > 0 {
            let (first, rest) = messages.split_at_mut(size_bytes);
            consumer.pop(first, wait, timeout_ns)?;
            popped.set(1 + consumer.drain_into(rest, size_bytes));
        }
        Ok(())
    })
}

/// Stores in `*len` how many messages are there to be taken; never more than there are.
///
/// Errors: ANNULUS_E_NULL.
///
/// # Safety
/// `consumer` is NULL or a live handle, used by no other thread now. `len` is NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn annulus_consumer_len(
    consumer: *const AnnulusConsumer,
    len: *mut u64,
) -> i32 {
    guard(|| {
        // SAFETY: NULL or a place for a number, by this function's own contract.
        let out = unsafe { Out::new(len, 0, "len") }?;
        // SAFETY: NULL or live, by this function's own contract.
        let consumer = unsafe { pointer::handle_ref(consumer, "consumer") }?;
        out.set(consumer.rx.len());
        Ok(())
    })
}

/// Says for ever that nothing more will be taken, and frees the handle, whatever it returns. The producer's
/// pushes fail with ANNULUS_E_CLOSED soon; messages not yet taken are lost.
///
/// Errors: ANNULUS_E_NULL.
///
/// # Safety
/// `consumer` is NULL or a live handle, used by nobody now or later.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn annulus_consumer_close(consumer: *mut AnnulusConsumer) -> i32 {
    guard(|| {
        // SAFETY: NULL or live and never used again, by this function's own contract.
        let consumer = unsafe { pointer::from_handle(consumer) };
        consumer
            .ok_or_else(|| Failure::null("consumer"))?
            .rx
            .close();
        Ok(())
    })
}

/// Leaves the ring, so that another consumer can go on, and frees the handle. NULL is allowed and does
/// nothing.
///
/// # Safety
/// `consumer` is NULL or a live handle, used by nobody now or later.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn annulus_consumer_free(consumer: *mut AnnulusConsumer) {
    guard(|| {
        // SAFETY: NULL or live and never used again, by this function's own contract.
        drop(unsafe { pointer::from_handle(consumer) });
        Ok(())
    });
}
