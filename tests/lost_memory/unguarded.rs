//! Without the guard: a truncated ring is the end of whoever touches it, and a sealed memfd cannot be truncated.

use crate::common::alone;
use crate::common::child::Child;
use crate::victim::{KINDS, Place, Target};
use annulus::{Backing, OpenError, TryPopError, TryPushError, spsc};
use std::fs::File;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Waits for the end of a child, and says by which signal that was.
pub fn signal_that_ended(child: &Child) -> Option<i32> {
    let mut status = 0;
    // SAFETY: our own child, which nobody else waits for before this returns; the buffer is live.
    let reaped = unsafe { libc::waitpid(child.pid() as i32, &mut status, 0) };
    assert_eq!(reaped, child.pid() as i32);
    libc::WIFSIGNALED(status).then(|| libc::WTERMSIG(status))
}

#[test]
fn a_truncated_ring_is_the_end_of_whoever_touches_it() {
    let _alone = alone();
    for (i, kind) in KINDS.into_iter().enumerate() {
        for side in [0, 1] {
            let place = [Place::Shm, Place::File][i % 2];
            let target = Target::new(kind, place, 0);
            let _other = target.bystander(1 - side);
            let victim = target.victim(side, ["spin", "park"][i % 2], false);
            target.truncate(0);
            assert_eq!(
                signal_that_ended(&victim),
                Some(libc::SIGBUS),
                "{kind} {side}"
            );
        }
    }
}

/// What the kernel says when somebody tries to shorten the file behind `fd`.
fn truncation(fd: BorrowedFd<'_>) -> Option<i32> {
    let file = File::from(fd.try_clone_to_owned().expect("dup"));
    file.set_len(4096).err().and_then(|e| e.raw_os_error())
}

#[test]
fn a_sealed_memfd_cannot_be_truncated_and_one_that_is_not_sealed_is_not_opened() {
    let memfd = spsc::<u64>("lost").capacity(8).backing(Backing::Memfd);
    let ring = memfd.create().expect("create");
    let fd = ring.descriptor().expect("a descriptor");
    assert_eq!(truncation(fd), Some(libc::EPERM));
    // SAFETY: a live descriptor and an integer.
    let unseal = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_ADD_SEALS, 0) };
    assert_eq!(unseal, -1, "the seals are sealed");
    let mut rx = ring.consumer().expect("free");
    ring.producer().expect("free").try_push(&7).expect("room");
    assert_eq!(rx.try_pop(), Ok(7));
}

#[test]
fn holes_read_as_zeros_wherever_a_ring_is() {
    let shm = crate::common::clean::unique("holes");
    let file = std::env::temp_dir().join(&shm);
    let places = [
        (Backing::Memfd, "holes".to_owned()),
        (Backing::PosixShm, shm.clone()),
        (Backing::File, file.to_str().expect("text").to_owned()),
    ];
    for (backing, name) in places {
        let options = spsc::<u64>(&name).capacity(8).start_position(3);
        let ring = options.backing(backing).create().expect("create");
        let mut tx = ring.producer().expect("free");
        let mut rx = ring.consumer().expect("free");
        tx.try_push(&7).expect("room");
        let fd = ring.descriptor().expect("a descriptor");
        let how = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
        // SAFETY: a live descriptor and integers.
        assert_eq!(0, unsafe {
            libc::fallocate(fd.as_raw_fd(), how, 0, 1 << 20)
        });
        // The slot says FREE(0) where it said READY(3), and the gate 0.
        assert!(
            matches!(rx.try_pop(), Err(TryPopError::Corrupt(_))),
            "{backing:?}"
        );
        for _ in 0..20 {
            match tx.try_push(&8) {
                Ok(()) | Err(TryPushError::Corrupt(_) | TryPushError::Full) => {}
                Err(e) => panic!("{backing:?}: {e:?}"),
            }
        }
        assert!(!ring.is_damaged(), "wrong values, and no loss");
        drop((tx, rx));
        // What does not look like a ring any more is not removed as one.
        if backing != Backing::Memfd {
            assert!(matches!(ring.unlink(), Err(OpenError::NotARing { .. })));
        }
    }
    for path in [
        format!("/dev/shm/{shm}"),
        file.to_str().expect("text").to_owned(),
    ] {
        std::fs::remove_file(path).expect("there");
    }
}

#[test]
fn a_system_v_ring_can_be_emptied_and_not_shortened() {
    let key = crate::common::clean::unique_key();
    let backing = Backing::SysV { key: Some(key) };
    let options = spsc::<u64>("-")
        .capacity(8)
        .start_position(3)
        .backing(backing);
    let ring = options.create().expect("create");
    let mut tx = ring.producer().expect("free");
    let mut rx = ring.consumer().expect("free");
    tx.try_push(&7).expect("room");
    // SAFETY: integers, and an address of the kernel's choice; it is detached below.
    let (id, at) = unsafe {
        let id = libc::shmget(key, 0, 0);
        (id, libc::shmat(id, std::ptr::null(), 0))
    };
    assert!(id >= 0 && at as isize != -1);
    // SAFETY: integers. A segment has the size that it was made with.
    assert_eq!(-1, unsafe { libc::shmget(key, 1 << 20, 0) });
    // SAFETY: the ring's whole pages, which this process has attached just now.
    assert_eq!(0, unsafe { libc::madvise(at, 12288, libc::MADV_REMOVE) });
    assert!(matches!(rx.try_pop(), Err(TryPopError::Corrupt(_))));
    assert!(!ring.is_damaged());
    drop((tx, rx));
    // SAFETY: attached above.
    assert_eq!(0, unsafe { libc::shmdt(at) });
    // SAFETY: integers. What does not look like a ring any more is not removed as one.
    unsafe {
        libc::shmctl(id, libc::IPC_RMID, std::ptr::null_mut());
        libc::semctl(libc::semget(key, 0, 0), 0, libc::IPC_RMID);
    }
}
