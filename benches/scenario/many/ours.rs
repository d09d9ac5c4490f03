//! The ends of our own rings that several parties share, as both programs measure them, through the public safe API.
//!
//! How the rings are made and found is the program's. Invariant: a ring that breaks in a timed loop panics, which ends that
//! measurement's process and no other.

use std::time::Duration;

use annulus::{
    Consumer, Producer, Reader, SharedConsumer, SharedProducer, SoleProducer, TryPopError,
    TryPushError, TryReadError, Untrusted, Wait,
};

use super::content::{Slot, message};
use super::loops::{Core, Rx, Tx};

/// How an end waits.
const fn wait(core: Core) -> Wait {
    match core {
        Core::Own => Wait::spin(),
        // It polls some 60 to 100 times before it yields for the first time in a wait, the others a hundred times; then two times
        // between yields, the others a hundred times again.
        Core::Shared => Wait::spin_then_yield().spin_for(Duration::ZERO),
    }
}

/// A consumer's end, and where it takes messages to.
pub struct Taking<R> {
    end: R,
    message: Slot,
}

impl<R> Taking<R> {
    /// For the end `end`.
    pub fn new(end: R) -> Self {
        let message = message(0, 0);
        Taking { end, message }
    }
}

/// How many were pushed; a ring that is not merely full ends the measurement.
#[inline(always)]
fn pushed(count: Result<usize, TryPushError>) -> usize {
    match count {
        Ok(count) => count,
        Err(TryPushError::Full) => 0,
        Err(error) => panic!("annulus push: {error}"),
    }
}

/// Whether a message was taken; a ring that is not merely empty ends the measurement.
#[inline(always)]
fn popped(taken: Result<(), TryPopError>) -> bool {
    match taken {
        Ok(()) => true,
        Err(TryPopError::Empty) => false,
        Err(error) => panic!("annulus pop: {error}"),
    }
}

/// The sending end: the calls of both kinds of producer are the same, and no trait says so.
macro_rules! sends {
    ($end:ty $(, $kind:ident)?) => {
        impl$(<$kind: SoleProducer<Item = Slot>>)? Tx for $end {
            #[inline(always)]
            fn try_send(&mut self, message: &Slot) -> bool {
                pushed(self.try_push(message).map(|()| 1)) == 1
            }

            #[inline(always)]
            fn try_send_many(&mut self, messages: &[Slot]) -> usize {
                pushed(self.try_push_many(messages))
            }

            #[inline(always)]
            fn send(&mut self, message: &Slot, core: Core) {
                if let Err(error) = self.push(message, wait(core)) {
                    panic!("annulus push: {error}");
                }
            }

            #[inline(always)]
            fn send_many(&mut self, messages: &[Slot], core: Core) -> usize {
                match self.push_many(messages, wait(core)) {
                    Ok(count) => count,
                    Err(error) => panic!("annulus push: {error}"),
                }
            }
        }
    };
}

sends!(SharedProducer<Slot>);
sends!(Producer<Slot, Untrusted, K>, K);

/// The receiving end of a queue: the calls of both kinds of consumer are the same, and no trait says so.
macro_rules! takes {
    ($end:ty) => {
        impl Rx for Taking<$end> {
            #[inline(always)]
            fn try_receive(&mut self, take: &mut impl FnMut(&Slot)) -> bool {
                let taken = popped(self.end.try_pop_into(&mut self.message));
                if taken {
                    take(&self.message);
                }
                taken
            }

            #[inline(always)]
            fn try_receive_many(&mut self, most: usize, take: &mut impl FnMut(&Slot)) -> usize {
                let mut drain = self.end.drain(most);
                let mut taken = 0;
                while drain.next_into(&mut self.message) {
                    take(&self.message);
                    taken += 1;
                }
                taken
            }

            #[inline(always)]
            fn receive(&mut self, take: &mut impl FnMut(&Slot), core: Core) {
                if let Err(error) = self.end.pop_into(&mut self.message, wait(core)) {
                    panic!("annulus pop: {error}");
                }
                take(&self.message);
            }

            #[inline(always)]
            fn receive_many(
                &mut self,
                most: usize,
                take: &mut impl FnMut(&Slot),
                core: Core,
            ) -> usize {
                let mut drain = match self.end.drain_wait(most, wait(core)) {
                    Ok(drain) => drain,
                    Err(error) => panic!("annulus pop: {error}"),
                };
                let mut taken = 0;
                while drain.next_into(&mut self.message) {
                    take(&self.message);
                    taken += 1;
                }
                taken
            }
        }
    };
}

takes!(SharedConsumer<Slot>);
takes!(Consumer<Slot>);

impl Rx for Taking<Reader<Slot>> {
    #[inline(always)]
    fn try_receive(&mut self, take: &mut impl FnMut(&Slot)) -> bool {
        match self.end.try_read_into(&mut self.message) {
            Ok(()) => {
                take(&self.message);
                true
            }
            Err(TryReadError::Empty) => false,
            Err(error) => panic!("annulus read: {error}"),
        }
    }

    #[inline(always)]
    fn receive(&mut self, take: &mut impl FnMut(&Slot), core: Core) {
        if let Err(error) = self.end.read_into(&mut self.message, wait(core)) {
            panic!("annulus read: {error}");
        }
        take(&self.message);
    }

    #[inline(always)]
    fn receive_many(&mut self, most: usize, take: &mut impl FnMut(&Slot), core: Core) -> usize {
        let mut drain = match self.end.drain_wait(most, wait(core)) {
            Ok(drain) => drain,
            Err(error) => panic!("annulus read: {error}"),
        };
        let mut taken = 0;
        while drain.next_into(&mut self.message) {
            take(&self.message);
            taken += 1;
        }
        taken
    }
}
