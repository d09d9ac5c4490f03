//! What the ends of a ring write down as they go, in a page that outlives them: a word for every message.
//!
//! A producer notes before a commit what it attempts and after it what it has committed, for each of its lives apart. A
//! consumer notes each message while it is in hand. So whoever comes after a death can tell what was committed, what
//! was taken, and what came again.
//!
//! A message's word: 0, or its position and how often it came, first as itself, then marked as coming again.

use crate::common::page::Page;
use crate::kinds::now_ns;
use crate::payload::Id;
use std::sync::atomic::Ordering::SeqCst;

/// 1 when producers shall leave.
pub const STOP: usize = 0;
/// Which kill it is, from 1 on.
pub const KILL: usize = 1;
/// Messages that came; how many of those said that they came again; how many had been written down before.
pub const TAKEN: usize = 2;
pub const AGAIN: usize = 3;
pub const REPEATS: usize = 4;
/// The longest that a successor had to wait for a place, in nanoseconds.
pub const ATTACH_NS: usize = 5;
/// When the last message came.
const LAST_NS: usize = 6;
/// Violations: how many, and of the first: which, and three numbers about it.
const WRONG: usize = 7;
/// For each producer whether it has sent all that it may in one life, or is being replaced.
pub const IDLE: [usize; 3] = [12, 13, 14];
/// Behind all these: the longest silence after each kill.
const SILENCES: usize = 16;

/// Most producers.
const MOST: u64 = IDLE.len() as u64;
/// Most messages in one life of a producer.
pub const NUMBERS: u64 = 1 << 16;

/// The notes of one life of a producer.
#[derive(Clone, Copy, Debug)]
pub enum Note {
    Attempted,
    Committed,
}

/// All notes of one ring.
#[derive(Debug)]
pub struct Ledger {
    pub page: Page,
    /// How many lives of each producer, and how many kills, there is room for.
    lives: u64,
}

impl Ledger {
    /// Empty, for so many lives. Its file has holes where nothing was written.
    pub fn new(lives: u64) -> Self {
        let words = SILENCES as u64 + lives * (1 + MOST * (2 + NUMBERS));
        Self {
            page: Page::new(words as usize),
            lives,
        }
    }

    /// The one that another process made.
    pub fn open(path: &str, lives: u64) -> Self {
        let page = Page::open(path);
        Self { page, lives }
    }

    /// Where it is.
    pub fn path(&self) -> &str {
        self.page.path().to_str().expect("temporary paths are text")
    }

    /// For how many lives it is.
    pub fn lives(&self) -> u64 {
        self.lives
    }

    fn note(&self, note: Note, who: u64, life: u64) -> usize {
        SILENCES + (self.lives * (1 + 2 * who + note as u64) + life) as usize
    }

    /// A note about life `life` of producer `who`.
    fn get(&self, note: Note, who: u64, life: u64) -> u64 {
        self.page.get(self.note(note, who, life))
    }

    /// Stores it.
    pub fn set(&self, note: Note, who: u64, life: u64, count: u64) {
        self.page.set(self.note(note, who, life), count);
    }

    fn message(&self, id: Id) -> usize {
        let before = (id.who * self.lives + id.life) * NUMBERS + id.number;
        SILENCES + (self.lives * (1 + 2 * MOST) + before) as usize
    }

    /// Keeps the largest.
    pub fn keep_largest(&self, word: usize, value: u64) {
        self.page.word(word).fetch_max(value, SeqCst);
    }

    fn wrong(&self, which: u64, numbers: [u64; 3]) {
        if self.page.word(WRONG).fetch_add(1, SeqCst) == 0 {
            self.page.set(WRONG + 1, which);
            for (i, value) in (2..).zip(numbers) {
                self.page.set(WRONG + i, value);
            }
        }
    }

    /// Notes a violation of what a consumer sees by itself: the second of two positions is not behind the first.
    pub fn out_of_order(&self, first: u64, second: u64) {
        self.wrong(4, [first, second, 0]);
    }

