//! A hostile process that never stops, against victims in processes of their own: every kind of ring, both sides.
//!
//! A short run by default. `ANNULUS_MUTATIONS` is how many stores there are, over all kinds. After at most 32
//! of them a victim has done something, or all of them have waited for a millisecond. What is asserted: nobody crashes or panics,
//! no call comes back later than a second after its deadline, nothing is written outside of the ring (canaries, looked at
//! by the enemy), nothing is read outside of the mapping (it lies between pages that nobody may touch).

use crate::common::child::{self, Args, Child, INHERITED, Start};
use crate::common::page::Page;
use crate::common::{alone, number_from_env};
use crate::victims::enemy::{Enemy, copy_with_canaries};
use crate::victims::memory::Memory;
use crate::victims::{
    Outcome, PATIENCE, Shape, Sides, Victim, broadcasts, opened, queues, records,
};
use annulus::{Mpmc, Mpsc, MpscRecords, Parking, Ring, Spmc, Spsc, SpscRecords};
use memmap2::MmapOptions;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

/// How much later than its deadline a call may come back, not counting how long it stood in line for a processor.
const GRACE: Duration = Duration::from_secs(1);
/// How long a victim may do nothing at all.
const HUNG: Duration = Duration::from_secs(20);
/// Stores into one ring; then another one is made, of another shape.
const ROUND: u64 = 5_000;
/// Stores at most between two looks at whether the victims did something.
const BURST: u64 = 32;
/// Bytes on either side of a victim's mapping that nobody may touch.
const FENCE: usize = 1 << 16;

/// Numbers on the page.
const STOP: usize = 0;
const MUTATIONS: usize = 1;
/// Of each victim: calls, how often it attached, calls that came back late, and whether one is going on.
const VICTIM: usize = 2;
const CALLS: usize = 0;
const ATTACHED: usize = 1;
const LATE: usize = 2;
const FIELDS: usize = 3;
/// Victims of one ring: two on either side.
const VICTIMS: usize = 4;

/// A kind of ring, and who its victims are.
struct Kind {
    name: &'static str,
    capacities: [u64; 3],
    /// How many processes there are on the producing and on the consuming side.
    processes: [usize; 2],
    create: fn(&Shape, u64) -> OwnedFd,
    victim: fn(&Args),
}

fn kind<V: Victim>(name: &'static str, capacities: [u64; 3], processes: [usize; 2]) -> Kind {
    Kind {
        name,
        capacities,
        processes,
        create: |shape, seed| {
            let made = V::options(shape).create().expect("a new ring");
            copy_with_canaries(&made, seed).0
        },
        victim: be_victim::<V>,
    }
}

const SLOTS: [u64; 3] = [2, 16, 64];
const BYTES: [u64; 3] = [256, 1024, 16384];

/// All kinds. Where many share a side each process takes several places, and there are fewer places than they want.
fn kinds() -> [Kind; 8] {
    use queues::Between;
    [
        kind::<Between<Spsc<[u8]>>>("spsc", SLOTS, [1, 1]),
        kind::<Between<Mpsc<[u8]>>>("mpsc", SLOTS, [2, 1]),
        kind::<Between<Spmc<[u8]>>>("spmc", SLOTS, [1, 2]),
        kind::<Between<Mpmc<[u8]>>>("mpmc", SLOTS, [2, 2]),
        kind::<broadcasts::OfSlots>("broadcast", SLOTS, [1, 2]),
        kind::<records::OfRecordQueue<SpscRecords>>("spsc records", BYTES, [1, 1]),
        kind::<records::OfRecordQueue<MpscRecords>>("mpsc records", BYTES, [2, 1]),
        kind::<broadcasts::OfRecords>("broadcast records", BYTES, [1, 2]),
    ]
}

fn shape(args: &Args) -> Shape {
    Shape {
        capacity: args.number("capacity"),
        align: args.number("align"),
        start: args.number("start"),
        parking: [Parking::Auto, Parking::Fenced, Parking::Never][args.number("parking") as usize],
    }
}

/// The file that the parent left to this process.
fn inherited() -> File {
    // SAFETY: the parent left this number to us, and nothing else of this process uses it.
    File::from(unsafe { OwnedFd::from_raw_fd(INHERITED) })
}

