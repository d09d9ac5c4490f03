//! Which ring a command line means: a name and a backing.

use crate::args::BackingName;
use crate::exit::{Failure, Kind};
use annulus::{Backing, OpenError};

/// The backing that `name` selects, and what to do where two unrelated processes cannot meet.
pub fn shared_backing(backing: BackingName, name: &str) -> Result<Backing, Failure> {
    let nameless = |what: &str| {
        Failure::new(
            Kind::Usage,
            format!(
                "{what}, so two processes that were started apart cannot find each other in it; \
                 use --backing posix-shm, sysv or file"
            ),
        )
    };
    match backing {
        BackingName::PosixShm => Ok(Backing::PosixShm),
        BackingName::Sysv => Ok(Backing::SysV { key: key(name)? }),
        BackingName::File => Ok(Backing::File),
        BackingName::Memfd => Err(nameless(
            "a memfd has no name and reaches another process only as a descriptor handed over or inherited",
        )),
        BackingName::Anon => Err(nameless(
            "an anonymous ring is inherited by fork and has no name",
        )),
    }
}

/// A System V key written as a number ("0x5f3a", as `annulus ls` shows it); `None`: an ordinary name.
fn key(name: &str) -> Result<Option<i32>, Failure> {
    let Some(digits) = name.strip_prefix("0x") else {
        return Ok(None);
    };
    match u32::from_str_radix(digits, 16) {
        Ok(key) => Ok(Some(key.cast_signed())),
        Err(_) => Err(Failure::new(
            Kind::Usage,
            format!("{name}: a System V key is 0x and up to 8 hexadecimal digits"),
        )),
    }
}

/// How a backing is called on the command line.
pub fn backing_name(backing: Backing) -> &'static str {
    match backing {
        Backing::PosixShm => "posix-shm",
        Backing::SysV { .. } => "sysv",
        Backing::File => "file",
        Backing::Memfd => "memfd",
        Backing::Anon => "anon",
        _ => "other",
    }
}

/// Does `look` at the ring `name`: in the backing that was given, else where a ring of such a name can be (a name with a
/// slash is a file, 0x... a System V key, any other is tried as POSIX shared memory, then as System V).
pub fn find<R>(
    name: &str,
    backing: Option<BackingName>,
    look: impl Fn(Backing) -> Result<R, OpenError>,
) -> Result<(Backing, R), Failure> {
    let places = match backing {
        Some(backing) => vec![shared_backing(backing, name)?],
        None if name.contains('/') => vec![Backing::File],
        None if name.starts_with("0x") => vec![shared_backing(BackingName::Sysv, name)?],
        None => vec![Backing::PosixShm, Backing::SysV { key: None }],
    };
    let mut missing = None;
    for place in places {
        match look(place) {
            Ok(found) => return Ok((place, found)),
            Err(e @ OpenError::NotFound { .. }) => missing = missing.or(Some(e)),
            Err(e) => return Err(e.into()),
        }
    }
    let hint = match backing {
        None if !name.contains('/') => {
            " (nor in System V memory; a file needs a path with a slash)"
        }
        _ => "",
    };
    let missing = missing.map_or_else(String::new, |e| e.to_string());
    Err(Failure::new(
        Kind::Ring,
        format!("{missing}{hint}; annulus ls shows what there is"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hexadecimal_number_is_a_key_and_anything_else_a_name() {
        assert_eq!(key("0xff").unwrap(), Some(255));
        assert_eq!(key("0xffffffff").unwrap(), Some(-1));
        assert_eq!(key("ticks").unwrap(), None);
        assert!(key("0xzz").is_err());
    }

    #[test]
    fn backings_without_a_name_are_refused_with_a_way_out() {
        for backing in [BackingName::Memfd, BackingName::Anon] {
            let refusal = shared_backing(backing, "x").unwrap_err();
            assert_eq!(refusal.kind, Kind::Usage);
            assert!(refusal.message.contains("--backing posix-shm"));
        }
    }
}