    /// A consumer has this message in hand, `None` if it is not whole, at the `position`th from the ring's first.
    /// `again`: it says that it comes again.
    pub fn log(&self, id: Option<Id>, position: u64, again: bool) {
        let Some(id) = id else {
            return self.wrong(1, [position, 0, 0]);
        };
        let Id { who, life, number } = id;
        if who >= MOST || life >= self.lives || number >= self.get(Note::Attempted, who, life) {
            return self.wrong(2, [who, life, number]);
        }
        let came = if again { 1 << 8 } else { 1 };
        let word = self.page.word(self.message(id));
        let first = word.compare_exchange(0, (position + 1) << 16 | came, SeqCst, SeqCst);
        if let Err(found) = first {
            if !again || found >> 16 != position + 1 {
                return self.wrong(3, [position, number, found]);
            }
            word.fetch_add(came, SeqCst);
            self.page.word(REPEATS).fetch_add(1, SeqCst);
        }
        self.page.word(TAKEN).fetch_add(1, SeqCst);
        self.page.word(AGAIN).fetch_add(u64::from(again), SeqCst);
        let now = now_ns();
        let last = self.page.word(LAST_NS).swap(now, SeqCst);
        let kill = self.page.get(KILL);
        if last > 0 && kill < self.lives {
            self.keep_largest(SILENCES + kill as usize, now.saturating_sub(last));
        }
    }

    /// The longest time without a message in each window that begins with a kill.
    pub fn silences(&self) -> impl Iterator<Item = u64> {
        (1..=self.page.get(KILL)).map(|kill| self.page.get(SILENCES + kill as usize))
    }

    /// What the supervisor looks at after each death.
    pub fn check(&self) {
        let found: Vec<u64> = (1..5).map(|i| self.page.get(WRONG + i)).collect();
        assert_eq!(
            self.page.get(WRONG),
            0,
            "1 torn (position), 2 invented (producer, life, number), 3 doubled (position, number, word), 4 out of order \
             (positions): {found:?}"
        );
    }

    /// What must hold once everything was drained, in a ring that drops what dead consumers had in hand. Gives how many
    /// messages were committed and did not come.
    pub fn check_dropped(&self) -> u64 {
        self.check();
        let came_again = [AGAIN, REPEATS].map(|word| self.page.get(word));
        assert_eq!(came_again, [0, 0], "nothing comes again");
        let mut missing = 0;
        for who in 0..MOST {
            let mut last = 0;
            for life in 0..self.lives {
                let [attempted, committed] =
                    [Note::Attempted, Note::Committed].map(|note| self.get(note, who, life));
                for number in 0..attempted {
                    let id = Id { who, life, number };
                    let word = self.page.get(self.message(id));
                    missing += u64::from(word == 0 && number < committed);
                    let in_order = word == 0 || word >> 16 > last;
                    assert!(in_order, "producer {who}: {word:#x} behind {last}");
                    last = last.max(word >> 16);
                }
            }
        }
        missing
    }

    /// What must hold once everything was drained.
    pub fn check_drained(&self) {
        self.check();
        for who in 0..MOST {
            let mut last = 0;
            for life in 0..self.lives {
                let [attempted, committed] =
                    [Note::Attempted, Note::Committed].map(|note| self.get(note, who, life));
                let words = (0..attempted).map(|number| {
                    let id = Id { who, life, number };
                    self.page.get(self.message(id))
                });
                let came: Vec<u64> = words.take_while(|&word| word != 0).collect();
                let n = came.len() as u64;
                assert!(
                    n >= committed,
                    "of producer {who} in life {life} {committed} were committed, message {n} did not come"
                );
                for word in came {
                    assert!(word >> 16 > last, "producer {who}: {word:#x} behind {last}");
                    last = word >> 16;
                }
                let late = (n..attempted).find(|&number| {
                    let id = Id { who, life, number };
                    self.page.get(self.message(id)) != 0
                });
                assert_eq!(late, None, "producer {who}: came without message {n}");
            }
        }
    }
}
