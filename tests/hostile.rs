//! A peer with write access to a ring stores anything, anywhere, at any time.
//!
//! The victim uses the library in its default, safe mode. Whatever it finds, it must answer with a typed
//! error or a wrong value: never a panic, never a wait beyond its deadline, never a byte touched that does
//! not belong to the ring's words and payloads. Bytes between and behind the ring's regions hold a pattern
//! that is compared at the end of every round. Nothing here is undefined behaviour on the test's side: all
//! access to shared memory is through atomics, so these tests also run under AddressSanitizer.

use annulus::{
    Backing, Consumer, EndpointError, OpenError, Parking, Producer, Ring, TryPushError, Wait, spsc,
};
use memmap2::{MmapOptions, MmapRaw};
use std::fs::{self, File};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Offsets of `docs/WIRE.md`.
const HEADER_BYTES: usize = 256;
const CONTROL: usize = 4096;
const TABLE: usize = 5120;
const DATA: usize = 8192;
/// A byte that the library never has a reason to write where it stands.
const CANARY: u8 = 0xa5;
/// Pages behind the ring that belong to its segment and not to the ring.
const SPARE_BYTES: usize = 8192;
/// How long the victim is ready to wait.
const PATIENCE: Duration = Duration::from_micros(150);
/// How much later than that it may come back.
const GRACE: Duration = Duration::from_millis(100);

/// xorshift64*: the tests are the same in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
}

/// Every power of two, its neighbours, and their complements.
fn boundary_values() -> Vec<u64> {
    let mut values: Vec<u64> = (0..64)
        .flat_map(|k| [(1u64 << k) - 1, 1 << k, (1 << k) + 1])
        .flat_map(|v| [v, !v])
        .collect();
    values.sort_unstable();
    values.dedup();
    values
}

/// A word that a peer can write: its offset and its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Target {
    at: usize,
    bytes: usize,
}

/// The attacker: a second mapping of the ring's memory.
struct Attacker {
    map: MmapRaw,
    stride: usize,
    capacity: usize,
    /// The memory as it was when the ring was new.
    pristine: Vec<u8>,
    targets: Vec<Target>,
    random: Random,
    values: Vec<u64>,
    mutations: u64,
}

impl Attacker {
    fn new(map: MmapRaw, stride: usize, capacity: usize, seed: u64) -> Self {
        let mut attacker = Self {
            pristine: Vec::new(),
            targets: targets(stride, capacity),
            random: Random(seed),
            values: boundary_values(),
            mutations: 0,
            map,
            stride,
            capacity,
        };
        attacker.pristine = (0..attacker.map.len())
            .map(|i| attacker.byte(i).load(Relaxed))
            .collect();
        attacker
    }

    fn byte(&self, at: usize) -> &AtomicU8 {
        assert!(at < self.map.len());
        // SAFETY: inside the mapping, which lives as long as `self`.
        unsafe { AtomicU8::from_ptr(self.map.as_mut_ptr().add(at)) }
    }

    fn word(&self, at: usize) -> &AtomicU64 {
        assert!(at.is_multiple_of(8) && at + 8 <= self.map.len());
        // SAFETY: aligned and inside the mapping, which lives as long as `self`.
        unsafe { AtomicU64::from_ptr(self.map.as_mut_ptr().add(at).cast()) }
    }

    fn half(&self, at: usize) -> &AtomicU32 {
        assert!(at.is_multiple_of(4) && at + 4 <= self.map.len());
        // SAFETY: aligned and inside the mapping, which lives as long as `self`.
        unsafe { AtomicU32::from_ptr(self.map.as_mut_ptr().add(at).cast()) }
    }

    fn store(&mut self, target: Target, value: u64) {
        match target.bytes {
            4 => self.half(target.at).store(value as u32, Relaxed),
            _ => self.word(target.at).store(value, Relaxed),
        }
        self.mutations += 1;
    }

