//! Silences while ends are killed: for how long no message came, and how much of that was for want of a processor.
//!
//! A thread of the supervisor looks every millisecond whether the stream goes on. Of a silence that lasts it then asks
//! the kernel for how long each of the processes could have run and was not let (`/proc/<pid>/schedstat`, and for those
//! who still wait how long ago that last changed), how late it was woken itself, and how much time the machine's host
//! took away (`/proc/stat`). While the only end of a side is being replaced, or all have sent what they may, there is
//! nothing to hear. What is left is the ring's own.

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
    /// Listens to the numbers `words` of the page at `path`, one of which changes with every message. While none of the
    /// numbers `idle`, if there are any, is 0, nobody is to send anything.
    pub fn start(path: &Path, words: &'static [usize], idle: &'static [usize]) -> Self {
        let page = Page::open(path.to_str().expect("temporary paths are text"));
        let stop = Arc::new(AtomicBool::new(false));
        let away = Arc::new(Away::default());
        let (stopped, gone) = (stop.clone(), away.clone());
        let thread = std::thread::spawn(move || listen(&page, (words, idle), &stopped, &gone));
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
    /// For how long of it nobody was to send anything.
    unsent: Duration,
    /// How late this thread was woken meanwhile.
    late: Duration,
    /// When it had lasted a while: how much time the host had taken away.
    stolen: Option<Duration>,
    /// The threads that were there since then.
    threads: HashMap<u32, Thread>,
    /// For how long a thread was kept waiting for a processor since then: whoever waited most at any look. Those who
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
            unsent: Duration::ZERO,
            late: Duration::ZERO,
            stolen: None,
            threads: HashMap::new(),
            waited: Duration::ZERO,
            looked: now,
            about: None,
        }
    }

    /// Asks the kernel who waits, if it has lasted a while, and now and then again.
    fn look(&mut self) {
        let lasted = self.since.elapsed();
        if lasted > LASTS && self.stolen.is_none() {
            self.stolen = Some(steal());
            self.threads = tasks().map(|task| (task.1, Thread::new(task))).collect();
            self.looked = Instant::now();
        } else if self.looked.elapsed() > 2 * LASTS {
            self.ask();
        }
        if lasted > LIMIT && self.about.is_none() {
            self.about = Some(everybody());
        }
    }

    fn ask(&mut self) {
        if self.stolen.is_none() {
            return;
        }
        for task in tasks() {
            // Whoever came meanwhile waited since then.
            let thread = self.threads.entry(task.1).or_default();
            self.waited = self.waited.max(thread.waited(task));
        }
        self.looked = Instant::now();
    }

    /// It is over. How long it was, how much of that was not for want of a processor, and how much of it not for want of
    /// an end that was being replaced either.
    fn over(mut self, away_ns: u64) -> [Duration; 3] {
        self.ask();
        let lasted = self.since.elapsed();
        let Some(stolen) = self.stolen else {
            return [lasted; 3];
        };
        let away = Duration::from_nanos(away_ns.saturating_sub(self.away_ns));
        // Who waits for a processor that the host has taken away counts it as well.
        let scheduling = self.waited.max(self.late).max(steal() - stolen);
        if let Some(about) = self.about {
            println!(
                "silent for {lasted:?}: a process waited for a processor for {:?}, the one that listens for {:?}, replacing took {away:?}; after {LIMIT:?}:\n{about}",
                self.waited, self.late
            );
        }
        let idle = lasted.saturating_sub(scheduling + self.unsent);
        [lasted, idle, idle.saturating_sub(away)]
    }
}

