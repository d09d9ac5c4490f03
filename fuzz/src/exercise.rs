//! What the fuzz targets share: a ring made of somebody's bytes, and everything one can do with it.
//!
//! Only the public interface of the library is used. Rings are sealed memory files, so nothing is left behind
//! and nothing can be truncated under the library's hands. Every wait has a deadline of a few microseconds.

use crate::ends::{Broadcasts, Mpmcs, Mpscs, RecordBroadcasts, Spmcs};
use crate::play::{Ends, Shape};
use annulus::{
    MpscRecords, RecordConsumer, RecordKind, RecordProducer, RecordQueue, Ring, SpscRecords, Wait,
    mpsc_records, spsc, spsc_records,
};
use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

/// Offsets of the wire format.
pub const CONTROL: u64 = 4096;
/// The participant table.
pub const TABLE: u64 = 5120;
/// Slot 0; the first record, in a ring with room for at most 23 producers.
pub const DATA: u64 = 8192;

/// A memory file of `len` bytes, zero but for `parts` (offset and bytes), that can no longer shrink.
pub fn sealed(len: u64, parts: &[(u64, &[u8])]) -> OwnedFd {
    // SAFETY: a static zero-terminated name; the descriptor is new and owned by nobody else.
    let fd = unsafe {
        libc::memfd_create(
            c"fuzz".as_ptr(),
            libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING,
        )
    };
    assert!(fd >= 0, "no memfd");
    // SAFETY: just made.
    let file = File::from(unsafe { OwnedFd::from_raw_fd(fd) });
    file.set_len(len).expect("room");
    for (at, bytes) in parts {
        let fits = len.saturating_sub(*at).min(bytes.len() as u64) as usize;
        file.write_all_at(&bytes[..fits], *at).expect("write");
    }
    // SAFETY: a live descriptor and an integer.
    let done = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, libc::F_SEAL_SHRINK) };
    assert_eq!(done, 0, "no seals");
    file.into()
}

/// The deadline of every wait here.
pub fn soon() -> Instant {
    Instant::now() + Duration::from_micros(20)
}

/// Opens the ring behind a descriptor as one of a kind, of bytes and of numbers, and takes ends of it.
macro_rules! sit_down {
    ($opened:ident, $fd:expr, $kind:ident, |$ring:ident| $ends:expr) => {{
        let fd = || $fd.try_clone().expect("dup");
        let options = annulus::$kind::<[u8]>("fuzz").prefault(false);
        if let Ok($ring) = options.open_descriptor(fd()) {
            let _ = ($ring.status(), $ends);
            $opened += 1;
        }
        let options = annulus::$kind::<u64>("fuzz").prefault(false);
        if let Ok($ring) = options.open_descriptor(fd()) {
            let _ = ($ring.status(), $ends);
            $opened += 1;
        }
    }};
}

/// Opens the ring behind `fd`, as slots of bytes and of two types and as records of both kinds, and uses it in
/// every way. Errors are fine. As how many kinds it could be opened.
pub fn exercise(fd: OwnedFd) -> usize {
    let mut opened = 0;
    let open = |fd: &OwnedFd| fd.try_clone().expect("dup");
    if let Ok(ring) = spsc::<u64>("fuzz")
        .prefault(false)
        .open_descriptor(open(&fd))
    {
        use_values(&ring);
        opened += 1;
    }
    if let Ok(ring) = spsc::<[u32; 3]>("fuzz")
        .prefault(false)
        .open_descriptor(open(&fd))
    {
        use_values(&ring);
        opened += 1;
    }
    opened += exercise_records(&fd);
    // Whatever the size of their messages: who takes an end.
    sit_down!(opened, &fd, mpsc, |ring| (ring.producer(), ring.consumer()));
    sit_down!(opened, &fd, spmc, |ring| (ring.producer(), ring.consumer()));
    sit_down!(opened, &fd, mpmc, |ring| (ring.producer(), ring.consumer()));
    sit_down!(opened, &fd, broadcast, |ring| {
        (ring.producer(), ring.reader(annulus::Join::Oldest))
    });
    opened += exercise_shared::<Mpscs>(&fd);
    opened += exercise_shared::<Spmcs>(&fd);
    opened += exercise_shared::<Mpmcs>(&fd);
    opened += exercise_shared::<Broadcasts>(&fd);
    opened += exercise_shared::<RecordBroadcasts>(&fd);
    if let Ok(ring) = spsc::<[u8]>("fuzz").prefault(false).open_descriptor(fd) {
        // One message must not cost a gigabyte of this process's memory.
        if ring.slot_size() <= 1 << 16 {
            use_bytes(&ring);
        }
        opened += 1;
    }
    opened
}

