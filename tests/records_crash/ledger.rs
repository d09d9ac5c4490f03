//! What the ends of a ring write down as they go, in a page that outlives them.
//!
//! A producer notes before a commit what it attempts and after it what it has committed, for each of its lives
//! apart. The consumer notes each record while it is in hand. So whoever comes after a death can tell what was
//! committed, what was taken, and what may come again.
//!
//! Of every life: committed <= received <= attempted, once the ring is drained.

use crate::common::page::Page;
use crate::payload::Id;

/// 1 when producers shall leave.
pub const STOP: usize = 0;
/// Which kill it is, from 1 on. Stored before the kill.
pub const KILL: usize = 1;
/// Bit `w`: producer `w` is a victim of that kill.
pub const VICTIMS: usize = 2;
/// The last kill whose victims are dead and reaped, and when that was.
pub const DEAD: usize = 3;
pub const DEAD_AT: usize = 4;
/// The last kill behind which a record of a survivor came, and how long after it.
pub const PASSED: usize = 5;
pub const PASSED_NS: usize = 6;
/// Records that came again.
pub const REPEATS: usize = 7;
/// The longest that a successor had to wait for a place.
pub const ATTACH_NS: usize = 8;
/// Bit `w`: producer `w` has a claim in hand.
pub const HOLDING: usize = 9;
/// Records taken.
pub const TAKEN: usize = 10;
/// The record that was last in the consumer's hands.
const LAST: usize = 11;
/// Violations: how many, and of the first: which, and three numbers about it.
const WRONG: usize = 12;
/// The life of each producer from which the last record came.
const LIFE: usize = 20;
/// Behind all these: the longest silence after each kill.
const SILENCES: usize = 32;

/// Most producers.
const MOST: u64 = 4;

/// The notes of one life of a producer.
#[derive(Clone, Copy, Debug)]
pub enum Note {
    Attempted,
    Committed,
    Received,
}

/// All notes of one ring.
#[derive(Debug)]
pub struct Ledger {
    pub page: Page,
    /// How many lives of each producer, and how many kills, there is room for.
    lives: u64,
}

impl Ledger {
    /// Empty, for so many lives.
    pub fn new(lives: u64) -> Self {
        let words = SILENCES + (lives * (1 + 3 * MOST)) as usize;
        Self {
            page: Page::new(words),
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

    fn at(&self, note: Note, who: u64, life: u64) -> usize {
        assert!(who < MOST && life < self.lives, "{who} {life}");
        SILENCES + (self.lives * (1 + 3 * who + note as u64) + life) as usize
    }

    /// A note about life `life` of producer `who`.
    pub fn get(&self, note: Note, who: u64, life: u64) -> u64 {
        self.page.get(self.at(note, who, life))
    }

    /// Stores it.
    pub fn set(&self, note: Note, who: u64, life: u64, count: u64) {
        self.page.set(self.at(note, who, life), count);
    }

    /// The longest silence of the survivors in the window that begins with kill `kill`.
    pub fn silence(&self, kill: u64) -> u64 {
        self.page.get(SILENCES + kill as usize)
    }

    /// Notes a silence.
    pub fn add_silence(&self, kill: u64, ns: u64) {
        if kill < self.lives && ns > self.silence(kill) {
            self.page.set(SILENCES + kill as usize, ns);
        }
    }

    /// Keeps the largest.
    pub fn keep_largest(&self, word: usize, value: u64) {
        if value > self.page.get(word) {
            self.page.set(word, value);
        }
    }

    /// Notes whether `who` has a claim in hand.
    pub fn hold(&self, who: u64, held: bool) {
        use std::sync::atomic::Ordering::SeqCst;
        let word = self.page.word(HOLDING);
        let _ = match held {
            true => word.fetch_or(1 << who, SeqCst),
            false => word.fetch_and(!(1 << who), SeqCst),
        };
    }

    fn wrong(&self, which: u64, numbers: [u64; 3]) {
        if self.page.get(WRONG) == 0 {
            self.page.set(WRONG + 1, which);
            for (i, value) in (2..).zip(numbers) {
                self.page.set(WRONG + i, value);
            }
        }
        self.page.set(WRONG, self.page.get(WRONG) + 1);
    }

    /// The consumer has this record in hand; `None` if it is not whole. `may_repeat`: it is the first record of
    /// a consumer whose predecessor died.
    pub fn log(&self, record: Option<Id>, len: usize, may_repeat: bool) {
        let Some(id) = record else {
            return self.wrong(1, [len as u64, self.page.get(LAST), 0]);
        };
        let (who, life) = (id.who, id.life);
        if who >= MOST || life >= self.lives || id.number >= self.get(Note::Attempted, who, life) {
            return self.wrong(2, [who, life, id.number]);
        }
        let received = self.get(Note::Received, who, life);
        let current = self.page.get(LIFE + who as usize);
        if id.number == received && life >= current {
            // One by one, so that whoever reads this after a death knows how far it came.
            self.page.set(LAST, id.pack());
            self.page.set(LIFE + who as usize, life);
            self.set(Note::Received, who, life, received + 1);
            self.page.set(TAKEN, self.page.get(TAKEN) + 1);
        } else if may_repeat && self.page.get(LAST) == id.pack() && id.number + 1 == received {
            self.page.set(REPEATS, self.page.get(REPEATS) + 1);
        } else {
            self.wrong(3, [who, id.number, received]);
        }
    }

    /// What the supervisor looks at after each death.
    pub fn check(&self) {
        let found: Vec<u64> = (1..5).map(|i| self.page.get(WRONG + i)).collect();
        assert_eq!(
            self.page.get(WRONG),
            0,
            "1 torn (length, last record), 2 invented (producer, life, number), \
             3 lost, repeated or out of order (producer, number, expected): {found:?}"
        );
    }

    /// What must hold once everything was drained.
    pub fn check_drained(&self) {
        self.check();
        for who in 0..MOST {
            for life in 0..self.lives {
                let [attempted, committed, received] =
                    [Note::Attempted, Note::Committed, Note::Received]
                        .map(|note| self.get(note, who, life));
                assert!(
                    committed <= received && received <= attempted,
                    "producer {who} in life {life} committed {committed}, attempted {attempted}; \
                     {received} arrived"
                );
            }
        }
    }
}