/// Strikes until it is told to stop, and after each time lets the others do something.
pub fn role_enemy(args: &Args) {
    let page = Page::open(args.get("page"));
    let map = MmapOptions::new().map_raw(&inherited()).expect("map");
    let mut enemy = Enemy::of(Memory::new(map), args.number("seed"));
    child::report("there");
    let calls = || -> u64 {
        (0..VICTIMS)
            .map(|i| page.get(VICTIM + FIELDS * i + CALLS))
            .sum()
    };
    let await_calls = |n: u64| {
        let (before, begun) = (calls(), Instant::now());
        while calls() < before + n && begun.elapsed() < Duration::from_millis(1) {
            std::thread::yield_now();
        }
    };
    // Nobody strikes before all have opened the ring.
    while calls() == 0 && page.get(STOP) == 0 {
        std::thread::yield_now();
    }
    while page.get(STOP) == 0 {
        // Some at once, for whoever runs on the other processors; then all of them have their turn.
        for _ in 0..=enemy.rng.below(BURST) {
            enemy.strike();
            for _ in 0..enemy.rng.below(64) {
                std::hint::spin_loop();
            }
        }
        page.set(MUTATIONS, enemy.mutations);
        await_calls(1);
        // Now and then the ring is whole for a while, so that the victims get past their first look.
        if enemy.rng.below(2) == 0 {
            enemy.heal();
            await_calls(enemy.rng.below(12));
        }
    }
    enemy.heal();
}

pub fn role_victim(args: &Args) {
    let kinds = kinds();
    let kind = kinds.iter().find(|kind| kind.name == args.get("kind"));
    (kind.expect("a kind").victim)(args);
}

/// `len` bytes of addresses that nobody may touch, where the kernel chooses.
fn nothing(len: usize) -> usize {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // SAFETY: the kernel chooses a free range; nothing is replaced.
    let at = unsafe { libc::mmap(std::ptr::null_mut(), len, libc::PROT_NONE, flags, -1, 0) };
    assert_ne!(at, libc::MAP_FAILED);
    at as usize
}

/// Gives back a part of what `nothing` gave.
fn free(at: usize, len: usize) {
    // SAFETY: from `nothing`, and nobody else knows of it.
    assert_eq!(0, unsafe { libc::munmap(at as *mut libc::c_void, len) });
}

/// Makes a gap of `len` bytes between addresses that nobody may touch, and fills all others that the kernel would choose
/// before it for a mapping of that length.
fn gap(len: usize) -> usize {
    let gap = nothing(len + 2 * FENCE) + FENCE;
    free(gap, len);
    loop {
        let next = nothing(len);
        if next == gap {
            free(gap, len);
            return gap;
        }
    }
}

/// Opens the ring so that its mapping lies between pages that nobody may touch.
fn open_between_fences<V: Victim>(shape: &Shape, file: &File) -> Ring<V::Kind> {
    let len = file.metadata().expect("a size").len() as usize;
    let gap = gap(len);
    let fd = file.try_clone().expect("dup").into();
    let ring = V::options(shape).open_descriptor(fd);
    let ring = ring.expect("nobody has struck yet");
    let maps = std::fs::read_to_string("/proc/self/maps").expect("maps");
    let mapping = maps.lines().find(|line| line.contains("hostile (deleted)"));
    let wanted = format!("{gap:x}-{:x} ", gap + len);
    assert!(
        mapping.is_some_and(|line| line.starts_with(&wanted)),
        "{wanted}, {maps}"
    );
    ring
}

/// How long this thread has stood in line for a processor since it began.
fn queued() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let ns = text.split_whitespace().nth(1).and_then(|n| n.parse().ok());
    Duration::from_nanos(ns.unwrap_or(0))
}

/// Uses one side of a ring in every way until it is told to stop.
fn be_victim<V: Victim>(args: &Args) {
    let page = Page::open(args.get("page"));
    let (shape, file) = (shape(args), inherited());
    let first = VICTIM + FIELDS * args.number("number") as usize;
    let sides = match args.number("side") {
        0 => Sides::Producers,
        _ => Sides::Consumers,
    };
    let ring = open_between_fences::<V>(&shape, &file);
    let mut peaceful = Enemy::peaceful(args.number("seed"));
    let mut victim = None;
    child::report("there");
    child::listen();
    let (mut calls, mut attached, mut late) = (0, 0, 0);
    let mut before = queued();
    while page.get(STOP) == 0 {
        let begun = Instant::now();
        match &mut victim {
            None => {
                victim = V::attach(&ring, sides);
                attached += u64::from(victim.is_some());
            }
            Some(ends) => {
                if ends.operate(&ring, &mut peaceful) == Outcome::Over {
                    victim = None;
                }
            }
        }
        if begun.elapsed() > PATIENCE + GRACE {
            let stood = queued() - before;
            late += u64::from(begun.elapsed() > PATIENCE + GRACE + stood);
        }
        calls += 1;
        if calls % 64 == 0 {
            before = queued();
            opened(V::options(&shape), file.try_clone().expect("dup").into());
        }
        page.set(first + CALLS, calls);
        page.set(first + ATTACHED, attached);
        page.set(first + LATE, late);
    }
    drop(victim);
    assert!(ring.descriptor().expect("a memfd").as_raw_fd() >= 0);
}

/// What a round came to.
#[derive(Default)]
struct Tally {
    mutations: u64,
    calls: u64,
    attached: u64,
    late: u64,
}

