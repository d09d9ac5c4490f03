//! Whose ring it is that has the name: rings of other users are refused unless they are asked for. With a second real
//! user (nobody) where these tests run as root.

use crate::run_child;
use crate::scratch::{Key, Scratch, backing_named, directory, is_root, shm_path, unique};
use annulus::{
    Backing, CreateError, OpenError, OpenOrCreateError, Options, Ring, Spsc, WaitBackend,
    broadcast, inspect, list, spsc, unlink,
};
use std::fmt::Debug;
use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;

/// The user that is not root.
const NOBODY: u32 = 65534;
/// Semaphores of the set of a ring of one producer and one consumer.
const SEMS: i32 = 5;
/// The second of them has this value in a set of this library's.
const MARK: i32 = 0x414e;

fn options(backing: Backing, name: &str) -> Options<Spsc<u64>> {
    spsc::<u64>(name).capacity(4).mode(0o666).backing(backing)
}

/// Panics unless `result` says that the ring is `found`'s and not `expected`'s.
fn is_refused<T: Debug>(result: Result<T, OpenError>, expected: u32, found: u32) {
    match result.expect_err("refused") {
        OpenError::Mismatch {
            field: "owner",
            expected: e,
            found: f,
        } => assert_eq!((e, f), (expected.to_string(), found.to_string())),
        other => panic!("{other}"),
    }
}

/// Whether another user can be had; says so if not.
fn has_nobody() -> bool {
    if !is_root() {
        println!("skipped: becoming another user needs root");
    }
    is_root()
}

/// Becomes nobody.
fn become_nobody() {
    // All threads of this process change their user. SAFETY: integers, and an empty list.
    unsafe {
        assert_eq!(0, libc::setgroups(0, std::ptr::null()));
        assert_eq!(0, libc::setgid(NOBODY));
        assert_eq!(0, libc::setuid(NOBODY));
    }
}

/// Names in each place where rings have some, and where anybody may make one. All are removed in the end.
struct Places {
    names: [(&'static str, String); 3],
    _gone: (Scratch, Key, Scratch),
}

impl Drop for Places {
    fn drop(&mut self) {
        // With all that belongs to it, should a test have failed.
        self.each(|backing, name| {
            let _ = unlink(backing, name);
        });
    }
}

/// A ring that is unlinked in the end, with its semaphores.
struct Gone<'a>(&'a Ring<Spsc<u64>>);

impl Drop for Gone<'_> {
    fn drop(&mut self) {
        let _ = self.0.unlink();
    }
}

impl Places {
    fn new(what: &str) -> Self {
        let shm = unique(what);
        let dir = directory(what);
        fs::set_permissions(&dir.0, Permissions::from_mode(0o777)).expect("chmod");
        let file = dir.0.join("ring").to_str().expect("text").to_owned();
        let key = Key::unique();
        Self {
            _gone: (Scratch(shm_path(&shm)), Key(key.0), dir),
            names: [("shm", shm), ("key", key.0.to_string()), ("file", file)],
        }
    }

    /// Calls `then` with each.
    fn each(&self, mut then: impl FnMut(Backing, &str)) {
        for (place, name) in &self.names {
            then(backing(place, name), name);
        }
    }

    /// Has nobody play `role` in each.
    fn nobody(&self, role: &str) {
        for (place, name) in &self.names {
            run_child(role, &[place, name]);
        }
    }
}

fn backing(place: &str, name: &str) -> Backing {
    match place {
        "key" => Backing::SysV {
            key: Some(name.parse().expect("a number")),
        },
        other => backing_named(other),
    }
}

/// In a role: what the test names.
fn named<'a>(args: &[&'a str]) -> (Backing, &'a str) {
    let [place, name] = args else {
        panic!("two arguments")
    };
    (backing(place, name), name)
}