fn use_values<T: annulus::Element + Default + Copy>(ring: &Ring<annulus::Spsc<T>>) {
    let value = T::default();
    let wait = Wait::park().spin_for(Duration::ZERO);
    let _ = (
        ring.status(),
        ring.is_current(),
        ring.capacity(),
        ring.instance(),
    );
    // The producer's first look, then the consumer's; either may find the words corrupt.
    let mut tx = ring.producer().ok();
    let mut rx = ring.consumer().ok();
    for round in 0..3 {
        if let Some(tx) = &mut tx {
            let _ = (tx.try_push(&value), tx.push_until(&value, wait, soon()));
            if let Ok(mut run) = tx.try_claim_run(3) {
                for i in 0..run.len() {
                    run.write(i, &value);
                }
                let n = round.min(run.len());
                run.commit_first(n);
            }
            let _ = tx.try_claim().map(|loan| loan.commit());
            assert!(tx.len() <= tx.capacity());
        }
        if let Some(rx) = &mut rx {
            let _ = (rx.try_pop(), rx.pop_until(wait, soon()));
            let _ = rx.try_sample().map(|sample| sample.read());
            assert!(rx.drain(5).count() <= 5);
            assert!(rx.len() <= rx.capacity());
        }
        let _ = ring.status();
    }
    let (tx, rx) = (tx.take(), rx.take());
    if let Some(tx) = tx {
        tx.close();
    }
    if let Some(rx) = rx {
        rx.close();
    }
    assert!(ring.producer().is_err() || ring.consumer().is_ok() || ring.status().is_ok());
}

fn use_bytes(ring: &Ring<annulus::Spsc<[u8]>>) {
    let mut bytes = vec![0; ring.slot_size()];
    let wait = Wait::spin();
    let _ = ring.status();
    let mut rx = ring.consumer().ok();
    let mut tx = ring.producer().ok();
    for _ in 0..3 {
        if let Some(rx) = &mut rx {
            let _ = rx.try_pop_into(&mut bytes);
            let _ = rx.pop_into_until(&mut bytes, wait, soon());
            if let Ok(sample) = rx.try_sample() {
                sample.read_at(bytes.len() / 2, &mut bytes[..1]);
            }
            let mut drain = rx.drain(3);
            while drain.next_into(&mut bytes) {}
        }
        if let Some(tx) = &mut tx {
            let _ = tx.try_push(&bytes);
            if let Ok(mut loan) = tx.try_claim() {
                loan.write_at(bytes.len() / 2, &bytes[..1]);
                loan.commit();
            }
        }
    }
    // Leave in order, and come again.
    drop((tx, rx));
    let _ = (
        ring.consumer().is_ok(),
        ring.producer().is_ok(),
        ring.status(),
    );
}

/// Opens the ring behind `fd` as one of kind `E`, whose messages are as long as those of the other targets, and uses it.
fn exercise_shared<E: Ends>(fd: &OwnedFd) -> usize {
    let (shape, _) = Shape::of(&[0; 4]).expect("four bytes");
    let options = E::options(shape).prefault(false);
    let Ok(ring) = options.open_descriptor(fd.try_clone().expect("dup")) else {
        return 0;
    };
    let (mut tx, mut rx) = (E::tx(&ring), E::rx(&ring, 0));
    for step in 0..36_u8 {
        if let Some(tx) = &mut tx {
            tx.operate(step % 12, step.wrapping_mul(7));
        }
        if let Some(rx) = &mut rx {
            rx.operate(step.wrapping_mul(5) % 12, step.wrapping_mul(11));
        }
    }
    let _ = ring.status();
    tx.into_iter().for_each(|tx| tx.close());
    rx.into_iter().for_each(|rx| rx.close());
    let _ = (E::tx(&ring).is_some(), E::rx(&ring, 1).is_some());
    1
}

