//! Names that carry a ring already, or a newer one than the caller knows.

use crate::scratch::{Key, Scratch, directory, shm_path, unique};
use annulus::{Backing, CreateError, spsc, unlink};
use std::fs;

#[test]
fn creating_over_a_ring_is_refused_and_the_ring_stays() {
    let (name, key) = (unique("taken"), Key::unique());
    let scratch = Scratch(shm_path(&name));
    let dir = directory("taken");
    let path = dir.0.join("ring").display().to_string();
    for (backing, name) in [
        (Backing::PosixShm, name.as_str()),
        (Backing::File, path.as_str()),
        (key.backing(), "-"),
    ] {
        let options = spsc::<u64>(name).backing(backing).capacity(4);
        let ring = options.create().expect("create");
        let mut tx = ring.producer().expect("producer");
        tx.try_push(&5).expect("room");
        match options.create() {
            Err(CreateError::Exists { name }) => assert!(!name.is_empty()),
            other => panic!("{other:?}"),
        }
        assert!(ring.is_current());
        let again = options.open_or_create().expect("open");
        assert_eq!(again.instance(), ring.instance());
        assert_eq!(again.consumer().expect("consumer").try_pop(), Ok(5));
        ring.unlink().expect("unlink");
        assert!(!ring.is_current());
        ring.unlink().expect("nothing to do");
    }
    drop(scratch);
    assert_eq!(fs::read_dir(&dir.0).expect("list").count(), 0);
}

#[test]
fn unlink_by_an_old_ring_leaves_a_new_ring_of_the_same_name_alone() {
    let name = unique("reborn");
    let _scratch = Scratch(shm_path(&name));
    let key = Key::unique();
    for (backing, name) in [(Backing::PosixShm, name.as_str()), (key.backing(), "-")] {
        let options = spsc::<u64>(name).backing(backing).capacity(4);
        let old = options.create().expect("create");
        unlink(backing, name).expect("unlink");
        let new = options.create().expect("create");
        assert!(!old.is_current() && new.is_current());
        old.unlink().expect("not ours any more");
        assert!(new.is_current());
        assert_eq!(options.open().expect("open").instance(), new.instance());
        new.unlink().expect("unlink");
    }
}