#[test]
fn a_ring_that_is_not_the_expected_user_s_is_refused_and_a_descriptor_is_not_asked() {
    let us = fs::metadata("/proc/self").expect("this process").uid();
    Places::new("expected").each(|backing, name| {
        let ring = options(backing, name).create().expect("create");
        assert!(options(backing, name).open().is_ok());
        assert!(options(backing, name).owned_by(us).open().is_ok());
        assert!(options(backing, name).owned_by_anyone().open().is_ok());
        is_refused(options(backing, name).owned_by(us + 1).open(), us + 1, us);
        match options(backing, name).owned_by(us + 1).open_or_create() {
            Err(OpenOrCreateError::Open(e)) => is_refused(Err::<(), _>(e), us + 1, us),
            other => panic!("{other:?}"),
        }
        ring.unlink().expect("unlink");
    });
    let ring = options(Backing::Memfd, "-").create().expect("create");
    let fd = ring.descriptor().expect("a descriptor");
    let fd = fd.try_clone_to_owned().expect("a copy");
    let opened = options(Backing::Memfd, "-").owned_by(us + 1);
    assert!(opened.open_descriptor(fd).is_ok());
}

#[test]
fn a_name_that_another_user_took_first_leads_nobody_into_their_ring() {
    if !has_nobody() {
        return;
    }
    let places = Places::new("squat");
    places.nobody("squatter");
    places.each(|backing, name| {
        let options = || options(backing, name);
        is_refused(options().open(), 0, NOBODY);
        match options().open_or_create() {
            Err(OpenOrCreateError::Open(e)) => is_refused(Err::<(), _>(e), 0, NOBODY),
            other => panic!("{other:?}"),
        }
        match options().create() {
            Err(CreateError::Exists { .. }) => {}
            other => panic!("{other:?}"),
        }
        for asked in [options().owned_by(NOBODY), options().owned_by_anyone()] {
            let ring = asked.open().expect("asked for");
            assert!(ring.producer().is_ok() && ring.consumer().is_ok());
        }
        // Who only looks, or removes, is not asked.
        assert!(inspect(backing, name).is_ok());
        if backing == Backing::PosixShm {
            assert!(list().iter().any(|ring| ring.name == name));
        }
        unlink(backing, name).expect("root may");
        assert!(matches!(options().open(), Err(OpenError::NotFound { .. })));
    });
}

/// Makes a ring that anybody may write.
pub fn role_squatter(args: &[&str]) {
    become_nobody();
    let (backing, name) = named(args);
    options(backing, name).create().expect("create");
}

#[test]
fn another_user_opens_what_the_mode_allows_and_only_if_it_asks_and_removes_nothing() {
    if !has_nobody() {
        return;
    }
    let places = Places::new("visitor");
    places.each(|backing, name| {
        let options = options(backing, name).wait_backend(WaitBackend::Semaphore);
        options.create().expect("create");
    });
    places.nobody("visitor");
    places.each(|backing, name| {
        let ring = options(backing, name).open().expect("unharmed");
        ring.unlink().expect("unlink");
        options(backing, name).mode(0o600).create().expect("create");
    });
    places.nobody("turned away");
    places.each(|backing, name| unlink(backing, name).expect("unlink"));
}

/// Opens root's rings of mode 0666.
pub fn role_visitor(args: &[&str]) {
    become_nobody();
    let (backing, name) = named(args);
    is_refused(options(backing, name).open(), NOBODY, 0);
    is_refused(options(backing, name).owned_by(1).open(), 1, 0);
    let ring = options(backing, name).owned_by(0).open().expect("asked");
    assert!(ring.producer().is_ok());
    assert!(options(backing, name).owned_by_anyone().open().is_ok());
    // Files go from a directory that anybody may write, as all files do.
    if backing != Backing::File {
        match unlink(backing, name) {
            Err(OpenError::Os(e)) => {
                assert_eq!(e.source.kind(), ErrorKind::PermissionDenied, "{e}");
            }
            other => panic!("{other:?}"),
        }
    }
}

/// Opens root's rings of mode 0600.
pub fn role_turned_away(args: &[&str]) {
    become_nobody();
    let (backing, name) = named(args);
    for asked in [0, NOBODY].map(Some).into_iter().chain([None]) {
        let options = match asked {
            Some(uid) => options(backing, name).owned_by(uid),
            None => options(backing, name).owned_by_anyone(),
        };
        match options.open() {
            Err(OpenError::Os(e)) => assert_eq!(e.source.kind(), ErrorKind::PermissionDenied),
            other => panic!("{asked:?}: {other:?}"),
        }
    }
}

