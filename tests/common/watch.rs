//! Silences while ends are killed: for how long no message came, and how much of that was for want of a processor.
//!
//! A thread of the supervisor looks every millisecond whether the stream goes on. Of a silence that lasts it then asks
//! the kernel for how long each of the processes could have run and was not let (`/proc/<pid>/schedstat`), how late it
//! was woken itself, and how much time the machine's host took away (`/proc/stat`). While the only end of a side is
//! being replaced there is nothing to hear. What is left is the ring's own.

use super::kinds::now_ns;
use super::page::Page;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often to look.
const EVERY: Duration = Duration::from_millis(1);
/// From here on a silence is looked into.
const LASTS: Duration = Duration::from_millis(10);
/// What nobody may be kept waiting for.
const LIMIT: Duration = Duration::from_millis(200);

/// What was heard of a stream.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silences {
    /// The longest silence, and the longest part of one that was not for want of a processor.
    pub longest: Duration,
    pub own: Duration,
    /// How many were longer than 200 ms, and of how many the part that was not for want of a processor.
    pub over: u64,
    pub own_over: u64,
}

impl Silences {
    /// With those of another stream.
    pub fn add(&mut self, other: Self) {
        self.longest = self.longest.max(other.longest);
        self.own = self.own.max(other.own);
        self.over += other.over;
        self.own_over += other.own_over;
    }
}

/// What a run of random kills came to.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    pub kind: &'a str,
    pub kills: u64,
    pub messages: u64,
    pub redelivered: u64,
    pub silences: Silences,
}

impl Run<'_> {
    /// Prints a line that `tests/soak.sh` adds up.
    pub fn print(&self) {
        let Self { kind, silences, .. } = self;
        println!(
            "soak {kind} {} {} {} {} {} {} {}",
            self.kills,
            self.messages,
            self.redelivered,
            silences.longest.as_micros(),
            silences.own.as_micros(),
            silences.over,
            silences.own_over,
        );
    }
}

/// For how long there was nothing to hear so far, because the only end of a side was being replaced: in nanoseconds, and
/// since when it is being replaced now, or 0.
#[derive(Debug, Default)]
struct Away {
    ns: AtomicU64,
    since_ns: AtomicU64,
}

impl Away {
    fn total_ns(&self) -> u64 {
        let now = match self.since_ns.load(SeqCst) {
            0 => 0,
            since => now_ns().saturating_sub(since),
        };
        self.ns.load(SeqCst) + now
    }
}

/// Somebody who listens to a stream.
pub struct Watch {
    stop: Arc<AtomicBool>,
    away: Arc<Away>,
    thread: JoinHandle<Silences>,
}

impl Watch {
    /// Listens to the numbers `words` of the page at `path`, one of which changes with every message.
    pub fn start(path: &Path, words: &'static [usize]) -> Self {
        let page = Page::open(path.to_str().expect("temporary paths are text"));
        let stop = Arc::new(AtomicBool::new(false));
        let away = Arc::new(Away::default());
        let (stopped, gone) = (stop.clone(), away.clone());
        let thread = std::thread::spawn(move || listen(&page, words, &stopped, &gone));
        Self { stop, away, thread }
    }

    /// The only end of a side is being replaced, until this is called with `false`.
    pub fn replacing(&self, yes: bool) {
        let now = now_ns();
        let since = self.away.since_ns.swap(if yes { now } else { 0 }, SeqCst);
        if since > 0 {
            self.away.ns.fetch_add(now - since, SeqCst);
        }
    }

    /// What was heard.
    pub fn stop(self) -> Silences {
        self.stop.store(true, SeqCst);
        self.thread.join().expect("it listened")
    }
}

/// A silence while it lasts.
struct Silence {
    since: Instant,
    away_ns: u64,
    /// How late this thread was woken meanwhile.
    late: Duration,
    /// What the kernel said when it had lasted a while.
    delays: Option<(HashMap<u32, u64>, Duration)>,
}

impl Silence {
    fn new(away_ns: u64) -> Self {
        Self {
            since: Instant::now(),
            away_ns,
            late: Duration::ZERO,
            delays: None,
        }
    }

    /// How much of it was the ring's own.
    fn own(&self, away_ns: u64) -> Duration {
        let lasted = self.since.elapsed();
        let Some((before, stolen)) = &self.delays else {
            return lasted;
        };
        let waited = delays().into_iter().map(|(pid, ns)| {
            // Whoever came meanwhile waited since then.
            ns.saturating_sub(before.get(&pid).copied().unwrap_or(0))
        });
        let waited = Duration::from_nanos(waited.max().unwrap_or(0));
        let away = Duration::from_nanos(away_ns.saturating_sub(self.away_ns));
        let for_others = waited.max(self.late) + away + (steal() - *stolen);
        let own = lasted.saturating_sub(for_others);
        if own > LIMIT {
            println!(
                "silent for {lasted:?}: a process waited for a processor for {waited:?}, the one that listens for {:?}, replacing took {away:?}",
                self.late
            );
        }
        own
    }
}

fn listen(page: &Page, words: &'static [usize], stop: &AtomicBool, away: &Away) -> Silences {
    let heard = || words.iter().map(|&word| page.get(word)).sum::<u64>();
    let (mut silences, mut last) = (Silences::default(), heard());
    let mut silence = Silence::new(away.total_ns());
    while !stop.load(SeqCst) {
        let asleep = Instant::now();
        std::thread::sleep(EVERY);
        silence.late += asleep.elapsed().saturating_sub(2 * EVERY);
        let (now, lasted) = (heard(), silence.since.elapsed());
        if now == last {
            if lasted > LASTS && silence.delays.is_none() {
                silence.delays = Some((delays(), steal()));
            }
            continue;
        }
        last = now;
        silences.longest = silences.longest.max(lasted);
        silences.over += u64::from(lasted > LIMIT);
        let away_ns = away.total_ns();
        if lasted > LASTS {
            let own = silence.own(away_ns);
            silences.own = silences.own.max(own);
            silences.own_over += u64::from(own > LIMIT);
        }
        silence = Silence::new(away_ns);
    }
    silences
}

/// The numbers in the file at `path`; none if it is gone.
fn numbers(path: &str) -> Vec<u64> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let words = text.split_whitespace();
    words.filter_map(|word| word.parse().ok()).collect()
}

/// The names in the directory `path` that are numbers.
fn entries(path: &str) -> Vec<u32> {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter_map(|name| name.parse().ok()).collect()
}

/// For how long each thread of each child of this process was kept waiting for a processor, in nanoseconds.
fn delays() -> HashMap<u32, u64> {
    let mut all = HashMap::new();
    for thread in entries("/proc/self/task") {
        for child in numbers(&format!("/proc/self/task/{thread}/children")) {
            for task in entries(&format!("/proc/{child}/task")) {
                let numbers = numbers(&format!("/proc/{child}/task/{task}/schedstat"));
                all.insert(task, numbers.get(1).copied().unwrap_or(0));
            }
        }
    }
    all
}

/// Processor time that the machine's host has taken away so far.
fn steal() -> Duration {
    let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = stat.lines().next().unwrap_or_default();
    // In hundredths of a second, behind the name and seven others.
    let ticks = line
        .split_whitespace()
        .nth(8)
        .and_then(|word| word.parse().ok());
    Duration::from_millis(10 * ticks.unwrap_or(0))
}
