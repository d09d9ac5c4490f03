//! A ring as C holds it: made, opened, removed, and asked for its ends.

use crate::consumer::AnnulusConsumer;
use crate::failure::{Failure, guard};
use crate::options::{self, AnnulusOptions};
use crate::pointer::{self, Out};
use crate::producer::AnnulusProducer;
use annulus::{Options, Ring};
use std::ffi::c_char;
use std::ptr;

/// A mapped ring of bytes, neither producing nor consuming. To be used by one thread at a time, any thread.
pub struct AnnulusRing {
    ring: Ring<annulus::Spsc<[u8]>>,
}

/// The common half of create, open and open_or_create.
///
/// # Safety
/// As the functions that call it.
unsafe fn obtain<E: Into<Failure>>(
    options: *const AnnulusOptions,
    ring: *mut *mut AnnulusRing,
    how: impl FnOnce(&Options<annulus::Spsc<[u8]>>) -> Result<Ring<annulus::Spsc<[u8]>>, E>,
) -> i32 {
    guard(|| {
        // SAFETY: `ring` is NULL or a place for a pointer, by the caller's contract.
        let out = unsafe { Out::new(ring, ptr::null_mut(), "ring") }?;
        // SAFETY: `options` is NULL or as large as it says, its name a string, by the caller's contract.
        let options = unsafe { options::read(options) }?;
        let ring = how(&options).map_err(Into::into)?;
        out.set(pointer::to_handle(AnnulusRing { ring }));
        Ok(())
    })
}

/// Makes a new ring with one producer and one consumer. It appears under its name complete, or not at all.
///
/// On success `*ring` is a handle to be freed with `annulus_ring_free`, otherwise NULL. Any thread.
///
/// Errors: ANNULUS_E_EXISTS, ANNULUS_E_NO_SPACE, ANNULUS_E_INVALID, ANNULUS_E_NULL, ANNULUS_E_OS.
///
/// # Safety
/// `options` is NULL, or valid for reads of as many bytes as its first field says; its name is NULL or
/// NUL-terminated. `ring` is NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn annulus_spsc_create(
    options: *const AnnulusOptions,
    ring: *mut *mut AnnulusRing,
) -> i32 {
    // SAFETY: this function's own contract.
    unsafe { obtain(options, ring, Options::create) }
}

/// Opens a ring that exists.
///
/// On success `*ring` is a handle to be freed with `annulus_ring_free`, otherwise NULL. Any thread.
///
/// Errors: ANNULUS_E_NOT_FOUND, ANNULUS_E_NOT_A_RING, ANNULUS_E_UNFINISHED, ANNULUS_E_MISMATCH (another size
/// of messages, a ring of a Rust type, another wire version, a damaged header), ANNULUS_E_INVALID,
/// ANNULUS_E_NULL, ANNULUS_E_OS.
///
/// # Safety
/// As `annulus_spsc_create`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn annulus_spsc_open(
    options: *const AnnulusOptions,
    ring: *mut *mut AnnulusRing,
) -> i32 {
    // SAFETY: this function's own contract.
    unsafe { obtain(options, ring, Options::open) }
}

/// Opens the ring, or makes it if there is none. Safe against others doing the same.
///
/// On success `*ring` is a handle to be freed with `annulus_ring_free`, otherwise NULL. Any thread.
///
/// Errors: as `annulus_spsc_open` and `annulus_spsc_create`.
///
/// # Safety
/// As `annulus_spsc_create`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn annulus_spsc_open_or_create(
    options: *const AnnulusOptions,
    ring: *mut *mut AnnulusRing,
) -> i32 {
    // SAFETY: this function's own contract.
    unsafe { obtain(options, ring, Options::open_or_create) }
}

/// Removes the ring `name`: its name at once, its memory when nobody has it mapped any more. Processes that
/// use it go on. Damaged and unfinished rings are removed; what is not a ring is not. `backing`, `name` and
/// `key` are those of `annulus_options`. Any thread.
///
/// Errors: ANNULUS_E_NOT_FOUND, ANNULUS_E_NOT_A_RING, ANNULUS_E_INVALID, ANNULUS_E_NULL, ANNULUS_E_OS.
///
/// # Safety
/// `name` is NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn annulus_unlink(backing: i32, name: *const c_char, key: i32) -> i32 {
    guard(|| {
        let backing = options::backing(backing, key)?;
        // SAFETY: `name` is NULL or NUL-terminated, by this function's own contract.
        let name = unsafe { options::name(name, key) }?;
        Ok(annulus::unlink(backing, name)?)
    })
}

/// Removes the name of this ring, as `annulus_unlink` does. The handle stays valid. Does nothing if the name
/// leads to another ring by now.
///
/// Errors: ANNULUS_E_NULL, ANNULUS_E_OS, ANNULUS_E_NOT_FOUND if somebody else was quicker.
///
/// # Safety
/// `ring` is NULL or a live handle, used by no other thread now.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn annulus_ring_unlink(ring: *const AnnulusRing) -> i32 {
    guard(|| {
        // SAFETY: NULL or live, by this function's own contract.
        let ring = unsafe { pointer::handle_ref(ring, "ring") }?;
        Ok(ring.ring.unlink()?)
    })
}