#[test]
fn who_makes_rings_for_somebody_else_expects_theirs_and_they_open_them_without_asking() {
    if !has_nobody() {
        return;
    }
    let places = Places::new("for-nobody");
    places.each(|backing, name| {
        let options = options(backing, name).owner(Some(NOBODY), None);
        let made = options.open_or_create().expect("create");
        let opened = options.open_or_create().expect("open");
        assert_eq!(made.instance(), opened.instance());
    });
    places.nobody("heir");
    places.each(|backing, name| unlink(backing, name).expect("unlink"));
}

/// Opens what root made for nobody.
pub fn role_heir(args: &[&str]) {
    become_nobody();
    let (backing, name) = named(args);
    let ring = options(backing, name).open().expect("one's own");
    assert!(ring.producer().is_ok());
}

#[test]
fn a_system_v_ring_that_its_maker_gave_away_is_still_its_maker_s() {
    if !has_nobody() {
        return;
    }
    let (name, key) = (unique("victim"), Key::unique());
    let _scratch = Scratch(shm_path(&name));
    let options = || {
        spsc::<u64>(&name)
            .capacity(4)
            .wait_backend(WaitBackend::Semaphore)
    };
    let ours = options().create().expect("create");
    let _gone = Gone(&ours);
    run_child("giver", &[&key.0.to_string(), &ours.instance().to_string()]);
    // SAFETY: integers, and a live buffer of the right type.
    let given_to = unsafe {
        let mut shm: libc::shmid_ds = std::mem::zeroed();
        assert_eq!(0, libc::shmctl(key.shm(), libc::IPC_STAT, &mut shm));
        shm.shm_perm.uid
    };
    assert_eq!(given_to, 0, "it says it is root's");
    let theirs = spsc::<u64>("-").capacity(4).backing(key.backing());
    is_refused(theirs.open(), 0, NOBODY);
    // It says that it has our semaphores; removing it does not remove those.
    unlink(key.backing(), "-").expect("root may");
    assert!(options().open().is_ok(), "our semaphores are there");
    ours.unlink().expect("unlink");
}

/// Makes a System V ring, gives it to root, and has it name the semaphores of another ring.
pub fn role_giver(args: &[&str]) {
    become_nobody();
    let [key, instance] = args else {
        panic!("two arguments")
    };
    let key = Key(key.parse().expect("a number"));
    let victim: u64 = instance.parse().expect("a number");
    let ring = spsc::<u64>("-")
        .capacity(4)
        .mode(0o666)
        .backing(key.backing())
        .wait_backend(WaitBackend::Semaphore)
        .create()
        .expect("create");
    let own = ring.instance();
    for side in ["c", "p"] {
        fs::remove_file(format!("/dev/shm/sem.annulus.{own:016x}.{side}")).expect("ours");
    }
    // SAFETY: integers and a live buffer of the right type; then our own segment is attached, whose first page the header
    // is in.
    unsafe {
        let mut shm: libc::shmid_ds = std::mem::zeroed();
        assert_eq!(0, libc::shmctl(key.shm(), libc::IPC_STAT, &mut shm));
        shm.shm_perm.uid = 0;
        assert_eq!(0, libc::shmctl(key.shm(), libc::IPC_SET, &mut shm));
        let at = libc::shmat(key.shm(), std::ptr::null(), 0).cast::<u8>();
        assert_ne!(at as isize, -1);
        let words = at.cast::<u64>();
        let place = (0..512).find(|i| words.add(*i).read() == own);
        words.add(place.expect("the header has it")).write(victim);
    }
    // The ring stays.
    std::mem::forget(key);
}

#[test]
fn a_semaphore_set_that_another_user_left_under_the_key_is_not_built_upon() {
    if !has_nobody() {
        return;
    }
    let key = Key::unique();
    run_child("set maker", &[&key.0.to_string(), "0"]);
    let options = || options(key.backing(), "-");
    match options().create() {
        Err(CreateError::Exists { .. }) => {}
        other => panic!("{other:?}"),
    }
    assert!(key.sems() >= 0 && key.shm() < 0, "left as it was");
}

