//! Every seed runs through its target, without a fuzzing engine.

use annulus_fuzz::TARGETS;
use std::path::Path;

/// Seeds that stand for what cannot be opened: too short, without its semaphores, of a type that the target does not know.
const ODD: [&str; 3] = ["short", "semaphores", "spmc-8x24"];

#[test]
fn every_seed_runs_through_its_target() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (target, run) in TARGETS {
        let seeds = std::fs::read_dir(corpus.join(target)).expect("a corpus");
        let (mut n, mut refused) = (0, Vec::new());
        for seed in seeds {
            let path = seed.expect("an entry").path();
            eprintln!("{}", path.display());
            let opened = run(&std::fs::read(&path).expect("bytes"));
            // What nobody opens tests the door and nothing behind it.
            let odd = ODD.iter().any(|name| path.ends_with(name));
            if opened == 0 && !odd {
                refused.push(path);
            }
            n += 1;
        }
        assert!(refused.is_empty(), "nobody opens {refused:?}");
        assert!(n >= 6, "{target} has {n} seeds");
    }
}

#[test]
fn the_seeds_from_real_rings_are_those_that_the_rings_give_today() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut attached = false;
    for (target, name, bytes) in annulus_fuzz::seeds::all(&here.join("../tests/golden")) {
        let path = here.join("corpus").join(target).join(&name);
        assert!(path.exists(), "{name} is missing: cargo run --bin seeds");
        // Those of rings that were made just now differ in process ids and times.
        if target == "attach" && !name.starts_with("new-") {
            assert_eq!(std::fs::read(&path).expect("bytes"), bytes, "{name}");
            attached = true;
        }
    }
    assert!(attached);
}
