//! A ring in words: everything two processes must agree on to meet in one, as text that travels to a child.

use super::child::{Args, INHERITED};
use super::clean::{TempDir, shm_names_with, sysv_has, unique, unique_key};
use super::flow::{AnyRing, Msg};
use super::pass;
use annulus::{Backing, Options, Parking, Wait, WaitBackend};
use std::fmt::Debug;
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;

/// Where a ring lives and how a child gets at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    Shm,
    SysvName,
    SysvKey,
    MemfdPassed,
    MemfdInherited,
    File,
    Anon,
}

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Typed,
    Bytes,
}

/// How both sides wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waits {
    Spin,
    Yield,
    Park,
}

pub const VIAS: [Via; 7] = [
    Via::Shm,
    Via::SysvName,
    Via::SysvKey,
    Via::MemfdPassed,
    Via::MemfdInherited,
    Via::File,
    Via::Anon,
];
pub const KINDS: [Kind; 2] = [Kind::Typed, Kind::Bytes];
pub const WAITS: [Waits; 3] = [Waits::Spin, Waits::Yield, Waits::Park];
pub const PARKINGS: [Parking; 4] = [
    Parking::Auto,
    Parking::Never,
    Parking::Fenced,
    Parking::Asymmetric,
];
pub const BACK_ENDS: [WaitBackend; 2] = [WaitBackend::Futex, WaitBackend::Semaphore];

impl Waits {
    /// As the library says it.
    pub fn wait(self) -> Wait {
        match self {
            Self::Spin => Wait::spin(),
            Self::Yield => Wait::spin_then_yield(),
            Self::Park => Wait::park(),
        }
    }
}

/// Size of a message of bytes: odd on purpose.
const BYTES: usize = 37;

/// A ring in words.
#[derive(Clone, Debug)]
pub struct Spec {
    pub via: Via,
    pub kind: Kind,
    pub capacity: u64,
    pub waits: Waits,
    pub parking: Parking,
    pub back_end: WaitBackend,
    pub start: u64,
    /// A name, a path, or a System V key.
    pub name: String,
}

impl Spec {
    /// A ring of the given place with ordinary options and a fresh name. A file ring lies in `/tmp`.
    pub fn new(via: Via) -> Self {
        let name = match via {
            Via::SysvKey => unique_key().to_string(),
            Via::File => {
                let path = std::env::temp_dir().join(unique("ring"));
                path.to_str().expect("temporary paths are text").to_owned()
            }
            _ => unique("ring"),
        };
        Self {
            via,
            kind: Kind::Typed,
            capacity: 1024,
            waits: Waits::Park,
            parking: Parking::Auto,
            back_end: WaitBackend::Futex,
            start: 0,
            name,
        }
    }

    /// For a role.
    pub fn args(&self) -> Args {
        Args::default()
            .with("via", format!("{:?}", self.via))
            .with("kind", format!("{:?}", self.kind))
            .with("capacity", self.capacity)
            .with("waits", format!("{:?}", self.waits))
            .with("parking", format!("{:?}", self.parking))
            .with("back_end", format!("{:?}", self.back_end))
            .with("start", self.start)
            .with("name", &self.name)
    }

    /// In a role: the same again.
    pub fn from_args(args: &Args) -> Self {
        Self {
            via: named(&VIAS, args.get("via")),
            kind: named(&KINDS, args.get("kind")),
            capacity: args.number("capacity"),
            waits: named(&WAITS, args.get("waits")),
            parking: named(&PARKINGS, args.get("parking")),
            back_end: named(&BACK_ENDS, args.get("back_end")),
            start: args.number("start"),
            name: args.get("name").to_owned(),
        }
    }

    /// The place as the library says it.
    pub fn backing(&self) -> Backing {
        match self.via {
            Via::Shm => Backing::PosixShm,
            Via::SysvName => Backing::SysV { key: None },
            Via::SysvKey => Backing::SysV {
                key: Some(self.name.parse().expect("a key")),
            },
            Via::MemfdPassed | Via::MemfdInherited => Backing::Memfd,
            Via::File => Backing::File,
            Via::Anon => Backing::Anon,
        }
    }