#[test]
fn a_system_v_ring_whose_tokens_another_user_could_forge_is_refused_and_their_set_left_alone() {
    if !has_nobody() {
        return;
    }
    let key = Key::unique();
    let options = || options(key.backing(), "-");
    options().create().expect("create");
    // SAFETY: integers; the set is our own.
    assert_eq!(0, unsafe { libc::semctl(key.sems(), 0, libc::IPC_RMID) });
    run_child("set maker", &[&key.0.to_string(), &MARK.to_string()]);
    for asked in [options(), options().owned_by_anyone()] {
        match asked.open() {
            Err(OpenError::Mismatch {
                field: "owner of the semaphores",
                found,
                ..
            }) => assert_eq!(found, NOBODY.to_string()),
            other => panic!("{other:?}"),
        }
    }
    unlink(key.backing(), "-").expect("unlink");
    assert!(key.sems() >= 0 && key.shm() < 0);
}

/// Makes a semaphore set and marks it.
pub fn role_set_maker(args: &[&str]) {
    become_nobody();
    let [key, mark] = args else {
        panic!("two arguments")
    };
    let (key, mark): (i32, i32) = (key.parse().expect("a key"), mark.parse().expect("a mark"));
    // SAFETY: integers.
    unsafe {
        let id = libc::semget(key, SEMS, libc::IPC_CREAT | libc::IPC_EXCL | 0o666);
        assert!(id >= 0, "semget: {}", std::io::Error::last_os_error());
        if mark != 0 {
            assert_eq!(0, libc::semctl(id, 1, libc::SETVAL, mark));
        }
    }
}

#[test]
fn a_ring_whose_named_semaphores_are_another_user_s_is_refused() {
    if !has_nobody() {
        return;
    }
    let name = unique("semaphores");
    let _scratch = Scratch(shm_path(&name));
    let options = || {
        spsc::<u64>(&name)
            .capacity(4)
            .wait_backend(WaitBackend::Semaphore)
    };
    let ring = options().create().expect("create");
    let _gone = Gone(&ring);
    let path = format!("/dev/shm/sem.annulus.{:016x}.p", ring.instance());
    let _semaphore = Scratch(path.clone().into());
    chown(&path, Some(NOBODY), None).expect("chown");
    for asked in [options(), options().owned_by_anyone()] {
        match asked.open() {
            Err(OpenError::Mismatch {
                field: "owner of the semaphores",
                expected,
                found,
            }) => assert_eq!((expected.as_str(), found.as_str()), ("0", "65534")),
            other => panic!("{other:?}"),
        }
    }
    ring.unlink().expect("unlink");
    assert!(Path::new(&path).exists(), "not the ring's, left alone");
}

#[test]
fn a_broadcast_of_two_objects_is_checked_like_any_ring() {
    if !has_nobody() {
        return;
    }
    let name = unique("two-objects");
    let _scratch = Scratch(shm_path(&name));
    let options = || broadcast::<u64>(&name).capacity(4).read_only_readers(true);
    let ring = options().create().expect("create");
    let data = format!("/dev/shm/annulus.{:016x}.data", ring.instance());
    let _data = Scratch(data.clone().into());
    let owners = |control, messages| {
        chown(shm_path(&name), Some(control), None).expect("chown");
        chown(&data, Some(messages), None).expect("chown");
    };
    owners(NOBODY, NOBODY);
    is_refused(options().open(), 0, NOBODY);
    assert!(options().owned_by(NOBODY).open().is_ok());
    owners(0, NOBODY);
    for asked in [options(), options().owned_by_anyone()] {
        match asked.open() {
            Err(OpenError::Mismatch {
                field: "owner of the data object",
                ..
            }) => {}
            other => panic!("{other:?}"),
        }
    }
    owners(0, 0);
    ring.unlink().expect("unlink");
    assert!(!Path::new(&data).exists());
}
