//! The scene of these tests: a ring, the process under test that holds its producing end, and this one, which
//! consumes and is told of deaths.

use crate::common::child::{self, Args, Child, Start};
use crate::common::clean::TempDir;
use crate::common::pass;
use crate::common::spec::{Spec, Via, socket_in};
use annulus::{Consumer, Options, Peer, PopError, Ring, Spsc, Wait};
use std::path::Path;
use std::time::{Duration, Instant};

/// What everybody is promised.
pub const PROMPT: Duration = Duration::from_millis(100);
/// How many tries a promise about time has on a machine that is busy with other things.
const TRIES: u32 = 5;

/// A ring with a name, a ring handed over and a ring inherited: all ways in which strangers meet.
pub const VIAS: [Via; 5] = [
    Via::Shm,
    Via::File,
    Via::SysvName,
    Via::MemfdPassed,
    Via::MemfdInherited,
];

/// A ring of numbers.
pub fn options(spec: &Spec) -> Options<Spsc<u64>> {
    spec.placed(annulus::spsc::<u64>(&spec.name)).capacity(16)
}

/// In a role: the ring that the test made.
pub fn open(args: &Args) -> Ring<Spsc<u64>> {
    let spec = Spec::from_args(args);
    match spec.descriptor(Some(Path::new(args.get("socket")))) {
        None => options(&spec).open().expect("a ring"),
        Some(fd) => options(&spec).open_descriptor(fd).expect("a ring"),
    }
}

/// A ring that the test made, removed at the end.
pub struct Scene {
    pub spec: Spec,
    pub ring: Ring<Spsc<u64>>,
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.spec.remove();
    }
}

impl Scene {
    pub fn new(via: Via) -> Self {
        let spec = Spec::new(via);
        let ring = options(&spec).create().expect("a new ring");
        Self { spec, ring }
    }

    /// A process that plays `role` and can open the ring.
    pub fn start(&self, role: &str, more: &[(&str, &str)]) -> Child {
        let dir = TempDir::new("scene");
        let (listener, socket) = socket_in(&dir);
        let mut args = self.spec.args().with("socket", socket);
        for (name, value) in more {
            args = args.with(name, value);
        }
        let mut start = Start::new(role, args);
        let fd = self.ring.descriptor();
        if self.spec.via == Via::MemfdInherited {
            start = start.inherit(fd.expect("a memfd"));
        }
        let child = start.go();
        if self.spec.via == Via::MemfdPassed {
            let (peer, _) = listener.accept().expect("the role connects");
            pass::send(&peer, fd.expect("a memfd"));
        }
        child
    }

    /// How the producing end is seen.
    pub fn producer(&self) -> Peer {
        self.ring.status().expect("status").producers[0].state
    }

    /// How the consuming end is seen.
    pub fn consumer(&self) -> Peer {
        self.ring.status().expect("status").consumers[0].state
    }

    /// The process that says it holds the producing end.
    pub fn producer_pid(&self) -> u32 {
        self.ring.status().expect("status").producers[0].pid
    }
}

/// Waits for news of the producer's death and says how long that took.
pub fn told_of_a_death(rx: &mut Consumer<u64>) -> Duration {
    let begun = Instant::now();
    let limit = begun + Duration::from_secs(20);
    loop {
        match rx.pop_until(Wait::park(), limit) {
            Ok(_) => {}
            Err(PopError::PeerDied) => return begun.elapsed(),
            Err(other) => panic!("{other} after {:?}", begun.elapsed()),
        }
    }
}

/// Calls `round`, which says how long its news took, until it was as prompt as promised.
pub fn in_time(what: &str, mut round: impl FnMut() -> Duration) {
    let mut all = Vec::new();
    for _ in 0..TRIES {
        let took = round();
        if took < PROMPT {
            return;
        }
        all.push(took);
    }
    panic!("{what}: {all:?}");
}

/// A process that is not our child, killed at the end.
pub struct Stray(pub i32);

impl Stray {
    /// The one whose number `child` reports next.
    pub fn of(child: &mut Child) -> Self {
        Self(child.hear().parse().expect("a number"))
    }

    /// Whether it lives.
    pub fn lives(&self) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0));
        stat.is_ok_and(|stat| {
            let state = stat[stat.rfind(')').expect("a name") + 1..].trim_start();
            !state.starts_with(['Z', 'X'])
        })
    }
}

impl Drop for Stray {
    fn drop(&mut self) {
        // SAFETY: integers. It was alive when the test began, ends by itself no sooner than in a minute, and its
        // number is not given out again so soon.
        unsafe { libc::kill(self.0, libc::SIGKILL) };
    }
}

/// In a forked process: does nothing until it is killed, or a minute is over.
pub fn idle() -> ! {
    // SAFETY: integers.
    unsafe {
        libc::alarm(60);
        loop {
            libc::pause();
        }
    }
}

/// In a role: forks a process that outlives this one.
pub fn fork(work: impl FnOnce()) -> i32 {
    let forked = child::fork(|| {
        work();
        idle();
    });
    forked.leave()
}
