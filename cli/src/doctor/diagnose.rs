//! From the state of a ring to words about it: who holds what, who waits for whom, what can be done.

use crate::look::describe;
use crate::words;
use annulus::{End, Messages, Orphans, Parties, Peer, Status};

/// How a ring is. Later ones are worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Health {
    /// Nothing has to be done.
    Good,
    /// An end has to come, or to come back.
    Ends,
    /// `annulus repair` has something to do.
    Repair,
}

/// What was found.
#[derive(Debug)]
pub struct Diagnosis {
    pub lines: Vec<String>,
    pub health: Health,
}

/// One side of a ring.
struct Side<'a> {
    ends: &'a [End],
    places: u32,
    who: &'static str,
}

impl<'a> Side<'a> {
    fn of(&self, state: Peer) -> impl Iterator<Item = &'a End> {
        self.ends.iter().filter(move |end| end.state == state)
    }

    fn alive(&self) -> bool {
        self.of(Peer::Alive).next().is_some()
    }

    /// The last ones here died, and nobody has come since.
    fn died(&self) -> bool {
        !self.alive() && self.of(Peer::Died).next().is_some()
    }

    fn closed(&self) -> bool {
        self.ends.iter().any(|end| end.closed)
    }
}

impl Diagnosis {
    /// Of the ring `name`.
    pub fn of(name: &str, status: &Status) -> Self {
        let mut found = Self {
            lines: Vec::new(),
            health: Health::Good,
        };
        let producers = Side {
            ends: &status.producers,
            places: status.producer_places,
            who: "producer",
        };
        let takers = Side {
            ends: &status.consumers,
            places: status.consumer_places,
            who: describe::taker(status),
        };
        found.ends(status, &producers);
        found.ends(status, &takers);
        found.waits(status, &producers, &takers);
        found.repairs(status, &producers, &takers);
        found.missing(status, &producers, &takers);
        found.conclude(name, &producers, &takers);
        found
    }

    fn say(&mut self, line: impl Into<String>) {
        self.lines.push(line.into());
    }

    fn worse(&mut self, health: Health) {
        self.health = self.health.max(health);
    }

    /// Who is there and holds what.
    fn ends(&mut self, status: &Status, side: &Side<'_>) {
        let never = side.ends.iter().all(|end| end.state == Peer::Never);
        if never {
            self.say(format!("no {} was ever there", side.who));
            return;
        }
        for end in side.ends.iter().filter(|end| end.state != Peer::Never) {
            let (who, place, pid) = (side.who, end.place, end.pid);
            let mut line = match side.places {
                1 => format!("{who}: process {pid}, "),
                _ => format!("{who} {place}: process {pid}, "),
            };
            line += match end.state {
                Peer::Alive if end.stopped => "stopped: alive, and does not go on by itself",
                Peer::Alive if end.asleep && side.places == 1 => "alive, asleep",
                Peer::Alive if side.places == 1 => "alive, awake",
                Peer::Alive => "alive",
                Peer::Left => "left in order",
                Peer::Died => "died",
                Peer::Never => "",
            };
            line += &holds(status, side, end);
            self.say(line);
        }
        let asleep = side.ends.iter().any(|end| end.asleep);
        if side.places > 1 && asleep {
            self.say(format!("at least one {} sleeps, or died asleep", side.who));
        }
    }

    /// Who waits for whom.
    fn waits(&mut self, status: &Status, producers: &Side<'_>, takers: &Side<'_>) {
        let full = status.len >= status.capacity;
        let broadcast = status.parties == Parties::Broadcast;
        if full && producers.alive() && !broadcast {
            let why = match takers.of(Peer::Alive).all(|end| end.stopped) {
                _ if !takers.alive() => "nobody consumes".to_owned(),
                true => format!("every living {} is stopped", takers.who),
                false => format!("the {}s are slower, or wait themselves", takers.who),
            };
            self.say(format!("full: who produces waits, and {why}"));
        }
        for end in producers.ends.iter().filter(|end| end.holds > 0) {
            let (place, pid) = (end.place, end.pid);
            if end.state == Peer::Alive && end.stopped {
                self.say(format!(
                    "messages behind what producer {place} has claimed wait for it: continue process {pid} or kill it"
                ));
                self.worse(Health::Ends);
            }
        }
        for end in takers.ends {
            let waited_for = end.reading.is_some_and(|reading| reading.lossless);
            if waited_for && end.stopped && end.state == Peer::Alive {
                let (place, pid) = (end.place, end.pid);
                self.say(format!(
                    "the producer waits for lossless reader {place}, which is stopped: continue process {pid} or kill it"
                ));
                self.worse(Health::Ends);
            }
        }
        for side in [producers, takers] {
            if let ([end], 1) = (side.ends, side.places)
                && end.state == Peer::Alive
                && end.stopped
            {
                self.say(format!(
                    "the only {} is stopped: continue process {} or kill it",
                    side.who, end.pid
                ));
                self.worse(Health::Ends);
            }
        }
    }

