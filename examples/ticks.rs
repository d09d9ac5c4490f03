//! How do two programs exchange messages? Run `cargo run --example ticks -- consume` in one terminal and
//! `cargo run --example ticks -- produce` in another, in any order.

use annulus::{PopError, Wait, spsc};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

#[derive(Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Tick {
    instrument: u64,
    price: f64,
    size: u64,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let ring = spsc::<Tick>("example.ticks")
        .capacity(4096)
        .open_or_create()?;
    if std::env::args().nth(1).as_deref() == Some("produce") {
        let mut tx = ring.producer()?;
        for i in 0..1_000_000 {
            let price = 100.0 + (i % 100) as f64 / 100.0;
            tx.push(
                &Tick {
                    instrument: i % 7,
                    price,
                    size: i,
                },
                Wait::park(),
            )?;
        }
        tx.close();
        return Ok(());
    }
    let mut rx = ring.consumer()?;
    let mut ticks = 0;
    loop {
        match rx.pop(Wait::park()) {
            Ok(tick) => ticks += u64::from(tick.price >= 100.0),
            Err(PopError::Closed) => break,
            Err(other) => return Err(other.into()),
        }
    }
    println!("{ticks} ticks");
    Ok(ring.unlink()?)
}
