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
    /// The longest silence, and the longest part of one that was not for want of a processor or of an end that was being
    /// replaced.
    pub longest: Duration,
    pub own: Duration,
    /// How many were longer than 200 ms, and of how many the part that was not for want of a processor.
    pub over: u64,
    pub own_over: u64,
    /// The longest that was not for want of a processor, but perhaps of an end that was being replaced.
    pub idle: Duration,
}

impl Silences {
    fn note(&mut self, [lasted, idle, own]: [Duration; 3]) {
        self.add(Self {
            longest: lasted,
            own,
            over: u64::from(lasted > LIMIT),
            own_over: u64::from(own > LIMIT),
            idle,
        });
    }

    /// With those of another stream.
    pub fn add(&mut self, other: Self) {
        self.longest = self.longest.max(other.longest);
        self.own = self.own.max(other.own);
        self.over += other.over;
        self.own_over += other.own_over;
        self.idle = self.idle.max(other.idle);
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
    before: Option<(HashMap<u32, u64>, Duration)>,
    /// For how long a process was kept waiting for a processor since then: whoever waited most at any look. Those who
    /// are killed wait for one as well, to die.
    waited: Duration,
    looked: Instant,
    /// What everybody was about when it had lasted for too long.
    about: Option<String>,
}

impl Silence {
    fn new(away_ns: u64) -> Self {
        let now = Instant::now();
        Self {
            since: now,
            away_ns,
            late: Duration::ZERO,
            before: None,
            waited: Duration::ZERO,
            looked: now,
            about: None,
        }
    }

    /// Asks the kernel who waits, if it has lasted a while, and now and then again.
    fn look(&mut self) {
        let lasted = self.since.elapsed();
        if lasted > LASTS && self.before.is_none() {
            self.before = Some((delays(), steal()));
            self.looked = Instant::now();
        } else if self.looked.elapsed() > 2 * LASTS {
            self.ask();
        }
        if lasted > LIMIT && self.about.is_none() {
            self.about = Some(everybody());
        }
    }

    fn ask(&mut self) {
        let Some((before, _)) = &self.before else {
            return;
        };
        // Whoever came meanwhile waited since then.
        let before = |task| before.get(task).copied().unwrap_or(0);
        let delays = delays();
        let waited = delays
            .iter()
            .map(|(task, ns)| ns.saturating_sub(before(task)));
        let waited = Duration::from_nanos(waited.max().unwrap_or(0));
        self.waited = self.waited.max(waited);
        self.looked = Instant::now();
    }

    /// It is over. How long it was, how much of that was not for want of a processor, and how much of it not for want of
    /// an end that was being replaced either.
    fn over(mut self, away_ns: u64) -> [Duration; 3] {
        self.ask();
        let lasted = self.since.elapsed();
        let Some((_, stolen)) = self.before else {
            return [lasted; 3];
        };
        let away = Duration::from_nanos(away_ns.saturating_sub(self.away_ns));
        let scheduling = self.waited.max(self.late) + (steal() - stolen);
        if let Some(about) = self.about {
            println!(
                "silent for {lasted:?}: a process waited for a processor for {:?}, the one that listens for {:?}, replacing took {away:?}; after {LIMIT:?}:\n{about}",
                self.waited, self.late
            );
        }
        let idle = lasted.saturating_sub(scheduling);
        [lasted, idle, idle.saturating_sub(away)]
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
        let now = heard();
        if now == last {
            silence.look();
            continue;
        }
        last = now;
        let away_ns = away.total_ns();
        let over = std::mem::replace(&mut silence, Silence::new(away_ns));
        silences.note(over.over(away_ns));
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

/// The threads of the children of this process, as a child and a thread of it each.
fn tasks() -> Vec<(u64, u32)> {
    let threads = entries("/proc/self/task").into_iter();
    let children =
        threads.flat_map(|thread| numbers(&format!("/proc/self/task/{thread}/children")));
    let tasks = |child| {
        let tasks = entries(&format!("/proc/{child}/task")).into_iter();
        tasks.map(move |task| (child, task))
    };
    children.flat_map(tasks).collect()
}

/// For how long each of them was kept waiting for a processor, in nanoseconds.
fn delays() -> HashMap<u32, u64> {
    let delay = |(child, task)| {
        let numbers = numbers(&format!("/proc/{child}/task/{task}/schedstat"));
        (task, numbers.get(1).copied().unwrap_or(0))
    };
    tasks().into_iter().map(delay).collect()
}

/// What each of them is about: its state, where in the kernel it sleeps, its system call, and how long it waited.
fn everybody() -> String {
    let about = |(child, task)| {
        let read = |what| {
            let text = std::fs::read_to_string(format!("/proc/{child}/task/{task}/{what}"));
            text.unwrap_or_default()
        };
        let (stat, sleeps) = (read("stat"), read("wchan"));
        let state = stat.rsplit(')').next().unwrap_or_default().trim();
        let state = state.get(..1).unwrap_or("?");
        let (call, waited) = (read("syscall"), read("schedstat"));
        format!(
            "  {child} {task}: {state} {sleeps}, call {}, ran and waited {}\n",
            call.trim(),
            waited.trim()
        )
    };
    tasks().into_iter().map(about).collect()
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
