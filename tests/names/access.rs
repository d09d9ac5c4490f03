//! Modes and owners: what a ring is created with, and who is turned away with what advice.

use crate::run_child;
use crate::scratch::{Key, Scratch, is_root, shm_path, unique};
use annulus::{Backing, CreateError, OpenError, Ring, WaitBackend, spsc, unlink};
use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

#[test]
fn modes_are_exact_under_a_hostile_umask() {
    let key = Key::unique();
    run_child("umask", &[&unique("umask"), &key.0.to_string()]);
}

/// Creates rings of many modes under many umasks.
pub fn role_umask(args: &[&str]) {
    let [name, key] = args else {
        panic!("two arguments")
    };
    let scratch = Scratch(shm_path(name));
    let key: i32 = key.parse().expect("a number");
    for (umask, mode) in [
        (0o777, 0o640),
        (0o777, 0o600),
        (0, 0o660),
        (0o022, 0o666),
        (0o177, 0o622),
    ] {
        // SAFETY: an integer. This process has nothing else to do.
        unsafe { libc::umask(umask) };
        let ring = spsc::<u64>(*name)
            .capacity(4)
            .mode(mode)
            .create()
            .expect("create");
        assert_eq!(
            fs::metadata(&scratch.0).expect("there").mode() & 0o7777,
            mode
        );
        ring.unlink().expect("unlink");
        let memfd = spsc::<u64>(*name)
            .capacity(4)
            .mode(mode)
            .backing(Backing::Memfd);
        let ring = memfd.create().expect("create");
        let fd = ring.descriptor().expect("a descriptor").as_raw_fd();
        let facts = fs::metadata(format!("/proc/self/fd/{fd}")).expect("there");
        assert_eq!(facts.mode() & 0o7777, mode);
        let options = spsc::<u64>("-")
            .capacity(4)
            .mode(mode)
            .backing(Backing::SysV { key: Some(key) });
        let ring = options.create().expect("create");
        // SAFETY: integers, and live buffers of the right types.
        unsafe {
            let mut shm: libc::shmid_ds = std::mem::zeroed();
            assert_eq!(
                0,
                libc::shmctl(libc::shmget(key, 0, 0), libc::IPC_STAT, &mut shm)
            );
            assert_eq!(u32::from(shm.shm_perm.mode) & 0o777, mode);
            let mut sem: libc::semid_ds = std::mem::zeroed();
            let buffer: *mut libc::semid_ds = &mut sem;
            assert_eq!(
                0,
                libc::semctl(libc::semget(key, 0, 0), 0, libc::IPC_STAT, buffer)
            );
            assert_eq!(u32::from(sem.sem_perm.mode) & 0o777, mode);
        }
        ring.unlink().expect("unlink");
        // Semaphores of a ring that sleeps on them have its mode too.
        let options = spsc::<u64>(*name)
            .capacity(4)
            .mode(mode)
            .wait_backend(WaitBackend::Semaphore);
        let ring = options.create().expect("create");
        for side in ["c", "p"] {
            let path = format!("/dev/shm/sem.annulus.{:016x}.{side}", ring.instance());
            assert_eq!(fs::metadata(path).expect("there").mode() & 0o7777, mode);
        }
        ring.unlink().expect("unlink");
    }
}

#[test]
fn somebody_elses_ring_is_refused_with_advice() {
    let name = unique("private");
    let scratch = Scratch(shm_path(&name));
    let key = Key::unique();
    let _ring = spsc::<u64>(&name).capacity(4).create().expect("create");
    let sysv = spsc::<u64>("-").capacity(4).backing(key.backing());
    let _sysv = sysv.create().expect("create");
    if is_root() {
        run_child("nobody", &[&name, &key.0.to_string()]);
    } else {
        let file = File::open(&scratch.0).expect("open");
        file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o000))
            .expect("chmod");
        is_refused_with_advice(spsc::<u64>(&name).open().map(|_| ()));
    }
}

fn is_refused_with_advice(result: Result<(), OpenError>) {
    let error = result.expect_err("refused");
    let text = error.to_string();
    match error {
        OpenError::Os(e) => {
            assert_eq!(e.source.kind(), std::io::ErrorKind::PermissionDenied);
            assert!(text.contains("owner") && text.contains("mode"), "{text}");
        }
        other => panic!("{other:?}"),
    }
}

