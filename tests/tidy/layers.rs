//! Layers name those below them only; the kernel, the atomics and `unsafe` each have their place.

use crate::reading::{files, has_word, none, on_lines, shown, sources, text};
use std::path::{Path, PathBuf};

/// The layer of a source: its directory, or its name where it lies directly in `src`.
pub fn layer(path: &Path) -> String {
    let below = path.strip_prefix("src").expect("a source");
    let first = below
        .components()
        .next()
        .expect("a name")
        .as_os_str()
        .to_string_lossy()
        .into_owned();
    first.trim_end_matches(".rs").to_owned()
}

/// What each layer may name of the others.
const LAYERS: [(&str, &[&str]); 9] = [
    ("sync", &["os"]), // The kernel's fence, and nothing else.
    ("layout", &["sync"]),
    ("ring", &["sync", "layout"]),
    ("wait", &["sync", "layout"]),
    ("error", &["ring"]),
    ("os", &["sync", "error"]),
    ("segment", &["sync", "layout", "ring", "error", "os"]),
    // `control` for `Ring::status` alone; see below.
    (
        "endpoint",
        &[
            "sync", "layout", "ring", "wait", "error", "os", "segment", "control",
        ],
    ),
    (
        "control",
        &[
            "sync", "layout", "ring", "error", "os", "segment", "endpoint",
        ],
    ),
];

const MODULES: [&str; 9] = [
    "sync", "layout", "ring", "wait", "error", "os", "segment", "endpoint", "control",
];

#[test]
fn arrows_between_layers_point_downward() {
    let violations = on_lines(&sources(), |path, line| {
        let own = layer(path);
        let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == own) else {
            return false;
        };
        MODULES.iter().any(|other| {
            let named = line.code.contains(&format!("crate::{other}::"))
                || line.code.contains(&format!("use crate::{other};"));
            named && *other != own && !allowed.contains(other)
        })
    });
    none("a layer names one that it may not", violations);
    let upward = on_lines(&sources(), |path, line| {
        layer(path) == "endpoint"
            && line.code.contains("crate::control")
            && !(shown(path).ends_with("endpoint/ring.rs")
                && line.code.contains("control::snapshot"))
    });
    none(
        "of the endpoints only Ring names control, for its status",
        upward,
    );
}

#[test]
fn the_pure_leg_knows_no_operating_system() {
    let pure = |path: &Path| ["layout", "ring", "wait"].contains(&layer(path).as_str());
    let violations = on_lines(&sources(), |path, line| {
        let named = ["os", "segment", "libc"]
            .iter()
            .any(|word| has_word(&line.code, word));
        pure(path)
            && (named
                || ["std::fs", "std::thread", "std::"]
                    .iter()
                    .any(|s| line.code.contains(s)))
    });
    none(
        "layout, ring and wait are free of the operating system and of std",
        violations,
    );
}

#[test]
fn atomics_have_one_door() {
    let violations = on_lines(&sources(), |path, line| {
        line.code.contains("sync::atomic") && shown(path) != "src/sync.rs"
    });
    none("only src/sync.rs names core::sync::atomic", violations);
}

#[test]
fn the_c_library_has_one_door() {
    let violations = on_lines(&sources(), |path, line| {
        has_word(&line.code, "libc") && layer(path) != "os"
    });
    none("only src/os names libc", violations);
}

/// A child that is forked while another thread of its parent holds a lock, or is the first to ask for a value that is made
/// once, waits for it for ever.
#[test]
fn nothing_is_locked_that_a_forked_child_may_want() {
    let locks = ["Mutex", "RwLock", "OnceLock", "LazyLock", "Once", "Condvar"];
    let violations = on_lines(&sources(), |path, line| {
        // Installing the guard is for the first moments of a program.
        let known = shown(path).ends_with("os/sigbus.rs");
        !known && locks.iter().any(|lock| has_word(&line.code, lock))
    });
    none("only the guard's installation locks anything", violations);
}

#[test]
fn safe_layers_forbid_unsafe() {
    for safe in ["ring", "wait", "control"] {
        let source = text(Path::new(&format!("src/{safe}/mod.rs")));
        assert!(source.contains("#![forbid(unsafe_code)]"), "{safe}");
        // What is forbidden in `mod.rs` is so in all files below it, and no other file is of that layer.
        let beside = sources()
            .into_iter()
            .filter(|path| layer(path) == safe && !path.starts_with(format!("src/{safe}")));
        assert_eq!(beside.count(), 0, "{safe}");
    }
}

/// Where `unsafe` may stand beside `src/os` and the one file of the binary that talks to the kernel.
const ADDRESSES: [&str; 14] = [
    "src/segment/view.rs",
    "src/segment/copy.rs",
    "src/segment/blocks.rs",
    "src/segment/bulk.rs",
    "src/segment/lane.rs",
    "src/segment/strip.rs",
    "src/endpoint/slots_of.rs",
    "src/endpoint/slots/loan.rs",
    "src/endpoint/slots/sample.rs",
    "src/endpoint/slots/batch.rs",
    "src/endpoint/records/loan.rs",
    "src/endpoint/records/sample.rs",
    "src/endpoint/shared/loan.rs",
    "src/endpoint/shared/sample.rs",
];

/// These have the one `unsafe fn` that users call to become trusting, and nothing else.
const TRUSTING: [&str; 6] = [
    "src/endpoint/slots/producer.rs",
    "src/endpoint/slots/consumer.rs",
    "src/endpoint/records/producer.rs",
    "src/endpoint/records/consumer.rs",
    "src/endpoint/shared/producer.rs",
    "src/endpoint/shared/consumer.rs",
];

#[test]
fn unsafe_has_an_address() {
    let of: Vec<PathBuf> = sources()
        .into_iter()
        .chain(files("cli/src", &[".rs"]))
        .collect();
    let violations = on_lines(&of, |path, line| {
        let name = shown(path);
        let free = name.starts_with("src/os/")
            || ADDRESSES.contains(&name.as_str())
            || name == "cli/src/sys.rs";
        let door =
            TRUSTING.contains(&name.as_str()) && line.code.contains("pub unsafe fn trust_peers(");
        // `forbid(unsafe_code)` is no use of unsafe.
        has_word(&line.code, "unsafe") && !free && !door
    });
    none("unsafe outside its addresses", violations);
}

#[test]
fn nobody_has_an_address_for_unsafe_who_does_not_need_it() {
    let idle = ADDRESSES.iter().chain(&TRUSTING).filter(|address| {
        let path = PathBuf::from(address);
        on_lines(&[path], |_, line| has_word(&line.code, "unsafe")).is_empty()
    });
    none(
        "an address without unsafe",
        idle.map(|address| (*address).to_owned()).collect(),
    );
}
