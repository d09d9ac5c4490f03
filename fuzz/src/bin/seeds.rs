//! Writes the seeds that are made from real rings into the corpus, over those of the same name.

use std::path::Path;

fn main() -> std::io::Result<()> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (target, name, bytes) in annulus_fuzz::seeds::all(&here.join("../tests/golden")) {
        let corpus = here.join("corpus").join(target);
        std::fs::create_dir_all(&corpus)?;
        std::fs::write(corpus.join(name), bytes)?;
    }
    Ok(())
}