    /// A value that hurts: a boundary, noise, a word near to what belongs there, or a word from elsewhere.
    fn value(&mut self, target: Target) -> u64 {
        let now = self.word(target.at & !7).load(Relaxed);
        let capacity = self.capacity as u64;
        match self.random.below(6) {
            0 => self.random.next(),
            1 => now ^ (1 << self.random.below(64)),
            2 => now.wrapping_add(
                [1, 2, 3, 4, 8, u64::MAX, capacity * 4, capacity][self.random.below(8)],
            ),
            3 => {
                now.wrapping_sub([1, 4, capacity, 2 * capacity, 4 * capacity][self.random.below(5)])
            }
            4 => {
                let other = self.random.below(self.targets.len());
                self.word(self.targets[other].at & !7).load(Relaxed)
            }
            _ => self.values[self.random.below(self.values.len())],
        }
    }

    /// Stores one hurtful value somewhere.
    fn strike(&mut self) {
        // Half of all strikes go where the protocol lives: gate, sleep words, closed, ready words.
        let live = HEADER_BYTES / 8;
        let i = match self.random.below(2) {
            0 => self.random.below(self.targets.len()),
            _ => live + self.random.below(self.targets.len() - live),
        };
        let target = self.targets[i];
        let value = self.value(target);
        self.store(target, value);
    }

    /// Puts the memory back to what it was when the ring was new.
    fn heal(&self) {
        for at in (0..self.pristine.len()).step_by(8) {
            let word = u64::from_ne_bytes(self.pristine[at..at + 8].try_into().expect("eight"));
            self.word(at).store(word, Relaxed);
        }
    }

    /// Panics if a byte was written that is neither a word of the format nor payload.
    fn check_canaries(&self, payload: std::ops::Range<usize>) {
        for at in HEADER_BYTES..self.map.len() {
            let writable = match at {
                CONTROL..TABLE => (at - CONTROL) % 128 < 8 && at < CONTROL + 512,
                TABLE..DATA => (at - TABLE) % 128 < 48 && at < TABLE + 256,
                DATA.. if at < DATA + self.stride * self.capacity => {
                    let inside = (at - DATA) % self.stride;
                    inside < 8 || payload.contains(&inside)
                }
                _ => false,
            };
            assert!(
                writable || self.byte(at).load(Relaxed) == CANARY,
                "the library wrote to byte {at}, which is not part of the ring"
            );
        }
    }
}

/// The words of a ring: the header's, then the rest.
fn targets(stride: usize, capacity: usize) -> Vec<Target> {
    let word = |at| Target { at, bytes: 8 };
    let half = |at| Target { at, bytes: 4 };
    let mut all: Vec<Target> = (0..HEADER_BYTES).step_by(8).map(word).collect();
    all.push(word(CONTROL));
    all.extend([128, 256, 384].map(|line| half(CONTROL + line)));
    for entry in [TABLE, TABLE + 128] {
        all.extend([0, 4, 16, 20].map(|at| half(entry + at)));
        all.extend([8, 24, 32, 40].map(|at| word(entry + at)));
    }
    all.extend((0..capacity).map(|i| word(DATA + i * stride)));
    all
}

/// A memfd that holds what `ring` holds, with canaries in all gaps and spare pages behind it.
fn copy_with_canaries<T: annulus::Element + ?Sized>(
    ring: &Ring<T>,
    stride: usize,
) -> (OwnedFd, MmapRaw) {
    let source = MmapOptions::new()
        .map_raw(&ring.descriptor().expect("a descriptor"))
        .expect("map");
    let capacity = ring.capacity() as usize;
    let bytes = source.len() + SPARE_BYTES;
    // SAFETY: a static zero-terminated name; the descriptor is new and owned by nobody else.
    let fd = unsafe {
        OwnedFd::from_raw_fd(libc::memfd_create(
            c"hostile".as_ptr(),
            libc::MFD_ALLOW_SEALING,
        ))
    };
    let file = File::from(fd);
    file.set_len(bytes as u64).expect("room");
    let map = MmapOptions::new().map_raw(&file).expect("map");
    let attacker = Attacker::new(map, stride, capacity, 1);
    for at in 0..bytes {
        let old = match at {
            0..HEADER_BYTES => Some(at),
            _ if at < source.len() => {
                let live = attacker
                    .targets
                    .iter()
                    .any(|t| (t.at..t.at + 8).contains(&at));
                live.then_some(at)
            }
            _ => None,
        };
        // SAFETY: `at` is inside `source`; nobody writes to this ring.
        let byte = old.map_or(CANARY, |at| unsafe { source.as_ptr().add(at).read() });
        attacker.byte(at).store(byte, Relaxed);
    }
    attacker.word(72).store(bytes as u64, Relaxed); // Segment size.
    // SAFETY: a live descriptor and an integer.
    assert_eq!(0, unsafe {
        libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, libc::F_SEAL_SHRINK)
    });
    (file.into(), attacker.map)
}

