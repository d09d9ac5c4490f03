//! Nothing unfinished and nothing of one machine is left in a file, and every source says what it is.

use crate::reading::{files, none, shown, text};

/// Joined here so that this file does not find itself.
fn joined(parts: &[[&str; 2]]) -> Vec<String> {
    parts.iter().map(|[a, b]| format!("{a}{b}")).collect()
}

#[test]
fn nothing_is_left_over() {
    let leftovers = joined(&[
        ["TO", "DO"],
        ["FIX", "ME"],
        ["XX", "X"],
        ["todo", "!("],
        ["unimpl", "emented!("],
        ["db", "g!("],
        ["#[ig", "nore"],
    ]);
    let mut violations = Vec::new();
    for path in files(
        "",
        &[
            ".rs", ".md", ".toml", ".h", ".hpp", ".c", ".cpp", ".sh", ".yml",
        ],
    ) {
        for (i, line) in text(&path).lines().enumerate() {
            if leftovers.iter().any(|left| line.contains(left.as_str())) {
                violations.push(format!("{}:{}: {}", path.display(), i + 1, line.trim()));
            }
        }
    }
    none("leftovers", violations);
}

#[test]
fn nothing_names_this_machine_or_a_private_registry() {
    let paths = joined(&[
        ["/ho", "me/"],
        ["/ro", "ot/"],
        ["/wo", "rk/"],
        ["/Us", "ers/"],
    ]);
    let index = "registry+https://github.com/rust-lang/crates.io-index";
    let mut violations = Vec::new();
    for path in files("", &[]) {
        let name = shown(&path);
        for (i, line) in text(&path).lines().enumerate() {
            let foreign = name.ends_with("Cargo.lock")
                && line.starts_with("source = ")
                && line != format!("source = \"{index}\"");
            let registry = name.ends_with(".toml")
                && ["replace-with", "[source", "registry ="]
                    .iter()
                    .any(|s| line.contains(s));
            // A URL may have such a part; a path begins with it.
            let machine = paths.iter().any(|p| {
                line.match_indices(p.as_str()).any(|(at, _)| {
                    !line[..at].ends_with(|c: char| c.is_alphanumeric() || "._-/}".contains(c))
                })
            });
            if foreign || registry || machine {
                violations.push(format!("{name}:{}: {}", i + 1, line.trim()));
            }
        }
    }
    none("names of machines and registries", violations);
}

#[test]
fn every_source_opens_by_saying_what_it_is() {
    let mut violations = Vec::new();
    for dir in [
        "src",
        "cli/src",
        "ffi/src",
        "loom-tests/src",
        "tests",
        "examples",
        "benches",
    ] {
        for path in files(dir, &[".rs"]) {
            if !text(&path).starts_with("//! ") {
                violations.push(shown(&path));
            }
        }
    }
    none("a file opens with //!", violations);
}
