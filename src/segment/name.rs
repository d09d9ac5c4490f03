//! From a ring's name to the place where it is found.

use super::Backing;
use std::fmt;
use std::path::PathBuf;

/// Where POSIX shared memory lives on Linux.
pub(crate) const SHM_DIR: &str = "/dev/shm";
/// The longest name: room for a temporary suffix within a file name's 255 bytes.
const NAME_MAX: usize = 200;

/// Where a ring is, or will be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A file, in `/dev/shm` or elsewhere.
    Path { path: PathBuf, shm: bool },
    /// A System V key, and the hash of the name it was derived from (0 if the key was given).
    Key { key: i32, name_hash: u64 },
    /// A memfd, known by its descriptor. The name is for people.
    Memfd(String),
    /// Inherited memory. The name is for people.
    Anon(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path { path, .. } => write!(f, "{}", path.display()),
            Self::Key { key, .. } => write!(f, "System V key {key:#x}"),
            Self::Memfd(name) => write!(f, "memfd {name}"),
            Self::Anon(name) => write!(f, "anonymous ring {name}"),
        }
    }
}

/// 64-bit FNV-1a (Fowler, Noll, Vo; draft-eastlake-fnv).
pub(crate) fn fnv1a(bytes: impl IntoIterator<Item = u8>) -> u64 {
    bytes.into_iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// The System V key of a name: its hash folded to 31 bits, never `IPC_PRIVATE` (0).
fn key_of(name: &str) -> i32 {
    let hash = fnv1a(name.bytes());
    let folded = ((hash ^ (hash >> 32)) & 0x7fff_ffff) as i32;
    folded.max(1)
}

/// The rule a plain name has to obey.
const NAME_RULE: &str = "1 to 200 letters, digits, '.', '_' or '-', not beginning with '.' (a path goes with the file backing)";

fn plain(name: &str) -> Result<(), &'static str> {
    let fits = (1..=NAME_MAX).contains(&name.len())
        && !name.starts_with('.')
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b".-_".contains(&b));
    if fits { Ok(()) } else { Err(NAME_RULE) }
}

impl Place {
    /// Where the ring `name` is in `backing`. The error is the rule that the name breaks.
    pub(crate) fn new(backing: Backing, name: &str) -> Result<Self, &'static str> {
        match backing {
            Backing::File => {
                let path = PathBuf::from(name);
                if name.contains('\0') || path.file_name().is_none() {
                    return Err("a path that ends in a file name");
                }
                Ok(Self::Path { path, shm: false })
            }
            Backing::SysV { key: Some(0) } => Err("a key other than 0 (IPC_PRIVATE)"),
            Backing::SysV { key: Some(key) } => Ok(Self::Key { key, name_hash: 0 }),
            Backing::PosixShm => plain(name).map(|()| Self::Path {
                path: PathBuf::from(SHM_DIR).join(name),
                shm: true,
            }),
            Backing::SysV { key: None } => plain(name).map(|()| Self::Key {
                key: key_of(name),
                name_hash: fnv1a(name.bytes()),
            }),
            Backing::Memfd => plain(name).map(|()| Self::Memfd(name.to_owned())),
            Backing::Anon => plain(name).map(|()| Self::Anon(name.to_owned())),
        }
    }

    /// The backing of this place.
    pub(crate) fn backing(&self) -> Backing {
        match self {
            Self::Path { shm: true, .. } => Backing::PosixShm,
            Self::Path { shm: false, .. } => Backing::File,
            Self::Key { key, .. } => Backing::SysV { key: Some(*key) },
            Self::Memfd(_) => Backing::Memfd,
            Self::Anon(_) => Backing::Anon,
        }
    }

    /// The hash a ring at this place carries in its header; 0 where the name does not identify it.
    pub(crate) fn name_hash(&self) -> u64 {
        match self {
            Self::Key { name_hash, .. } => *name_hash,
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_leave_the_directory_or_hide_are_refused() {
        for bad in [
            "",
            ".",
            "..",
            ".hidden",
            "a/b",
            "/a",
            "a b",
            "a\0b",
            "ü",
            &"x".repeat(201),
        ] {
            assert!(Place::new(Backing::PosixShm, bad).is_err(), "{bad:?}");
        }
        assert_eq!(
            Place::new(Backing::PosixShm, "md.ticks")
                .unwrap()
                .to_string(),
            "/dev/shm/md.ticks"
        );
    }

    #[test]
    fn the_hash_is_fnv_1a_as_published() {
        assert_eq!(fnv1a(*b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(*b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a(*b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn a_file_ring_needs_a_file_name() {
        assert!(Place::new(Backing::File, "/tmp/").is_ok()); // file_name() of "/tmp/" is "tmp": a directory, refused later
        assert!(Place::new(Backing::File, "/").is_err());
        assert!(Place::new(Backing::File, "a/..").is_err());
    }
}