/// Notices when one operation takes for ever, says which, and ends the process.
struct Watchdog {
    beat: Arc<AtomicU64>,
}

impl Watchdog {
    fn start() -> Self {
        let beat = Arc::new(AtomicU64::new(0));
        let watched = Arc::clone(&beat);
        std::thread::spawn(move || {
            let (mut last, mut since) = (0, Instant::now());
            loop {
                std::thread::sleep(Duration::from_millis(100));
                let now = watched.load(Relaxed);
                if now == u64::MAX {
                    return;
                }
                if now != last {
                    (last, since) = (now, Instant::now());
                }
                if since.elapsed() > Duration::from_secs(20) {
                    eprintln!("hung in operation {} (kind {})", now >> 8, now & 0xff);
                    std::process::abort();
                }
            }
        });
        Self { beat }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.beat.store(u64::MAX, Relaxed);
    }
}

/// What one operation gave. Values are not looked at: the attacker may have forged them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Done,
    Refused,
    /// The endpoint is closed for good; the ring has to be healed.
    Over,
}

impl Outcome {
    fn of<V, E>(result: Result<V, E>) -> Self {
        if result.is_ok() {
            Self::Done
        } else {
            Self::Refused
        }
    }
}

/// Kinds of operations of both victims.
const OPERATIONS: usize = 20;

/// Somebody who uses the library while it is lied to.
trait Victim {
    /// Operation number `op`, with strikes in the middle of it.
    fn operate(&mut self, op: usize, enemy: &mut Attacker) -> Outcome;
    /// Lets go of both ends and takes them again.
    fn attach(&mut self) -> Result<(), EndpointError>;
}

fn deadline() -> Instant {
    Instant::now() + PATIENCE
}

fn some_wait(enemy: &mut Attacker) -> Wait {
    let soon = Duration::from_micros(5);
    [
        Wait::park().spin_for(soon),
        Wait::spin(),
        Wait::spin_then_yield().spin_for(soon),
    ][enemy.random.below(3)]
}

struct Typed {
    ring: Ring<u64>,
    tx: Option<Producer<u64>>,
    rx: Option<Consumer<u64>>,
}

/// Takes an end again if it is free, and says how that went.
fn retake<E>(end: &mut Option<E>, take: impl FnOnce() -> Result<E, EndpointError>) -> Outcome {
    *end = None;
    match take() {
        Ok(taken) => {
            *end = Some(taken);
            Outcome::Done
        }
        // A damaged ring refuses until it is healed.
        Err(EndpointError::Closed | EndpointError::Corrupt(_)) => Outcome::Over,
        Err(EndpointError::Occupied { .. }) => panic!("the kernel says who is alive, not the peer"),
        Err(e) => panic!("unexpected: {e}"),
    }
}

impl Victim for Typed {
    fn attach(&mut self) -> Result<(), EndpointError> {
        (self.tx, self.rx) = (None, None);
        self.tx = Some(self.ring.producer()?);
        self.rx = Some(self.ring.consumer()?);
        Ok(())
    }

