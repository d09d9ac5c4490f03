//! Which ring is meant and how it is to be made, as C says it.
//!
//! The struct begins with its size and only ever grows at the end. All zero bytes mean: the default.

use crate::failure::Failure;
use crate::pointer;
use annulus::{Backing, Options, Parking, WaitBackend};
use std::ffi::c_char;

/// A file in /dev/shm; the name is its file name.
pub const ANNULUS_BACKING_POSIX_SHM: i32 = 0;
/// A System V segment; its key is the option `key`, or derived from the name.
pub const ANNULUS_BACKING_SYSV: i32 = 1;
/// A regular file; the name is its path. It keeps the bytes over a reboot.
pub const ANNULUS_BACKING_FILE: i32 = 2;
/// Memory that children inherit by fork; it can be created but not opened. The name is for messages only.
pub const ANNULUS_BACKING_ANON: i32 = 3;

/// A futex on a word of the ring.
pub const ANNULUS_WAIT_BACKEND_FUTEX: i32 = 0;
/// Two named POSIX semaphores, for where there is no futex. Both sides must use the same C library and trust
/// each other.
pub const ANNULUS_WAIT_BACKEND_SEMAPHORE: i32 = 1;

/// `ANNULUS_PARKING_ASYMMETRIC` where the kernel offers it, else `ANNULUS_PARKING_FENCED`.
pub const ANNULUS_PARKING_AUTO: i32 = 0;
/// Nobody sleeps; `ANNULUS_WAIT_PARK` yields instead.
pub const ANNULUS_PARKING_NEVER: i32 = 1;
/// Every push executes a full fence, some nanoseconds.
pub const ANNULUS_PARKING_FENCED: i32 = 2;
/// Whoever goes to sleep makes the others execute a fence; a push costs one load.
pub const ANNULUS_PARKING_ASYMMETRIC: i32 = 3;

/// Which ring, and how to make it. Begin with
///
///     annulus_options options = { .size_bytes = sizeof options, .name = "md.ticks" };
///
/// and everything else has its default. When an existing ring is opened, only `name`, `backing`, `key` and
/// `slot_size_bytes` count.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct AnnulusOptions {
    /// sizeof(annulus_options), so that later versions can tell which fields there are.
    pub size_bytes: u32,
    /// Where the ring lives: `ANNULUS_BACKING_*`.
    pub backing: i32,
    /// The name, NUL-terminated: 1 to 200 letters, digits, '.', '_' or '-', not beginning with '.'; for a
    /// file its path, in UTF-8. May be NULL for a System V ring with a key.
    pub name: *const c_char,
    /// The System V key; 0 derives it from the name. For other backings 0.
    pub key: i32,
    /// Permission bits, exact whatever the umask, at most 0777; 0 stands for 0600.
    pub mode: u32,
    /// Slots: a power of two from 2 to 2^32; 0 stands for 1024.
    pub capacity: u64,
    /// Size of every message in bytes, 1 to 2^32. When opening, a ring of another size is refused, and 0
    /// accepts any.
    pub slot_size_bytes: u64,
    /// What sleeping endpoints sleep on: `ANNULUS_WAIT_BACKEND_*`.
    pub wait_backend: i32,
    /// Who may sleep, and who pays for it: `ANNULUS_PARKING_*`.
    pub parking: i32,
}

/// The size of the struct when it was first published. It was never smaller.
const FIRST_SIZE: usize = 48;
/// More than the struct will ever have: a larger size is a stray number.
const SIZE_LIMIT: usize = 4096;

const _: () = assert!(
    size_of::<AnnulusOptions>() == FIRST_SIZE,
    "this version is the first"
);