fn listen(
    page: &Page,
    (words, idle): (&[usize], &[usize]),
    stop: &AtomicBool,
    away: &Away,
) -> Silences {
    let heard = || words.iter().map(|&word| page.get(word)).sum::<u64>();
    let all_idle = || !idle.is_empty() && idle.iter().all(|&word| page.get(word) != 0);
    let (mut silences, mut last) = (Silences::default(), heard());
    let mut silence = Silence::new(away.total_ns());
    while !stop.load(SeqCst) {
        let asleep = Instant::now();
        std::thread::sleep(EVERY);
        silence.late += asleep.elapsed().saturating_sub(2 * EVERY);
        let now = heard();
        if now == last {
            if all_idle() {
                silence.unsent += asleep.elapsed();
            }
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

/// The numbers in `text`.
fn numbers(text: &str) -> impl Iterator<Item = u64> {
    text.split_whitespace().filter_map(|word| word.parse().ok())
}

/// The names in the directory `path` that are numbers.
fn entries(path: &str) -> Vec<u32> {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter_map(|name| name.parse().ok()).collect()
}

/// This process or a child of it, and a thread of that.
type Task = (u64, u32);

/// What the kernel says of it, if it is still there.
fn read((child, thread): Task, what: &str) -> String {
    std::fs::read_to_string(format!("/proc/{child}/task/{thread}/{what}")).unwrap_or_default()
}

/// Whether it runs or could (`R`), sleeps, or is dead: a letter of proc_pid_stat(5).
fn state(task: Task) -> char {
    let stat = read(task, "stat");
    let behind_the_name = stat.rsplit(')').next().unwrap_or_default();
    behind_the_name.trim().chars().next().unwrap_or('?')
}

/// For how long it ran and waited for a processor so far, in nanoseconds.
fn ran_and_waited(task: Task) -> (u64, u64) {
    let text = read(task, "schedstat");
    let mut numbers = numbers(&text);
    let mut next = || numbers.next().unwrap_or(0);
    (next(), next())
}

/// A thread during a silence.
#[derive(Default)]
struct Thread {
    /// For how long it had waited before, in nanoseconds.
    before_ns: u64,
    /// What the kernel said at the last looks, and since when it says the same and that the thread could run. The kernel
    /// counts a wait when it is over: whoever could run and does not has waited since then.
    last: (u64, u64),
    still: Option<Instant>,
}

impl Thread {
    fn new(task: Task) -> Self {
        let last = ran_and_waited(task);
        Self {
            before_ns: last.1,
            last,
            still: None,
        }
    }

    /// For how long it was kept waiting since `new`, at a look at it.
    fn waited(&mut self, task: Task) -> Duration {
        let now = ran_and_waited(task);
        // Of one that never ran there is nothing to tell, nor where the kernel does not count.
        if now != self.last || now.0 == 0 || state(task) != 'R' {
            self.still = None;
        } else {
            self.still.get_or_insert_with(Instant::now);
        }
        self.last = now;
        let counted = Duration::from_nanos(now.1.saturating_sub(self.before_ns));
        counted + self.still.map_or(Duration::ZERO, |since| since.elapsed())
    }
}

/// All threads of the children of this process, and of this process but for the one that asks.
fn tasks() -> impl Iterator<Item = Task> {
    let me = std::process::id().into();
    // SAFETY: a number.
    let asks = unsafe { libc::gettid() } as u32;
    let own = entries("/proc/self/task").into_iter();
    let children = entries("/proc/self/task").into_iter().flat_map(|thread| {
        let path = format!("/proc/self/task/{thread}/children");
        let text = std::fs::read_to_string(path).unwrap_or_default();
        numbers(&text).collect::<Vec<_>>()
    });
    let tasks = |child| {
        let tasks = entries(&format!("/proc/{child}/task")).into_iter();
        tasks.map(move |task| (child, task))
    };
    let own = own.filter(move |thread| *thread != asks);
    own.map(move |thread| (me, thread))
        .chain(children.flat_map(tasks))
}

/// What each of them is about: its state, where in the kernel it sleeps, its system call, and how long it waited.
fn everybody() -> String {
    let about = |task: Task| {
        let [sleeps, call, waited] = ["wchan", "syscall", "schedstat"].map(|what| read(task, what));
        let ((child, thread), state) = (task, state(task));
        format!(
            "  {child} {thread}: {state} {sleeps}, call {}, ran and waited {}\n",
            call.trim(),
            waited.trim()
        )
    };
    tasks().map(about).collect()
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