    /// What all kinds of ring have in common: all but the capacity.
    pub fn placed<K: annulus::Kind>(&self, options: Options<K>) -> Options<K> {
        options
            .backing(self.backing())
            .parking(self.parking)
            .wait_backend(self.back_end)
            .start_position(self.start)
    }

    fn common<T: annulus::Element + ?Sized>(
        &self,
        options: Options<annulus::Spsc<T>>,
    ) -> Options<annulus::Spsc<T>> {
        self.placed(options).capacity(self.capacity)
    }

    /// Options for messages of type [`Msg`].
    pub fn typed(&self) -> Options<annulus::Spsc<Msg>> {
        self.common(annulus::spsc(&self.name))
    }

    /// Options for messages of bytes.
    pub fn bytes(&self) -> Options<annulus::Spsc<[u8]>> {
        self.common(annulus::spsc::<[u8]>(&self.name))
            .slot_size(BYTES)
    }

    /// Makes the ring.
    pub fn create(&self) -> AnyRing {
        match self.kind {
            Kind::Typed => AnyRing::Typed(self.typed().create().expect("a new ring")),
            Kind::Bytes => AnyRing::Bytes(self.bytes().create().expect("a new ring")),
        }
    }

    /// The descriptor of a ring that is found by one. `socket` is where a passed one comes from.
    pub fn descriptor(&self, socket: Option<&Path>) -> Option<OwnedFd> {
        match self.via {
            Via::MemfdPassed => {
                let path = socket.expect("a socket to receive from");
                Some(pass::receive(
                    &UnixStream::connect(path).expect("the parent listens"),
                ))
            }
            // SAFETY: the parent left this number to us, and nothing else of this process uses it.
            Via::MemfdInherited => Some(unsafe { OwnedFd::from_raw_fd(INHERITED) }),
            _ => None,
        }
    }

    /// Gets at the ring that another process made. `socket` is where a passed descriptor comes from.
    pub fn open(&self, socket: Option<&Path>) -> AnyRing {
        match (self.kind, self.descriptor(socket)) {
            (Kind::Typed, None) => AnyRing::Typed(self.typed().open().expect("a ring")),
            (Kind::Bytes, None) => AnyRing::Bytes(self.bytes().open().expect("a ring")),
            (Kind::Typed, Some(fd)) => {
                AnyRing::Typed(self.typed().open_descriptor(fd).expect("a ring"))
            }
            (Kind::Bytes, Some(fd)) => {
                AnyRing::Bytes(self.bytes().open_descriptor(fd).expect("a ring"))
            }
        }
    }

    /// Removes the ring if it is still there.
    pub fn remove(&self) {
        let _ = annulus::unlink(self.backing(), &self.name);
    }

    /// Panics if something of `ring`, which was unlinked, is still to be found on this machine.
    pub fn assert_gone(&self, ring: &AnyRing) {
        self.assert_no_trace(ring.backing(), ring.instance());
    }

    /// Panics if something of the unlinked ring with this place and number is still to be found.
    pub fn assert_no_trace(&self, backing: Backing, instance: u64) {
        let there = match backing {
            Backing::SysV { key: Some(key) } => sysv_has(key),
            Backing::File => Path::new(&self.name).exists(),
            _ => false,
        };
        assert!(!there, "{self:?} left its memory behind");
        for part in [self.name.clone(), format!("{instance:016x}")] {
            let left = shm_names_with(&part);
            assert!(left.is_empty(), "left behind: {left:?}");
        }
    }
}

/// The one of `all` that prints as `text`.
fn named<T: Copy + Debug>(all: &[T], text: &str) -> T {
    let found = all.iter().find(|item| format!("{item:?}") == text);
    *found.unwrap_or_else(|| panic!("nothing is called {text}"))
}

/// A socket in a directory of its own, from which children receive descriptors.
pub fn socket_in(dir: &TempDir) -> (std::os::unix::net::UnixListener, String) {
    let path = dir.file("socket");
    let listener = std::os::unix::net::UnixListener::bind(&path).expect("a fresh socket");
    (listener, path)
}
