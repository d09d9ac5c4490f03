//! What creators that were killed, and rings that were removed by halves, have left behind: objects without a ring.

use super::directory::{self, shm_names, sysv_keys};
use crate::layout::header::DATA_MAGIC;
use crate::segment;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Something that belongs to a ring that is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Leftover {
    /// What it is.
    pub kind: LeftoverKind,
    /// Its path, or its System V key in hexadecimal.
    pub name: String,
    /// Its size in bytes; 0 for a System V key.
    pub bytes: u64,
}

/// What a [`Leftover`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LeftoverKind {
    /// The data of a ring with read-only readers. Safe to remove, unless its ring is being made just now.
    Data,
    /// A named semaphore that no listed ring sleeps on. It may be that of a ring in a file, which is not listed.
    Semaphore,
    /// A ring whose creator did not come to give it a name. Safe to remove once that process, whose id is the number behind
    /// `.annulus-`, is gone.
    Unnamed,
    /// A System V key with semaphores of ours and no finished ring, at which nobody is at work. [`unlink`](crate::unlink)
    /// removes it; so does whoever makes a ring under that key.
    Key,
}

/// The instance in a name that has 16 hexadecimal digits between `before` and one of `after`.
fn instance_in(name: &str, before: &str, after: &[&str]) -> Option<u64> {
    let rest = name.strip_prefix(before)?;
    let digits = after.iter().find_map(|after| rest.strip_suffix(after))?;
    let plain = digits.len() == 16 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    u64::from_str_radix(digits, 16).ok().filter(|_| plain)
}

/// What the name of a file in `/dev/shm` makes it, and of which ring.
fn kind_of(name: &str) -> Option<(LeftoverKind, Option<u64>)> {
    if let Some(instance) = instance_in(name, "annulus.", &[".data"]) {
        return Some((LeftoverKind::Data, Some(instance)));
    }
    if let Some(instance) = instance_in(name, "sem.annulus.", &[".c", ".p"]) {
        return Some((LeftoverKind::Semaphore, Some(instance)));
    }
    let (pid, number) = name.strip_prefix(".annulus-")?.split_once('-')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_hexdigit());
    (digits(pid) && digits(number)).then_some((LeftoverKind::Unnamed, None))
}

/// Whether the file at `path` begins as the data of a ring does.
fn is_data(path: &Path) -> bool {
    let mut magic = [0; 8];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut magic));
    read.is_ok() && magic == DATA_MAGIC
}

/// Objects in `/dev/shm` and under System V keys that belong to rings, and whose ring is not there, sorted by name. Nothing
/// is touched. What a creator is making at this moment may be among them.
pub fn leftovers() -> Vec<Leftover> {
    let mut found = Vec::new();
    let files: Vec<_> = shm_names()
        .filter_map(|name| kind_of(&name).map(|of| (name, of)))
        .collect();
    // Behind the names: a ring that appears meanwhile is seen.
    let rings = directory::list();
    let there: BTreeSet<u64> = rings
        .iter()
        .filter_map(|ring| ring.status.as_ref().ok().map(|status| status.instance))
        .collect();
    for (name, (kind, instance)) in files {
        if instance.is_some_and(|instance| there.contains(&instance)) {
            continue;
        }
        let path = Path::new(segment::SHM_DIR).join(&name);
        let Ok(facts) = path.symlink_metadata() else {
            continue;
        };
        if kind == LeftoverKind::Data && !is_data(&path) {
            continue;
        }
        found.push(Leftover {
            kind,
            name: path.display().to_string(),
            bytes: facts.len(),
        });
    }
    let keys: BTreeSet<i32> = sysv_keys("shm").chain(sysv_keys("sem")).collect();
    for key in keys {
        if segment::is_abandoned(key).unwrap_or(false) {
            found.push(Leftover {
                kind: LeftoverKind::Key,
                name: format!("{key:#x}"),
                bytes: 0,
            });
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_rings_give_are_theirs() {
        let of = |name| kind_of(name);
        assert_eq!(
            of("annulus.0123456789abcdef.data"),
            Some((LeftoverKind::Data, Some(0x0123_4567_89ab_cdef)))
        );
        assert_eq!(
            of("sem.annulus.00000000000000ff.p"),
            Some((LeftoverKind::Semaphore, Some(255)))
        );
        assert_eq!(
            of(".annulus-4711-0123456789abcdef"),
            Some((LeftoverKind::Unnamed, None))
        );
        for strange in [
            "annulus.0123456789abcde.data",
            "annulus.+123456789abcdef.data",
            "annulus.0123456789abcdef.dat",
            "sem.annulus.0123456789abcdef",
            "sem.annulus.0123456789abcdef.x",
            ".annulus-4711",
            ".annulus--1",
            ".annulus-x-1",
            "annulus",
        ] {
            assert_eq!(of(strange), None, "{strange}");
        }
    }
}