    /// What `annulus repair` would do.
    fn repairs(&mut self, status: &Status, producers: &Side<'_>, takers: &Side<'_>) {
        let left = |side: &Side<'_>| side.of(Peer::Died).filter(|end| end.holds > 0).count();
        let unfinished = left(producers);
        if unfinished > 0 {
            let records = status.messages == Messages::Records;
            let what = match records {
                true => "make padding of",
                false => "make tombstones of",
            };
            if records && takers.alive() {
                self.say(format!(
                    "the living consumer clears up what {unfinished} dead producers claimed, when it comes to that"
                ));
            } else {
                self.say(format!(
                    "repair would {what} what {unfinished} dead producers claimed and did not commit"
                ));
                self.worse(Health::Repair);
            }
        }
        let orphans: u64 = takers.of(Peer::Died).map(|end| end.holds).sum();
        if orphans > 0 {
            let n = words::grouped(orphans);
            match (status.orphans, takers.alive()) {
                (Orphans::Drop, _) => {
                    self.say(format!(
                        "repair would drop {n} messages that dead consumers have in hand"
                    ));
                    self.worse(Health::Repair);
                }
                (_, true) => self.say(format!(
                    "{n} messages in the hands of dead consumers go to the next one without work"
                )),
                (_, false) => {
                    self.say(format!(
                        "{n} messages in the hands of dead consumers wait for a new one"
                    ));
                    self.worse(Health::Ends);
                }
            }
        }
        let gating = |end: &&End| end.reading.is_some_and(|reading| reading.lossless);
        let readers = takers.of(Peer::Died).filter(gating).count();
        if readers > 0 {
            self.say(format!(
                "repair would have the producer wait for {readers} dead lossless readers no longer"
            ));
            self.worse(Health::Repair);
        }
        if status.dropped > 0 {
            let n = words::grouped(status.dropped);
            self.say(format!(
                "{n} messages were dropped since creation that dead consumers had in hand"
            ));
        }
    }

    /// Ends that somebody needs and that nobody has.
    fn missing(&mut self, status: &Status, producers: &Side<'_>, takers: &Side<'_>) {
        let over = producers.closed() && (takers.closed() || status.len == 0);
        for side in [producers, takers] {
            // Readers come and go; nobody needs them.
            let needed = !(status.parties == Parties::Broadcast && side.who == "reader");
            if side.died() && needed && !side.closed() && !over {
                self.say(format!(
                    "the last {} died and none has come since: start one, it resumes",
                    side.who
                ));
                self.worse(Health::Ends);
            }
        }
    }

    fn conclude(&mut self, name: &str, producers: &Side<'_>, takers: &Side<'_>) {
        let used = producers.alive() || takers.alive();
        let line = match self.health {
            Health::Repair => format!("needs repair: annulus repair {name}"),
            Health::Ends => "needs an end, as said above".to_owned(),
            Health::Good if used => "healthy".to_owned(),
            Health::Good if producers.closed() || takers.closed() => {
                format!("healthy, closed and unused: annulus rm {name} removes it")
            }
            Health::Good => "healthy, and nobody uses it".to_owned(),
        };
        self.say(line);
    }
}

/// What one end has in hand, and how far a reader has come.
fn holds(status: &Status, side: &Side<'_>, end: &End) -> String {
    let n = words::grouped(end.holds);
    let records = status.messages == Messages::Records;
    let held = match (end.holds, side.who) {
        (0, _) => String::new(),
        (_, "producer") if records => format!("; claimed {n} bytes and did not commit them"),
        (_, "producer") => format!("; claimed {n} slots and did not commit them"),
        _ => format!("; has {n} messages in hand"),
    };
    let held = match end.state {
        Peer::Alive => held.replace("did not commit", "has not committed"),
        _ => held.replace("has ", "had "),
    };
    let reading = match end.reading {
        None => String::new(),
        Some(reading) => {
            let how = match reading.lossless {
                true => "the producer waits for it",
                false => "nobody waits for it",
            };
            let [lag, lost] = [reading.lag, reading.lost].map(words::grouped);
            let unit = if records { "bytes" } else { "messages" };
            format!("; {how}, lags by {lag} {unit}, lost {lost} messages")
        }
    };
    let closed = if end.closed { "; closed" } else { "" };
    format!("{held}{reading}{closed}")
}