/// Copies the caller's struct into one of this version's size.
///
/// # Safety
/// `options` is NULL, or aligned and valid for reads of as many bytes as its first field says, and of that
/// field in any case.
unsafe fn copy(options: *const AnnulusOptions) -> Result<AnnulusOptions, Failure> {
    if options.is_null() {
        return Err(Failure::null("options"));
    }
    // SAFETY: not NULL, hence the first field can be read by this function's own contract. No reference to
    // the whole struct is made, which may be shorter than this version's.
    let given = unsafe { (&raw const (*options).size_bytes).read() } as usize;
    if !(FIRST_SIZE..=SIZE_LIMIT).contains(&given) {
        return Err(Failure::invalid("size_bytes", "sizeof(annulus_options)"));
    }
    // SAFETY: `given` bytes are readable by this function's own contract.
    let tail = unsafe { std::slice::from_raw_parts(options.cast::<u8>(), given) };
    if tail[size_of::<AnnulusOptions>()..]
        .iter()
        .any(|byte| *byte != 0)
    {
        let rule = "that of this library's version: an option that it does not know is set";
        return Err(Failure::invalid("size_bytes", rule));
    }
    // SAFETY: at least FIRST_SIZE bytes are readable, which is this version's size; every bit pattern is a
    // valid AnnulusOptions.
    Ok(unsafe { options.read() })
}

/// The backing of that number.
pub(crate) fn backing(number: i32, key: i32) -> Result<Backing, Failure> {
    if key != 0 && number != ANNULUS_BACKING_SYSV {
        return Err(Failure::invalid(
            "key",
            "0 unless the backing is ANNULUS_BACKING_SYSV",
        ));
    }
    match number {
        ANNULUS_BACKING_POSIX_SHM => Ok(Backing::PosixShm),
        ANNULUS_BACKING_SYSV => Ok(Backing::SysV {
            key: (key != 0).then_some(key),
        }),
        ANNULUS_BACKING_FILE => Ok(Backing::File),
        ANNULUS_BACKING_ANON => Ok(Backing::Anon),
        _ => Err(Failure::invalid("backing", "one of ANNULUS_BACKING_*")),
    }
}

/// The name of a ring, which a System V ring with a key need not have.
///
/// # Safety
/// As [`pointer::text`].
pub(crate) unsafe fn name<'a>(name: *const c_char, key: i32) -> Result<&'a str, Failure> {
    if name.is_null() && key != 0 {
        return Ok("");
    }
    // SAFETY: this function's own contract.
    unsafe { pointer::text(name, "name") }
}

/// The Rust options that C's stand for.
///
/// # Safety
/// `options` is NULL, or aligned and valid for reads of as many bytes as its first field says (and of that
/// field in any case); its name is NULL or a NUL-terminated string.
pub(crate) unsafe fn read(
    options: *const AnnulusOptions,
) -> Result<Options<annulus::Spsc<[u8]>>, Failure> {
    // SAFETY: this function's own contract.
    let given = unsafe { copy(options) }?;
    let backing = backing(given.backing, given.key)?;
    // SAFETY: this function's own contract.
    let name = unsafe { name(given.name, given.key) }?;
    let wait_backend = match given.wait_backend {
        ANNULUS_WAIT_BACKEND_FUTEX => WaitBackend::Futex,
        ANNULUS_WAIT_BACKEND_SEMAPHORE => WaitBackend::Semaphore,
        _ => {
            return Err(Failure::invalid(
                "wait_backend",
                "one of ANNULUS_WAIT_BACKEND_*",
            ));
        }
    };
    let parking = match given.parking {
        ANNULUS_PARKING_AUTO => Parking::Auto,
        ANNULUS_PARKING_NEVER => Parking::Never,
        ANNULUS_PARKING_FENCED => Parking::Fenced,
        ANNULUS_PARKING_ASYMMETRIC => Parking::Asymmetric,
        _ => return Err(Failure::invalid("parking", "one of ANNULUS_PARKING_*")),
    };
    let mut ring = annulus::spsc::<[u8]>(name)
        .backing(backing)
        .wait_backend(wait_backend)
        .parking(parking);
    match given.mode {
        0 => {}
        mode @ ..=0o777 => ring = ring.mode(mode),
        _ => return Err(Failure::invalid("mode", "at most 0777")),
    }
    if given.capacity != 0 {
        ring = ring.capacity(given.capacity);
    }
    if given.slot_size_bytes != 0 {
        let bytes = usize::try_from(given.slot_size_bytes)
            .map_err(|_| Failure::invalid("slot_size_bytes", "1 to 2^32"))?;
        ring = ring.slot_size(bytes);
    }
    Ok(ring)
}
