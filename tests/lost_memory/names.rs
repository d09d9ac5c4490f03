//! Something else under a ring's name, or other permissions, while somebody works: he goes on, and newcomers are told.

use crate::common::alone;
use crate::common::clean::TempDir;
use annulus::{Backing, NotARing, OpenError, Ring, Spsc, Wait, spsc};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::{Duration, Instant};

/// What a newcomer finds.
type Found = Result<Ring<Spsc<u64>>, OpenError>;

/// A ring in a file, both of whose ends work while `attack` happens to its path; what a newcomer is told then; and the
/// directory that all this is in.
fn attacked(attack: impl FnOnce(&str)) -> (Ring<Spsc<u64>>, Found, TempDir) {
    let dir = TempDir::new("attacked");
    let path = dir.file("ring");
    let options = || spsc::<u64>(&path).backing(Backing::File).capacity(8);
    let ring = options().create().expect("create");
    let (mut tx, mut rx) = (
        ring.producer().expect("free"),
        ring.consumer().expect("free"),
    );
    let patience = Instant::now() + Duration::from_secs(20);
    let mut attack = Some(attack);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for n in 0..20_000 {
                let got = rx.pop_until(Wait::park(), patience);
                assert_eq!(got, Ok(n), "who has the ring goes on with it");
            }
        });
        for n in 0..20_000 {
            if n == 10_000 {
                attack.take().expect("once")(&path);
            }
            tx.push_until(&n, Wait::park(), patience).expect("room");
        }
    });
    let found = options().open();
    (ring, found, dir)
}

fn make_fifo(path: &str) {
    let name = std::ffi::CString::new(path).expect("no zeros");
    // SAFETY: a live zero-terminated string and an integer.
    assert_eq!(0, unsafe { libc::mkfifo(name.as_ptr(), 0o600) });
}

#[test]
fn a_name_that_is_taken_away_ends_nobody_s_work_and_newcomers_find_nothing() {
    let _alone = alone();
    let (ring, found, _dir) = attacked(|path| std::fs::remove_file(path).expect("remove"));
    assert!(!ring.is_current() && !ring.is_damaged());
    assert!(
        matches!(found, Err(OpenError::NotFound { .. })),
        "{found:?}"
    );
}

#[test]
fn another_ring_under_the_name_is_told_apart() {
    let _alone = alone();
    let (ring, found, _dir) = attacked(|path| {
        std::fs::remove_file(path).expect("remove");
        let other = spsc::<u64>(path).backing(Backing::File).capacity(16);
        drop(other.create().expect("create"));
    });
    let found = found.expect("a good ring");
    assert!(!ring.is_current() && found.is_current());
    assert_ne!(ring.instance(), found.instance());
    // One that is not in the way of the new one.
    ring.unlink().expect("nothing to do");
    assert!(found.is_current());
}

#[test]
fn a_ring_of_another_kind_or_type_under_the_name_is_refused() {
    let _alone = alone();
    let (_, found, _dir) = attacked(|path| {
        std::fs::remove_file(path).expect("remove");
        let other = annulus::mpmc::<u64>(path)
            .backing(Backing::File)
            .capacity(16);
        drop(other.create().expect("create"));
    });
    assert!(
        matches!(found, Err(OpenError::Mismatch { .. })),
        "{found:?}"
    );
}

#[test]
fn links_and_fifos_under_the_name_are_refused_and_hang_nobody() {
    let _alone = alone();
    let (ring, found, _dir) = attacked(|path| {
        let elsewhere = format!("{path}.moved");
        std::fs::rename(path, &elsewhere).expect("move");
        symlink(elsewhere, path).expect("a link");
    });
    let is = |found: &Found, what: NotARing| {
        assert!(
            matches!(found, Err(OpenError::NotARing { found, .. }) if *found == what),
            "{found:?}"
        );
    };
    assert!(!ring.is_current(), "a link is not followed");
    is(&found, NotARing::Symlink);
    let (ring, found, _dir) = attacked(|path| {
        std::fs::remove_file(path).expect("remove");
        make_fifo(path);
    });
    assert!(!ring.is_current());
    is(&found, NotARing::Fifo);
}

#[test]
fn permissions_count_when_a_ring_is_opened_and_not_after() {
    let _alone = alone();
    let (ring, found, _dir) = attacked(|path| {
        let none = std::fs::Permissions::from_mode(0o000);
        std::fs::set_permissions(path, none).expect("the owner may");
    });
    assert!(ring.is_current());
    // SAFETY: no arguments.
    match unsafe { libc::geteuid() } {
        // Whom no permission binds.
        0 => drop(found.expect("a good ring")),
        _ => assert!(matches!(found, Err(OpenError::Os(_))), "{found:?}"),
    }
}
