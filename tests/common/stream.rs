//! A stream between two real processes, from its first message to its close, in any place a ring can be.
//!
//! A stream ends by count or by time, whichever comes first, so that a busy machine makes it thin, not slow.

use super::child::{self, Args, Child, Start};
use super::clean::{Cleanup, TempDir};
use super::flow::{AnyRing, Rx, Tx};
use super::pass;
use super::spec::{self, Spec, Via};
use annulus::{Peer, PopError, TryPopError};
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::time::{Duration, Instant};

/// Pushes messages until there are enough or the time is up. Pauses now and then if `lazy`, so that the
/// other side finds the ring empty.
fn pump(tx: Tx, spec: &Spec, count: u64, lazy: bool) -> u64 {
    let mut tx = tx;
    let stop = Instant::now() + Duration::from_millis(1000 + count / 50);
    let end = spec.start + count;
    while tx.position() != end {
        let i = tx.position();
        tx.push(i, spec.waits.wait()).expect("the consumer lives");
        if i.is_multiple_of(64) && Instant::now() >= stop {
            break;
        }
        if lazy && i.is_multiple_of((count / 8).max(1)) {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    let sent = tx.position() - spec.start;
    tx.close();
    sent
}

/// Pops until the stream ends and checks every message. Pauses now and then if `lazy`, so that the other
/// side finds the ring full.
fn swallow(rx: Rx, spec: &Spec, count: u64, lazy: bool) -> u64 {
    let mut rx = rx;
    let mut next = spec.start;
    loop {
        match rx.pop(spec.waits.wait()) {
            Ok(i) => assert_eq!(i, next, "in order"),
            Err(PopError::Closed) => break,
            Err(e) => panic!("{spec:?}: {e}"),
        }
        next += 1;
        if lazy && next.is_multiple_of((count / 8).max(1)) {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    assert_eq!(
        rx.try_pop(),
        Err(TryPopError::Closed),
        "closed stays closed"
    );
    next - spec.start
}

/// In a role: the ring it was started for.
pub fn open(args: &Args) -> (Spec, AnyRing) {
    let spec = Spec::from_args(args);
    let ring = spec.open(Some(Path::new(args.get("socket"))));
    (spec, ring)
}

/// The role of the sending side.
pub fn send(args: &Args) {
    let (spec, ring) = open(args);
    let tx = ring.producer().expect("a free end");
    // Both are there before anything flows, so that a death would be one.
    child::report("ready");
    child::listen();
    let sent = pump(tx, &spec, args.number("count"), args.number("lazy") == 1);
    child::report(&sent.to_string());
}

/// The role of the receiving side.
pub fn receive(args: &Args) {
    let (spec, ring) = open(args);
    let rx = ring.consumer().expect("a free end");
    child::report("ready");
    child::listen();
    let got = swallow(rx, &spec, args.number("count"), args.number("lazy") == 2);
    child::report(&got.to_string());
}

/// Starts a child that gets at the ring of `spec` as that says; `descriptor` is the ring's, if it has one.
pub fn start(role: &str, spec: &Spec, descriptor: Option<BorrowedFd<'_>>, args: Args) -> Child {
    let dir = TempDir::new("socket");
    let (listener, path) = spec::socket_in(&dir);
    let mut start = Start::new(role, args.with("socket", path));
    if spec.via == Via::MemfdInherited {
        start = start.inherit(descriptor.expect("a memfd has one"));
    }
    let child = start.go();
    if spec.via == Via::MemfdPassed {
        let (peer, _) = listener.accept().expect("the child connects");
        pass::send(&peer, descriptor.expect("a memfd has one"));
    }
    child
}

/// Lets up to `count` messages flow between two children, and says how many did; `lazy`: 0 nobody, 1 the
/// producer, 2 the consumer.
pub fn flow(spec: &Spec, count: u64, lazy: u64) -> u64 {
    if spec.via == Via::Anon {
        let args = spec.args().with("count", count).with("lazy", lazy);
        let mut host = Child::start("anon", args);
        let got = host.hear();
        host.finish();
        return got.parse().expect("a number");
    }
    let _gone = Cleanup(|| spec.remove());
    let ring = spec.create();
    let args = spec.args().with("count", count).with("lazy", lazy);
    let mut sender = start("send", spec, ring.descriptor(), args.clone());
    let mut receiver = start("receive", spec, ring.descriptor(), args);
    for child in [&mut sender, &mut receiver] {
        child.expect("ready");
    }
    receiver.say("go");
    sender.say("go");
    let sent = sender.hear();
    assert_eq!(receiver.hear(), sent, "{spec:?}: all that was sent");
    assert_ne!(sent, "0", "{spec:?}: something was sent");
    sender.finish();
    receiver.finish();
    let status = ring.status();
    assert_eq!(
        (status.producers[0].state, status.consumers[0].state),
        (Peer::Left, Peer::Left)
    );
    ring.unlink();
    spec.assert_gone(&ring);
    sent.parse().expect("a number")
}

/// The role of the host of an anonymous ring, who forks its peer.
pub fn anon(args: &Args) {
    let spec = Spec::from_args(args);
    let (count, lazy) = (args.number("count"), args.number("lazy"));
    let ring = spec.create();
    let rx = ring.consumer().expect("a free end");
    let (theirs, s) = (ring.clone(), spec.clone());
    let peer = child::fork(move || {
        let tx = theirs.producer().expect("a free end");
        pump(tx, &s, count, lazy == 1);
    });
    let got = swallow(rx, &spec, count, lazy == 2);
    assert!(got > 0);
    peer.finish();
    child::report(&got.to_string());
}