    fn operate(&mut self, op: usize, enemy: &mut Attacker) -> Outcome {
        let n = 1 + enemy.random.below(9);
        let wait = some_wait(enemy);
        let (Some(tx), Some(rx)) = (&mut self.tx, &mut self.rx) else {
            return Outcome::Over;
        };
        match op {
            0 => Outcome::of(tx.try_push(&7)),
            1 => Outcome::of(tx.push_until(&7, wait, deadline())),
            2 => Outcome::of(rx.try_pop()),
            3 => Outcome::of(rx.pop_until(wait, deadline())),
            4 => Outcome::of(tx.try_claim().map(|mut loan| {
                enemy.strike();
                loan.write(&8);
                let _ = loan.position();
                enemy.strike();
                if n > 2 { loan.commit() } else { loan.abort() }
            })),
            5 => Outcome::of(tx.try_claim_run(n).map(|mut run| {
                assert!((1..=n).contains(&run.len()));
                for i in 0..run.len() {
                    enemy.strike();
                    run.write(i, &9);
                }
                let first = run.len().min(n / 2);
                if n > 6 {
                    run.commit()
                } else {
                    run.commit_first(first)
                }
            })),
            6 => Outcome::of(tx.claim_until(wait, deadline()).map(|loan| loan.commit())),
            7 => Outcome::of(rx.try_sample().map(|sample| {
                enemy.strike();
                let _ = (sample.read(), sample.position());
                enemy.strike();
            })),
            8 => Outcome::of(
                rx.sample_until(wait, deadline())
                    .map(|sample| sample.release()),
            ),
            9 => {
                for (i, _) in rx.drain(n).enumerate() {
                    assert!(i < n);
                    enemy.strike();
                }
                Outcome::Done
            }
            10 => {
                assert!(tx.len() <= tx.capacity() && rx.len() <= rx.capacity());
                let _ = (tx.is_empty(), rx.is_empty(), tx.position(), rx.position());
                Outcome::Done
            }
            11 => {
                let status = self.ring.status().expect("the kernel answers");
                assert!(status.len <= 2 * status.capacity, "{status:?}");
                Outcome::Done
            }
            12 => {
                let _ = (
                    tx.consumer_state(),
                    rx.producer_state(),
                    tx.predecessor(),
                    rx.predecessor(),
                );
                Outcome::Done
            }
            13 => retake(&mut self.tx, || self.ring.producer()),
            14 => retake(&mut self.rx, || self.ring.consumer()),
            15 => Outcome::of(tx.try_push_many(&[1, 2, 3, 4, 5][..n.min(5)])),
            16 => {
                assert!(self.ring.is_current());
                Outcome::of(self.ring.clone().status())
            }
            17 => {
                let again = self
                    .ring
                    .descriptor()
                    .expect("a memfd")
                    .try_clone_to_owned()
                    .expect("dup");
                match spsc::<u64>("hostile")
                    .prefault(false)
                    .open_descriptor(again)
                {
                    Ok(_) => Outcome::Done,
                    Err(
                        OpenError::Mismatch { .. }
                        | OpenError::NotARing { .. }
                        | OpenError::Unfinished { .. },
                    ) => Outcome::Refused,
                    // A header that asks for semaphores which do not exist.
                    Err(OpenError::Os(e)) if e.op == "sem_open" => Outcome::Refused,
                    Err(e) => panic!("unexpected: {e}"),
                }
            }
            18 if n == 9 => {
                self.tx.take().expect("checked").close();
                Outcome::Over
            }
            19 if n == 9 => {
                self.rx.take().expect("checked").close();
                Outcome::Over
            }
            _ => Outcome::of(tx.try_push(&6)),
        }
    }
}

struct Bytes {
    ring: Ring<[u8]>,
    tx: Option<Producer<[u8]>>,
    rx: Option<Consumer<[u8]>>,
    buffer: Vec<u8>,
}

impl Victim for Bytes {
    fn attach(&mut self) -> Result<(), EndpointError> {
        (self.tx, self.rx) = (None, None);
        self.tx = Some(self.ring.producer()?);
        self.rx = Some(self.ring.consumer()?);
        Ok(())
    }