impl Tally {
    fn add(&mut self, other: &Self) {
        self.mutations += other.mutations;
        self.calls += other.calls;
        self.attached += other.attached;
        self.late += other.late;
    }
}

/// One ring: an enemy, and its victims.
struct Round {
    page: Page,
    enemy: Child,
    victims: Vec<Child>,
}

impl Round {
    fn begin(kind: &Kind, number: u64) -> Self {
        let turn = number as usize;
        let page = Page::new(VICTIM + FIELDS * VICTIMS);
        let args = Args::default()
            .with("page", page.path().display())
            .with("kind", kind.name)
            .with("capacity", kind.capacities[turn % 3])
            .with("align", [8, 64][turn % 2])
            .with("start", [0_u64, (1 << 62) - 128, 1 << 40][turn / 2 % 3])
            .with("parking", turn / 3 % 3);
        let fd = (kind.create)(&shape(&args), number);
        let start = |role, args| Start::new(role, args).inherit(fd.as_fd()).go();
        let mut enemy = start("enemy", args.clone().with("seed", number));
        enemy.expect("there");
        let sides = (0..2).flat_map(|side| (0..kind.processes[side]).map(move |_| side));
        let mut victims: Vec<Child> = sides
            .enumerate()
            .map(|(i, side)| {
                let args = args.clone().with("side", side).with("number", i);
                start("victim", args.with("seed", 100 * number + i as u64))
            })
            .collect();
        victims.iter_mut().for_each(|victim| victim.expect("there"));
        victims.iter_mut().for_each(|victim| victim.say("go"));
        Self {
            page,
            enemy,
            victims,
        }
    }

    /// Number `field` of victim `i`.
    fn get(&self, i: usize, field: usize) -> u64 {
        self.page.get(VICTIM + FIELDS * i + field)
    }

    /// Waits until there were as many mutations as asked for and every victim has got past its first look. Panics if one
    /// stands still, has ended, or is let in nowhere for long.
    fn watch(&mut self, mutations: u64) {
        let count = self.victims.len();
        let mut seen = vec![(0, Instant::now()); count + 1];
        let mut struck = None;
        loop {
            let out = (0..count).find(|i| self.get(*i, ATTACHED) == 0);
            if self.page.get(MUTATIONS) >= mutations {
                let since = *struck.get_or_insert_with(Instant::now);
                match out {
                    None => return,
                    Some(i) => assert!(since.elapsed() < HUNG, "victim {i} never got anywhere"),
                }
            }
            std::thread::sleep(Duration::from_millis(5));
            for (i, seen) in seen.iter_mut().enumerate() {
                let (who, now) = match i {
                    i if i == count => ("the enemy", self.page.get(MUTATIONS)),
                    i => ("a victim", self.get(i, CALLS)),
                };
                if now != seen.0 {
                    *seen = (now, Instant::now());
                }
                let moves = seen.1.elapsed() < HUNG;
                assert!(moves, "{who} ({i}) hangs, or has ended, after {now} steps");
            }
        }
    }

    /// Everybody stops, in good order: who crashed or panicked does not.
    fn end(self) -> Tally {
        self.page.set(STOP, 1);
        let of = |field| (0..self.victims.len()).map(|i| self.get(i, field)).sum();
        let mut tally = Tally::default();
        (tally.attached, tally.late) = (of(ATTACHED), of(LATE));
        (tally.calls, tally.mutations) = (of(CALLS), self.page.get(MUTATIONS));
        self.victims.into_iter().for_each(Child::finish);
        self.enemy.finish();
        tally
    }
}

#[test]
fn a_process_that_flips_words_all_the_time_harms_nobody_in_other_processes() {
    let _alone = alone();
    let wanted = number_from_env("ANNULUS_MUTATIONS", 16_000);
    let mut total = Tally::default();
    let begun = Instant::now();
    for kind in kinds() {
        let mut tally = Tally::default();
        let each = wanted.div_ceil(8);
        let mut round = 0;
        while tally.mutations < each {
            let mut ring = Round::begin(&kind, round);
            ring.watch(ROUND.min(each - tally.mutations));
            tally.add(&ring.end());
            round += 1;
        }
        println!(
            "{:18} {:>9} mutations of {round} rings, {:>10} calls of victims, attached {:>7} times, {} late",
            kind.name, tally.mutations, tally.calls, tally.attached, tally.late
        );
        // A busy machine may stall anybody now and then; a library that waits too long does so every time.
        assert!(tally.late <= 3 + tally.calls / 1_000_000);
        total.add(&tally);
    }
    println!(
        "total              {:>9} mutations, {:>10} calls of victims, attached {:>7} times, {} late, in {:?}",
        total.mutations,
        total.calls,
        total.attached,
        total.late,
        begun.elapsed()
    );
    assert!(total.mutations >= wanted && total.calls > total.mutations / BURST);
}
