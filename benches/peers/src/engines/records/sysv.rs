//! A System V message queue, blocking, across processes.
//!
//! It holds 16 KiB, or the ring's bytes where the process may raise that. A record is copied once more on both sides, to stand
//! behind the message's type. Such a queue outlives its processes: `sweep` removes what a killed one left.

use std::io::Error;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use super::super::kernel::interrupted;
use super::traits;
use crate::scenario::engine::{Across, Traits, Wait, WrittenIn};
use crate::scenario::records::harness::Channel;
use crate::scenario::records::loops::{Rx, Tx};
use crate::scenario::records::work::Records;
use crate::scenario::shared::{Shared, Zeroed};

/// Longest message without a change of the machine's settings.
const LONGEST: usize = 8192;

/// Queues that exist, for the process that outlives all others: identifier plus one, 0 where there is none.
struct Register([AtomicU64; 64]);

// SAFETY: atomics; zero is "none".
unsafe impl Zeroed for Register {}

static REGISTER: OnceLock<Option<Shared<Register>>> = OnceLock::new();

/// Makes the register. Called once, before the first fork.
pub fn begin_run() {
    REGISTER.get_or_init(|| Shared::new().ok());
}

/// Removes every queue that is left of this run.
pub fn sweep() {
    let Some(Some(register)) = REGISTER.get() else {
        return;
    };
    for entry in &register.0 {
        if let Some(id) = entry.swap(0, Ordering::Relaxed).checked_sub(1) {
            remove(id as libc::c_int);
        }
    }
}

fn remove(id: libc::c_int) {
    // SAFETY: IPC_RMID takes no buffer. A failure cannot be helped.
    unsafe { libc::msgctl(id, libc::IPC_RMID, std::ptr::null_mut()) };
}

/// A queue; dropping it in the process that made it removes it.
pub struct Queue {
    id: libc::c_int,
    longest: usize,
    entry: &'static AtomicU64,
}

/// An end of a queue, and the buffer in which a record stands behind its type.
pub struct End {
    id: libc::c_int,
    message: Box<[u8]>,
}

/// Bytes of a message's type.
const TYPE: usize = size_of::<libc::c_long>();

impl Channel for Queue {
    const TRAITS: Traits = traits("sysv-msg", Across::Processes, WrittenIn::Kernel, Wait::Park);
    type Tx = End;
    type Rx = End;

    fn carries(records: Records) -> bool {
        records.lengths.most <= LONGEST
    }

    fn create(records: Records) -> Result<Self, String> {
        let Some(Some(register)) = REGISTER.get() else {
            return Err(String::from(
                "nobody would remove the queue of a killed process",
            ));
        };
        let entry = register
            .0
            .iter()
            .find(|entry| entry.load(Ordering::Relaxed) == 0);
        let entry = entry.ok_or("too many queues were left behind")?;
        // SAFETY: `msgget` touches no memory of ours.
        let id = unsafe { libc::msgget(libc::IPC_PRIVATE, 0o600) };
        if id < 0 {
            return Err(format!("msgget: {}", Error::last_os_error()));
        }
        entry.store(id as u64 + 1, Ordering::Relaxed);
        enlarge(id, records.lengths.ring_bytes());
        Ok(Queue {
            id,
            longest: records.lengths.most,
            entry,
        })
    }

    fn sender(&self) -> Result<End, String> {
        self.receiver()
    }

    fn receiver(&self) -> Result<End, String> {
        let mut message = vec![0; TYPE + self.longest].into_boxed_slice();
        let ordinary: libc::c_long = 1;
        message[..TYPE].copy_from_slice(&ordinary.to_ne_bytes());
        Ok(End {
            id: self.id,
            message,
        })
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        remove(self.id);
        self.entry.store(0, Ordering::Relaxed);
    }
}

/// Asks for room for `bytes`. A refusal leaves what every process gets, which works.
fn enlarge(id: libc::c_int, bytes: usize) {
    // SAFETY: msqid_ds is plain numbers; all-zero is valid.
    let mut state: libc::msqid_ds = unsafe { std::mem::zeroed() };
    // SAFETY: `state` is live and writable.
    if unsafe { libc::msgctl(id, libc::IPC_STAT, &mut state) } == 0 {
        state.msg_qbytes = bytes as _;
        // SAFETY: `state` is live.
        unsafe { libc::msgctl(id, libc::IPC_SET, &mut state) };
    }
}

impl Tx for End {
    fn try_send(&mut self, record: &[u8]) -> bool {
        self.message[TYPE..TYPE + record.len()].copy_from_slice(record);
        // SAFETY: the buffer is live and holds the type and the record behind it.
        let sent = unsafe { libc::msgsnd(self.id, self.message.as_ptr().cast(), record.len(), 0) };
        sent == 0 || interrupted("msgsnd", sent as isize)
    }
}

impl Rx for End {
    fn try_receive(&mut self, into: &mut Vec<u8>) -> bool {
        let room = self.message.len() - TYPE;
        // SAFETY: the buffer is live, writable and has `room` bytes behind the type.
        let got = unsafe { libc::msgrcv(self.id, self.message.as_mut_ptr().cast(), room, 0, 0) };
        let received = got >= 0 || interrupted("msgrcv", got);
        if received {
            into.clear();
            into.extend_from_slice(&self.message[TYPE..TYPE + got as usize]);
        }
        received
    }
}