    fn operate(&mut self, op: usize, enemy: &mut Attacker) -> Outcome {
        let wait = some_wait(enemy);
        let size = self.buffer.len();
        let (Some(tx), Some(rx)) = (&mut self.tx, &mut self.rx) else {
            return Outcome::Over;
        };
        let at = enemy.random.below(size);
        let len = enemy.random.below(size - at + 1);
        match op {
            0..4 => Outcome::of(tx.try_push(&self.buffer)),
            4 => Outcome::of(tx.push_until(&self.buffer, wait, deadline())),
            5 => Outcome::of(tx.try_claim().map(|mut loan| {
                enemy.strike();
                loan.write_at(at, &self.buffer[..len]);
                loan.commit();
            })),
            6 => Outcome::of(tx.try_claim_run(3).map(|mut run| {
                run.write_at(0, at, &self.buffer[..len]);
                enemy.strike();
                run.commit();
            })),
            7..11 => Outcome::of(rx.try_pop_into(&mut self.buffer)),
            11 => Outcome::of(rx.pop_into_until(&mut self.buffer, wait, deadline())),
            12 => Outcome::of(rx.try_sample().map(|sample| {
                enemy.strike();
                assert_eq!(sample.slot_size(), size);
                sample.read_at(at, &mut self.buffer[..len]);
            })),
            13 => {
                let mut drain = rx.drain(3);
                while drain.next_into(&mut self.buffer) {
                    enemy.strike();
                }
                Outcome::Done
            }
            14 => retake(&mut self.tx, || self.ring.producer()),
            15 => retake(&mut self.rx, || self.ring.consumer()),
            16 => Outcome::of(self.ring.status()),
            _ => Outcome::of(tx.try_push(&self.buffer)),
        }
    }
}

/// One attacked ring.
struct Fight<V> {
    victim: V,
    enemy: Attacker,
    payload: std::ops::Range<usize>,
    watchdog: Watchdog,
    operations: u64,
    late: u32,
}

impl<V: Victim> Fight<V> {
    fn operate(&mut self, op: usize) -> Outcome {
        self.operations += 1;
        self.watchdog
            .beat
            .store(self.operations << 8 | op as u64, Relaxed);
        let begun = Instant::now();
        let outcome = self.victim.operate(op, &mut self.enemy);
        if begun.elapsed() > PATIENCE + GRACE {
            eprintln!("operation {op} took {:?}", begun.elapsed());
            self.late += 1;
        }
        outcome
    }

    /// Back to a new ring with new endpoints. Checks that nothing outside the ring was written.
    fn heal(&mut self) {
        self.enemy.check_canaries(self.payload.clone());
        self.enemy.heal();
        self.victim
            .attach()
            .expect("a healed ring can be attached to");
    }

    /// Every boundary value in every word, each followed by a handful of operations.
    fn every_value_in_every_word(&mut self) {
        let values = self.enemy.values.clone();
        for target in self.enemy.targets.clone() {
            for (i, value) in values.iter().enumerate() {
                self.enemy.store(target, *value);
                for j in 0..3 {
                    let op = self.enemy.random.below(OPERATIONS);
                    // Waits and attaching cost time; the random rounds have plenty of them.
                    let op = if (i + j) % 8 == 0 {
                        op
                    } else {
                        [0, 2, 4, 7, 9, 10][op % 6]
                    };
                    if self.operate(op) == Outcome::Over {
                        self.heal();
                    }
                }
                if i % 16 == 15 {
                    self.heal();
                }
            }
            self.heal();
        }
    }

    fn random_rounds(&mut self, mutations: u64) {
        let end = self.enemy.mutations + mutations;
        while self.enemy.mutations < end {
            for _ in 0..12 {
                self.enemy.strike();
                let op = self.enemy.random.below(OPERATIONS);
                if self.operate(op) == Outcome::Over {
                    break;
                }
            }
            self.heal();
        }
    }

    fn finish(self) -> u64 {
        // A busy machine may stall anybody now and then; a library that waits too long does so every time.
        assert!(
            self.late <= 3,
            "{} of {} operations came back late",
            self.late,
            self.operations
        );
        self.enemy.mutations
    }
}

fn typed_fight(start: u64, parking: Parking, seed: u64) -> Fight<Typed> {
    let options = spsc::<u64>("hostile")
        .backing(Backing::Memfd)
        .capacity(8)
        .start_position(start)
        .parking(parking);
    let (fd, map) = copy_with_canaries(&options.create().expect("create"), 16);
    let ring = spsc::<u64>("hostile")
        .open_descriptor(fd)
        .expect("a copy is as good as the original");
    let mut victim = Typed {
        ring,
        tx: None,
        rx: None,
    };
    victim.attach().expect("attach");
    Fight {
        victim,
        enemy: Attacker::new(map, 16, 8, seed),
        payload: 8..16,
        watchdog: Watchdog::start(),
        operations: 0,
        late: 0,
    }
}

