//! A peer that sets the semaphores of a System V ring as it likes.

use crate::attacker::Random;
use crate::victims::deadline;
use annulus::{Backing, Consumer, EndpointError, Producer, Wait, spsc};
use std::time::Duration;

/// A System V key; its objects are removed in the end.
struct Key(i32);

impl Drop for Key {
    fn drop(&mut self) {
        let _ = annulus::unlink(Backing::SysV { key: Some(self.0) }, "-");
    }
}

#[test]
fn a_peer_that_sets_the_semaphores_of_a_system_v_ring_gets_typed_errors() {
    let key = Key((0x2a00_0000 ^ std::process::id()) as i32);
    let backing = Backing::SysV { key: Some(key.0) };
    let options = spsc::<u64>("-").capacity(4).backing(backing);
    let ring = options.create().expect("create");
    // SAFETY: integers.
    let set = unsafe { libc::semget(key.0, 0, 0) };
    assert!(set >= 0);
    let mut random = Random(9);
    let (mut tx, mut rx) = (None, None);
    let fine =
        |e: &EndpointError| matches!(e, EndpointError::Occupied { .. } | EndpointError::Os(_));
    for _ in 0..4000 {
        let value = [0, 1, 2, 32767][random.below(4)];
        // SAFETY: integers; the fourth argument of SETVAL is one.
        assert_eq!(0, unsafe {
            libc::semctl(set, [0, 2, 3][random.below(3)], libc::SETVAL, value)
        });
        match random.below(6) {
            0 => {
                drop(tx.take());
                let taken: Result<Producer<u64>, _> = ring.producer();
                assert!(taken.as_ref().err().is_none_or(fine), "{taken:?}");
                tx = taken.ok();
            }
            1 => {
                drop(rx.take());
                let taken: Result<Consumer<u64>, _> = ring.consumer();
                assert!(taken.as_ref().err().is_none_or(fine), "{taken:?}");
                rx = taken.ok();
            }
            2 => drop(options.open().expect("the bytes are good")),
            3 => drop(ring.status().expect("the kernel answers")),
            4 => {
                if let Some(tx) = &mut tx {
                    let _ = tx.push_until(&1, Wait::park().spin_for(Duration::ZERO), deadline());
                }
            }
            _ => {
                if let Some(rx) = &mut rx {
                    let _ = rx.pop_until(Wait::park().spin_for(Duration::ZERO), deadline());
                }
            }
        }
    }
    drop((tx, rx));
    ring.unlink().expect("unlink");
}
