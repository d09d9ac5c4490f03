//! How do I avoid copies? Trusting endpoints write and read in the ring itself. One process, two threads, to
//! keep it short; between processes it is the same.

use annulus::{Backing, Wait, spsc};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    const FRAME: usize = 640 * 480;
    let ring = spsc::<[u8]>("example.frames")
        .backing(Backing::Memfd)
        .slot_size(FRAME)
        .capacity(8)
        .create()?;
    // SAFETY: the only endpoints of this ring are the two below, and a sealed memfd cannot be truncated.
    let (mut tx, mut rx) = unsafe {
        (
            ring.producer()?.trust_peers(),
            ring.consumer()?.trust_peers(),
        )
    };

    std::thread::scope(|threads| {
        threads.spawn(move || {
            for n in 0..100u8 {
                let mut frame = tx.claim(Wait::park()).expect("the consumer lives");
                frame.fill(n); // The camera writes here.
                frame.commit();
            }
            tx.close();
        });
        let mut frames = 0;
        while let Ok(frame) = rx.sample(Wait::park()) {
            assert!(frame.iter().all(|pixel| *pixel == frames));
            frames += 1;
        }
        println!("{frames} frames");
    });
    Ok(())
}