fn bytes_fight(size: usize, stride: usize, seed: u64) -> Fight<Bytes> {
    let options = spsc::<[u8]>("hostile")
        .slot_size(size)
        .backing(Backing::Memfd)
        .capacity(4);
    let (fd, map) = copy_with_canaries(&options.create().expect("create"), stride);
    let ring = spsc::<[u8]>("hostile")
        .open_descriptor(fd)
        .expect("a copy is as good as the original");
    let mut victim = Bytes {
        ring,
        tx: None,
        rx: None,
        buffer: vec![0; size],
    };
    victim.attach().expect("attach");
    Fight {
        victim,
        enemy: Attacker::new(map, stride, 4, seed),
        payload: 8..8 + size.next_multiple_of(8),
        watchdog: Watchdog::start(),
        operations: 0,
        late: 0,
    }
}

#[test]
fn every_boundary_value_in_every_word_gives_typed_errors_or_wrong_values() {
    let begun = Instant::now();
    let mut fight = typed_fight(0, Parking::Auto, 11);
    fight.every_value_in_every_word();
    println!("{} mutations in {:?}", fight.finish(), begun.elapsed());
}

#[test]
fn random_stores_between_and_within_operations_give_typed_errors_or_wrong_values() {
    let begun = Instant::now();
    let mut total = 0;
    for (seed, start) in [(1, 0), (2, 5), (3, (1 << 62) - 3), (4, (1 << 61) + 1)] {
        for parking in [Parking::Auto, Parking::Fenced, Parking::Never] {
            let mut fight = typed_fight(start, parking, seed + 100);
            fight.random_rounds(15_000);
            total += fight.finish();
        }
    }
    println!("{total} mutations in {:?}", begun.elapsed());
    assert!(total >= 180_000);
}

#[test]
fn random_stores_into_rings_of_bytes_stay_inside_the_payload() {
    let mut total = 0;
    for (size, stride) in [(1, 16), (7, 16), (56, 64), (61, 128), (1000, 1024)] {
        let mut fight = bytes_fight(size, stride, 40 + size as u64);
        fight.random_rounds(8_000);
        total += fight.finish();
    }
    assert!(total >= 40_000);
}

/// A process of its own that runs `role` of this file, ended when dropped.
struct Enemy(Child);

impl Enemy {
    fn start(path: &str) -> Self {
        let child = Command::new(std::env::current_exe().expect("own path"))
            .args([
                "--exact",
                "a_hostile_process_flips_words_when_it_is_told_to",
                "--nocapture",
            ])
            .env("ANNULUS_HOSTILE_PATH", path)
            .stdout(std::process::Stdio::null())
            .spawn()
            .expect("start");
        Self(child)
    }
}

impl Drop for Enemy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Not a test by itself: the other process of the one below.
#[test]
fn a_hostile_process_flips_words_when_it_is_told_to() {
    let Ok(path) = std::env::var("ANNULUS_HOSTILE_PATH") else {
        return;
    };
    let parent = std::os::unix::process::parent_id();
    let file = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .expect("open");
    let map = MmapOptions::new().map_raw(&file).expect("map");
    let mut enemy = Attacker::new(map, 16, 8, u64::from(std::process::id()));
    while std::os::unix::process::parent_id() == parent {
        for _ in 0..1000 {
            enemy.strike();
            // Now and then the ring is whole for a while, so that the victim gets past its first look.
            if enemy.random.below(20) == 0 {
                enemy.heal();
                for _ in 0..enemy.random.below(40_000) {
                    std::hint::spin_loop();
                }
            }
        }
    }
}