/// Frees the handle. The ring itself stays until it is unlinked, and endpoints taken from the handle stay
/// valid. NULL is allowed and does nothing.
///
/// # Safety
/// `ring` is NULL or a live handle, used by nobody now or later.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn annulus_ring_free(ring: *mut AnnulusRing) {
    guard(|| {
        // SAFETY: NULL or live and never used again, by this function's own contract.
        drop(unsafe { pointer::from_handle(ring) });
        Ok(())
    });
}

/// Stores the number of slots of the ring in `*capacity`.
///
/// Errors: ANNULUS_E_NULL.
///
/// # Safety
/// `ring` is NULL or a live handle, used by no other thread now. `capacity` is NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn annulus_ring_capacity(
    ring: *const AnnulusRing,
    capacity: *mut u64,
) -> i32 {
    guard(|| {
        // SAFETY: NULL or a place for a number, by this function's own contract.
        let out = unsafe { Out::new(capacity, 0, "capacity") }?;
        // SAFETY: NULL or live, by this function's own contract.
        let ring = unsafe { pointer::handle_ref(ring, "ring") }?;
        out.set(ring.ring.capacity());
        Ok(())
    })
}

/// Stores the size of a message in bytes in `*slot_size_bytes`.
///
/// Errors: ANNULUS_E_NULL.
///
/// # Safety
/// `ring` is NULL or a live handle, used by no other thread now. `slot_size_bytes` is NULL or valid for a
/// write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn annulus_ring_slot_size(
    ring: *const AnnulusRing,
    slot_size_bytes: *mut u64,
) -> i32 {
    guard(|| {
        // SAFETY: NULL or a place for a number, by this function's own contract.
        let out = unsafe { Out::new(slot_size_bytes, 0, "slot_size_bytes") }?;
        // SAFETY: NULL or live, by this function's own contract.
        let ring = unsafe { pointer::handle_ref(ring, "ring") }?;
        out.set(ring.ring.slot_size() as u64);
        Ok(())
    })
}

/// Takes the producing end of the ring. If the last producer died, this one resumes right behind the last
/// message it committed.
///
/// On success `*producer` is a handle to be given back with `annulus_producer_free` or
/// `annulus_producer_close`, otherwise NULL.
///
/// Errors: ANNULUS_E_OCCUPIED while a living endpoint holds this end, ANNULUS_E_CLOSED after either side has
/// closed the ring, ANNULUS_E_CORRUPT, ANNULUS_E_NULL, ANNULUS_E_OS.
///
/// # Safety
/// `ring` is NULL or a live handle, used by no other thread now. `producer` is NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn annulus_ring_producer(
    ring: *const AnnulusRing,
    producer: *mut *mut AnnulusProducer,
) -> i32 {
    guard(|| {
        // SAFETY: NULL or a place for a pointer, by this function's own contract.
        let out = unsafe { Out::new(producer, ptr::null_mut(), "producer") }?;
        // SAFETY: NULL or live, by this function's own contract.
        let ring = unsafe { pointer::handle_ref(ring, "ring") }?;
        out.set(pointer::to_handle(AnnulusProducer::new(
            ring.ring.producer()?,
        )));
        Ok(())
    })
}

/// Takes the consuming end of the ring. If the last consumer died, this one resumes with the message that was
/// in its hands, which is thus delivered again.
///
/// On success `*consumer` is a handle to be given back with `annulus_consumer_free` or
/// `annulus_consumer_close`, otherwise NULL.
///
/// Errors: ANNULUS_E_OCCUPIED while a living endpoint holds this end, ANNULUS_E_CLOSED after the consumer has
/// closed the ring, ANNULUS_E_CORRUPT, ANNULUS_E_NULL, ANNULUS_E_OS.
///
/// # Safety
/// `ring` is NULL or a live handle, used by no other thread now. `consumer` is NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn annulus_ring_consumer(
    ring: *const AnnulusRing,
    consumer: *mut *mut AnnulusConsumer,
) -> i32 {
    guard(|| {
        // SAFETY: NULL or a place for a pointer, by this function's own contract.
        let out = unsafe { Out::new(consumer, ptr::null_mut(), "consumer") }?;
        // SAFETY: NULL or live, by this function's own contract.
        let ring = unsafe { pointer::handle_ref(ring, "ring") }?;
        out.set(pointer::to_handle(AnnulusConsumer::new(
            ring.ring.consumer()?,
        )));
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_handle_may_move_between_threads() {
        fn may_move<T: Send>() {}
        may_move::<AnnulusRing>();
        may_move::<AnnulusProducer>();
        may_move::<AnnulusConsumer>();
    }
}