/// Opens the ring of records behind `fd` and uses it in every way. As how many kinds it could be opened.
pub fn exercise_records(fd: &OwnedFd) -> usize {
    let mut opened = 0;
    let open = || fd.try_clone().expect("dup");
    if let Ok(ring) = spsc_records("fuzz").prefault(false).open_descriptor(open()) {
        use_records::<SpscRecords>(&ring);
        opened += 1;
    }
    if let Ok(ring) = mpsc_records("fuzz").prefault(false).open_descriptor(open()) {
        use_records::<MpscRecords>(&ring);
        opened += 1;
    }
    opened
}

fn use_records<K: RecordQueue>(ring: &Ring<K>) {
    let _ = (ring.status(), ring.is_current(), ring.record_align());
    let mut out = Vec::new();
    // The consumer's first look, then the producers'; any of them may find the words corrupt.
    let mut rx = ring.consumer().ok();
    let mut txs: Vec<_> = (0..2).filter_map(|_| ring.producer().ok()).collect();
    for round in 0..3 {
        if let Some(rx) = &mut rx {
            take_records(rx, &mut out);
        }
        for tx in &mut txs {
            push_records(tx, round);
        }
        if let Some(tx) = txs.first_mut() {
            // Left behind; whoever has the place next goes on.
            let _ = tx.try_claim(9).map(std::mem::forget);
        }
        if round == 1 {
            drop(txs.pop());
            txs.extend(ring.producer().ok());
        }
        let status = ring.status().expect("the kernel answers");
        assert!(status.len <= status.capacity);
    }
    if let Some(rx) = &mut rx {
        take_records(rx, &mut out);
    }
    // Leave in order, come again, and close.
    drop((rx, txs));
    let (tx, rx) = (ring.producer().ok(), ring.consumer().ok());
    tx.into_iter().for_each(RecordProducer::close);
    rx.into_iter().for_each(RecordConsumer::close);
    let _ = (ring.producer().is_ok(), ring.consumer().is_ok());
}

fn push_records<K: RecordKind>(tx: &mut RecordProducer<K>, round: usize) {
    let wait = Wait::park().spin_for(Duration::ZERO);
    let most = tx.max_record();
    // One message must not cost a gigabyte of this process's memory.
    let bytes = vec![round as u8; most.min(1 << 12)];
    let (half, third) = (bytes.len() / 2, bytes.len() / 3);
    let _ = tx.try_push_tagged(round as u16, &bytes[..third]);
    let _ = tx.try_push_vectored(1, &[&bytes[half..], b"", b"abc"]);
    let _ = tx.try_push_many(&[b"", &bytes[..5], &bytes[third..], b"12345678"]);
    let _ = tx.push_until(&bytes, wait, soon());
    assert!(tx.try_claim(most + 1).is_err());
    if let Ok(mut loan) = tx.try_claim(half) {
        loan.write_at(third, &bytes[..half - third]);
        loan.commit_len(third);
    }
    let _ = tx.try_claim(third).map(|loan| loan.abort());
}

fn take_records(rx: &mut RecordConsumer, out: &mut Vec<u8>) {
    let capacity = rx.capacity_bytes();
    let _ = rx.try_pop_into(out);
    if let Ok(sample) = rx.try_sample() {
        assert!(sample.len() as u64 + 8 <= capacity);
        let _ = (sample.read::<u64>(), sample.copy_to(&mut [0; 9]));
        sample.read_at(sample.len(), &mut []);
    }
    let _ = rx.try_peek().map(|sample| sample.to_vec().len());
    let _ = rx.pop_into_until(out, Wait::spin(), soon());
    let mut drain = rx.drain(5);
    while drain.next_into(out).is_some() {
        assert!(out.len() as u64 + 8 <= capacity);
    }
    let _ = (rx.is_empty(), rx.producer_state());
}
