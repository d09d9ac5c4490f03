//! Randomness whose seed can be printed and given again (`ANNULUS_SEED`).

use std::time::{SystemTime, UNIX_EPOCH};

/// SplitMix64 (Steele, Lea, Flood 2014). Good enough to choose operations.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// Always the same numbers for the same seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number below `n`, which is not 0.
    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    /// One of `items`.
    pub fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len() as u64) as usize]
    }
}

/// Scrambles a number; no two give the same.
pub fn mix(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// The seed from the environment, or another one each time.
pub fn seed() -> u64 {
    let now = || {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        since.map_or(0, |d| d.as_nanos() as u64)
    };
    std::env::var("ANNULUS_SEED").map_or_else(
        |_| mix(now() ^ u64::from(std::process::id())),
        |text| text.parse().expect("ANNULUS_SEED is a number"),
    )
}

/// Prints the seed if the test panics while this lives.
pub struct SeedOnFailure(pub u64);

impl Drop for SeedOnFailure {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("to repeat this failure: ANNULUS_SEED={}", self.0);
        }
    }
}