/// Tries everything as nobody.
pub fn role_nobody(args: &[&str]) {
    let [name, key] = args else {
        panic!("two arguments")
    };
    let key = Backing::SysV {
        key: Some(key.parse().expect("a number")),
    };
    // All threads of this process change their user. SAFETY: integers, and an empty list.
    unsafe {
        assert_eq!(0, libc::setgroups(0, std::ptr::null()));
        assert_eq!(0, libc::setgid(65534));
        assert_eq!(0, libc::setuid(65534));
    }
    is_refused_with_advice(spsc::<u64>(*name).open().map(|_| ()));
    is_refused_with_advice(annulus::inspect(Backing::PosixShm, name).map(|_| ()));
    is_refused_with_advice(unlink(Backing::PosixShm, name));
    is_refused_with_advice(spsc::<u64>("-").backing(key).open().map(|_| ()));
    is_refused_with_advice(unlink(key, "-"));
    let result = spsc::<u64>(*name).create();
    assert!(
        matches!(result, Err(CreateError::Exists { .. })),
        "{result:?}"
    );
    // Nobody may not give rings away either, and leaves nothing when it tries.
    let own = format!("{name}-own");
    match spsc::<u64>(&own).capacity(4).owner(Some(0), None).create() {
        Err(CreateError::Os(e)) => assert_eq!(e.op, "fchown"),
        other => panic!("{other:?}"),
    }
    assert!(!shm_path(&own).exists());
}

/// Creates a ring for nobody and asks `owner_of` whose it is.
fn is_given_away(
    backing: Backing,
    name: &str,
    owner_of: impl Fn(&Ring<annulus::Spsc<u64>>) -> (u32, u32),
) {
    if !is_root() {
        println!("skipped: giving rings away needs root");
        return;
    }
    let options = spsc::<u64>(name)
        .capacity(4)
        .backing(backing)
        .owner(Some(65534), Some(65533));
    let ring = options.create().expect("create");
    assert_eq!(owner_of(&ring), (65534, 65533), "{backing:?}");
    ring.unlink().expect("unlink");
    // One without the other.
    let ring = options.owner(None, Some(65533)).create().expect("create");
    assert_eq!(owner_of(&ring), (0, 65533), "{backing:?}");
    ring.unlink().expect("unlink");
}

fn owner_of_path(path: impl AsRef<Path>) -> (u32, u32) {
    let facts = fs::metadata(path).expect("there");
    (facts.uid(), facts.gid())
}

#[test]
fn a_named_ring_can_be_made_for_somebody_else() {
    let scratch = Scratch(shm_path(&unique("owner")));
    let name = scratch
        .0
        .file_name()
        .and_then(|n| n.to_str())
        .expect("plain");
    is_given_away(Backing::PosixShm, name, |_| owner_of_path(&scratch.0));
    let key = Key::unique();
    is_given_away(key.backing(), "-", |_| {
        // SAFETY: integers, and live buffers of the right types.
        unsafe {
            let mut shm: libc::shmid_ds = std::mem::zeroed();
            assert_eq!(0, libc::shmctl(key.shm(), libc::IPC_STAT, &mut shm));
            let mut sem: libc::semid_ds = std::mem::zeroed();
            let buffer: *mut libc::semid_ds = &mut sem;
            assert_eq!(0, libc::semctl(key.sems(), 0, libc::IPC_STAT, buffer));
            assert_eq!(
                (shm.shm_perm.uid, shm.shm_perm.gid),
                (sem.sem_perm.uid, sem.sem_perm.gid)
            );
            (shm.shm_perm.uid, shm.shm_perm.gid)
        }
    });
}

#[test]
fn a_memfd_ring_can_be_made_for_somebody_else() {
    is_given_away(Backing::Memfd, "owner", |ring| {
        let fd = ring.descriptor().expect("a descriptor").as_raw_fd();
        owner_of_path(format!("/proc/self/fd/{fd}"))
    });
}

#[test]
fn the_semaphores_of_a_ring_made_for_somebody_else_are_theirs_too() {
    if !is_root() {
        println!("skipped: giving rings away needs root");
        return;
    }
    let name = unique("owner-sem");
    let _scratch = Scratch(shm_path(&name));
    let options = spsc::<u64>(&name)
        .capacity(4)
        .wait_backend(WaitBackend::Semaphore);
    let ring = options
        .owner(Some(65534), Some(65534))
        .create()
        .expect("create");
    let path = |side| format!("/dev/shm/sem.annulus.{:016x}.{side}", ring.instance());
    let owners = ["c", "p"].map(|side| owner_of_path(path(side)));
    ring.unlink().expect("unlink");
    assert_eq!(owners, [(65534, 65534); 2]);
    assert!(
        ["c", "p"]
            .iter()
            .all(|side| !Path::new(&path(side)).exists())
    );
}