/// A file that is removed in the end.
struct Scratch(String);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[test]
fn a_process_that_flips_words_all_the_time_harms_nobody() {
    let name = format!("annulus-hostile-{}", std::process::id());
    let path = Scratch(format!("/dev/shm/{name}"));
    let ring = spsc::<u64>(&name).capacity(8).create().expect("create");
    let mut victim = Typed {
        ring,
        tx: None,
        rx: None,
    };
    victim.attach().expect("attach");
    let file = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(&path.0)
        .expect("open");
    // A quiet attacker of our own: it lends its random numbers and strikes a little as well.
    let own = Attacker::new(MmapOptions::new().map_raw(&file).expect("map"), 16, 8, 77);
    let enemy = Enemy::start(&path.0);
    let watchdog = Watchdog::start();
    let mut fight = Fight {
        victim,
        enemy: own,
        payload: 0..0,
        watchdog,
        operations: 0,
        late: 0,
    };
    let end = Instant::now() + Duration::from_secs(4);
    let (mut done, mut attached, mut refused) = (0u64, 0u64, 0u32);
    while Instant::now() < end {
        // 17 opens a second time by descriptor, which is for memfds.
        let op = fight.enemy.random.below(17);
        match fight.operate(op) {
            Outcome::Done => (done, refused) = (done + 1, 0),
            Outcome::Refused if refused < 5 => refused += 1,
            // The enemy heals the ring, sometimes; whoever lost its place attaches anew.
            _ => match fight.victim.attach() {
                Ok(()) => (attached, refused) = (attached + 1, 0),
                Err(EndpointError::Closed | EndpointError::Corrupt(_)) => {}
                Err(e) => panic!("unexpected: {e}"),
            },
        }
        match spsc::<u64>(&name).prefault(false).open() {
            Ok(_)
            | Err(
                OpenError::Mismatch { .. }
                | OpenError::NotARing { .. }
                | OpenError::Unfinished { .. },
            ) => {}
            Err(OpenError::Os(e)) if e.op == "sem_open" => {}
            Err(e) => panic!("unexpected: {e}"),
        }
    }
    drop(enemy);
    println!(
        "{} operations, {done} of them done, attached {attached} times",
        fight.operations
    );
    assert!(done > 20 && attached > 0, "the victim never got anywhere");
    fight.finish();
}

#[test]
fn a_lying_gate_never_buys_room_beyond_a_lap() {
    let mut fight = typed_fight(0, Parking::Fenced, 5);
    for _ in 0..8 {
        fight
            .victim
            .tx
            .as_mut()
            .expect("attached")
            .try_push(&1)
            .expect("room");
    }
    let ahead = [9, 10, 16, 17, 1 << 40, 1 << 63];
    // A gate that lags is honest up to a lap and harmless beyond.
    let behind = [u64::MAX, u64::MAX - 7];
    for lie in ahead.into_iter().chain(behind) {
        let gate = Target {
            at: CONTROL,
            bytes: 8,
        };
        fight.enemy.store(gate, lie);
        let tx = fight.victim.tx.as_mut().expect("attached");
        match tx.try_push(&2) {
            Err(TryPushError::Corrupt(e)) => assert_eq!((e.position, e.found), (8, lie)),
            Err(TryPushError::Full) => assert!(behind.contains(&lie), "gate {lie}"),
            other => panic!("gate {lie}: {other:?}"),
        }
        assert_eq!(tx.position(), 8);
    }
    fight.enemy.store(
        Target {
            at: CONTROL,
            bytes: 8,
        },
        0,
    );
    assert_eq!(
        fight.victim.tx.as_mut().expect("attached").try_push(&2),
        Err(TryPushError::Full)
    );
}

#[test]
fn a_sealed_ring_with_holes_punched_into_it_reads_as_zeros_and_kills_nobody() {
    let mut fight = typed_fight(3, Parking::Auto, 6);
    let fd = fight
        .victim
        .ring
        .descriptor()
        .expect("a memfd")
        .as_fd()
        .try_clone_to_owned()
        .expect("dup");
    for op in (0..OPERATIONS).cycle().take(200) {
        let bytes = fight.enemy.map.len() as libc::off_t;
        let punch = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
        // SAFETY: a live descriptor and integers.
        assert_eq!(0, unsafe {
            libc::fallocate(fd.as_raw_fd(), punch, 0, bytes)
        });
        let _ = fight.operate(op);
        if op % 5 == 4 {
            fight.enemy.heal();
            let _ = fight.victim.attach();
        }
    }
    fight.finish();
}

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
