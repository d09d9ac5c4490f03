//! Where readers cannot be read-only, that is said when the ring is made, and nothing is left behind.

use crate::beside::options;
use crate::common::clean::{shm_names_with, sysv_has, unique, unique_key};
use annulus::{Backing, CreateError, Kind, Options, Ring, broadcast, broadcast_records};

fn is_refused<K: Kind>(result: Result<Ring<K>, CreateError>) {
    match result {
        Err(CreateError::InvalidOption { option, rule }) => {
            assert_eq!(option, "read-only readers");
            assert!(rule.contains("memory"), "{rule}");
        }
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was made"),
    }
}

#[test]
fn memory_without_modes_and_seals_is_refused() {
    let key = unique_key();
    for backing in [Backing::SysV { key: Some(key) }, Backing::Anon] {
        let name = unique("read-only-refused");
        is_refused(options(&name).backing(backing).create());
        let records: Options<_> = broadcast_records(&name);
        is_refused(records.backing(backing).read_only_readers(true).create());
        assert!(shm_names_with(&name).is_empty());
    }
    assert!(!sysv_has(key));
}

#[test]
fn the_option_can_be_taken_back_and_does_nothing_to_a_ring_that_exists() {
    let name = unique("read-only-off");
    let ring = options(&name)
        .read_only_readers(false)
        .create()
        .expect("create");
    let cleanup = crate::common::clean::Cleanup(|| {
        let _ = ring.unlink();
    });
    assert!(!ring.readers_are_read_only());
    let opened = options(&name).open().expect("open");
    assert!(!opened.readers_are_read_only());
    let plain = broadcast::<u64>(&name).open().expect("open");
    assert!(plain.data_descriptor().is_none());
    drop(cleanup);
    assert!(shm_names_with(&name).is_empty());
}
