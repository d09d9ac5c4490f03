//! Ends that go to a labelled step and stand still there, in a child, and what the tests here do with the others.

use crate::common::child::{self, Args, Child};
use crate::common::clean::Cleanup;
use crate::common::spec::{BACK_ENDS, PARKINGS, Via};
use crate::common::take;
use crate::kinds::{Place, Queue, Rx, Sort, Tx, role};
use crate::payload::{Id, Note};
use annulus::{PopError, PushError, TryPushError, Wait};
use std::time::{Duration, Instant};

/// What a producer sends before its step, and a consumer takes.
pub const BEFORE: u64 = 2;
/// Who sends from this process.
pub const HERE: u64 = 9;
/// Messages of a run.
pub const RUN: usize = 4;
/// Nothing takes longer than this unless somebody waits for somebody.
const PATIENCE: Duration = Duration::from_secs(20);

/// The first `n` messages of `who` from number `from` on.
pub fn notes(who: u64, from: u64, n: u64) -> Vec<Note> {
    let ids = (from..from + n).map(|number| Id::new(who, number));
    ids.map(Note::new).collect()
}

/// Sends the messages `from..to` of this process.
pub fn send(tx: &mut impl Tx, from: u64, to: u64) {
    for note in notes(HERE, from, to - from) {
        tx.push(&note, Wait::park()).expect("room");
    }
}

/// Sends messages of this process from number `from` on until there is no room, and says which would be the next.
pub fn fill(tx: &mut impl Tx, from: u64) -> u64 {
    let mut next = from;
    loop {
        match tx.try_push(&Note::new(Id::new(HERE, next))) {
            Ok(()) => next += 1,
            Err(TryPushError::Full) => return next,
            Err(e) => panic!("{e}"),
        }
    }
}

/// Takes one message.
pub fn receive(rx: &mut impl Rx) -> Id {
    let got = rx.pop_until(Wait::park(), Instant::now() + PATIENCE);
    got.expect("a message").whole()
}

/// Sees that none comes for a while, though somebody may have died.
pub fn nothing_comes(rx: &mut impl Rx, patience: Duration) {
    let got = rx.pop_until(Wait::park(), Instant::now() + patience);
    assert!(
        matches!(got, Err(PopError::TimedOut | PopError::PeerDied)),
        "{got:?}"
    );
}

/// Lets many messages pass, several laps of the ring, sees that nothing else comes, and removes the ring.
pub fn goes_on<K: Queue>(
    tx: &mut impl Tx,
    rx: &mut impl Rx,
    made: &annulus::Ring<K>,
    place: &Place,
) {
    for i in 1000..1000 + 4 * place.spec.capacity {
        send(tx, i, i + 1);
        assert_eq!(receive(rx), Id::new(HERE, i));
        assert!(!rx.redelivered());
    }
    nothing_comes(rx, Duration::from_millis(12));
    place.unlink(made);
}

/// Runs `test` in several kinds of place, with each parking.
pub fn everywhere(capacity: u64, mut test: impl FnMut(&Place)) {
    let vias = [Via::Shm, Via::SysvName, Via::File];
    for (turn, via) in vias.into_iter().enumerate() {
        let mut place = Place::new(via, capacity);
        place.spec.parking = PARKINGS[turn % 4];
        place.spec.back_end = BACK_ENDS[turn % 2];
        place.spec.start = [0, (1 << 62) - 64][turn % 2];
        let _gone: Cleanup<_> = place.cleanup();
        test(&place);
    }
}

/// Starts the end `what` in a child, which goes to `step` and stands still there.
pub fn stand<K: Sort>(place: &Place, what: &str, step: &str) -> Child {
    let child = Child::start(&role::<K>(what), place.args().with("step", step));
    child.until_stopped();
    child
}

/// A role: a producer that sends some messages, goes to a step and stands still there. Its messages are those of
/// producer 0.
pub fn producer_at<K: Queue>(args: &Args) {
    let mut tx = take(|| K::producer(&Place::from_args(args).open::<K>("")));
    let (wait, next) = (Wait::park(), &notes(0, BEFORE, RUN as u64));
    let mut sent = BEFORE;
    notes(0, 0, BEFORE)
        .iter()
        .for_each(|note| tx.try_push(note).expect("room"));
    let stand = |n: usize| {
        child::stand_still();
        n
    };
    let outcome: Result<usize, PushError> = match args.get("step") {
        "claimed" => tx.claim(&next[0], wait, || stand(1) == 1).map(|()| 1),
        "claimed to abort" => tx.claim(&next[0], wait, || stand(0) == 1).map(|()| 0),
        "claimed a run" => tx.claim_run(next, wait, stand),
        "committed half of a run" => tx.claim_run(next, wait, |n| n / 2).map(stand),
        "aborted" => tx.claim(&next[0], wait, || false).map(|()| stand(0)),
        _ => Ok(stand(0)),
    };
    sent += outcome.expect("room") as u64;
    tx.push(&Note::new(Id::new(0, sent)), wait).expect("room");
    child::report(&(sent + 1).to_string());
    child::listen();
}

/// A role: a consumer that takes some messages, goes to a step and stands still there. Then takes all there are until
/// the ring is closed, and reports the numbers of all it took.
pub fn consumer_at<K: Queue>(args: &Args) {
    let mut rx = take(|| K::consumer(&Place::from_args(args).open::<K>("")));
    let mut taken: Vec<u64> = (0..BEFORE).map(|_| receive(&mut rx).number).collect();
    match args.get("step") {
        "sample in hand" => rx
            .sample(Wait::park(), |(_, note, _)| {
                child::stand_still();
                taken.push(note.whole().number);
            })
            .expect("a message"),
        "run in hand" => {
            rx.grab(RUN);
            child::stand_still();
        }
        "draining" => {
            let mut first = true;
            rx.drain(RUN, |note| {
                if std::mem::take(&mut first) {
                    child::stand_still();
                }
                taken.push(note.whole().number);
            });
        }
        _ => child::stand_still(),
    }
    loop {
        match rx.pop(Wait::park()) {
            Ok(note) => taken.push(note.whole().number),
            Err(PopError::Closed) => break,
            Err(e) => panic!("{e}"),
        }
        assert!(!rx.redelivered(), "nobody died");
    }
    let taken: Vec<String> = taken.iter().map(u64::to_string).collect();
    child::report(&taken.join(" "));
}

/// Positions that a consumer that shares its ring has in hand at `step`, and where the first message is that it has
/// not taken.
pub fn in_hand(step: &str) -> std::ops::Range<u64> {
    let run = BEFORE + RUN as u64;
    match step {
        "sample in hand" => BEFORE..BEFORE + 1,
        "run in hand" => BEFORE..run,
        "draining" => BEFORE + 1..run,
        _ => BEFORE..BEFORE,
    }
}

/// Times that must be short, mostly.
#[derive(Debug, Default)]
pub struct Times(Vec<Duration>);

impl Times {
    pub fn add(&mut self, time: Duration) {
        self.0.push(time);
    }

    /// Half of them are below a tenth of a second, and all below a second: others may use the processors.
    pub fn check(mut self, what: &str) {
        self.0.sort_unstable();
        let (median, worst) = (self.0[self.0.len() / 2], self.0[self.0.len() - 1]);
        println!("{what}: {median:?}, at most {worst:?}");
        assert!(
            median < Duration::from_millis(100) && worst < Duration::from_secs(1),
            "{what}: {median:?}, at most {worst:?}"
        );
    }
}
