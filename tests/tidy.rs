//! The rules of the house as a test: layers, doors, the address of `unsafe`, ordering comments, sizes,
//! leftovers, links. The sources are read as text, which is enough because they are formatted by rustfmt.
//!
//! Every rule collects all its violations before it fails. A rule that is wrong for a case is changed here,
//! with its reason, and not worked around.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

// ---- reading ----------------------------------------------------------------------------------------------

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files below `dir` whose names end in one of `ends`, without build outputs and hidden directories but
/// for those of CI; paths are relative to the repository.
fn files(dir: &str, ends: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root().join(dir)];
    while let Some(path) = open.pop() {
        let name = path
            .file_name()
            .map_or(String::new(), |n| n.to_string_lossy().into_owned());
        if path.is_dir() {
            let hidden = name.starts_with('.') && ![".ci", ".github"].contains(&name.as_str());
            // `corpus`, `artifacts`: bytes, not text.
            if path == root()
                || !(hidden || ["target", "corpus", "artifacts"].contains(&name.as_str()))
            {
                open.extend(
                    fs::read_dir(&path)
                        .expect("list")
                        .map(|e| e.expect("entry").path()),
                );
            }
        } else if path.is_file() && (ends.is_empty() || ends.iter().any(|end| name.ends_with(end)))
        {
            found.push(
                path.strip_prefix(root())
                    .expect("below the root")
                    .to_owned(),
            );
        }
    }
    found.sort();
    assert!(dir.is_empty() || !found.is_empty(), "nothing in {dir}");
    found
}

fn text(path: &Path) -> String {
    // Bytes that are not text cannot break a rule about text.
    String::from_utf8_lossy(&fs::read(root().join(path)).expect("read")).into_owned()
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// A line of Rust, its comment apart from its code.
struct Line {
    number: usize,
    code: String,
    comment: String,
}

/// The lines of a source, the contents of strings left out. Block comments are not used in this house.
fn lines(source: &str) -> Vec<Line> {
    source
        .lines()
        .enumerate()
        .map(|(i, line)| {
            let at = comment_start(line).unwrap_or(line.len());
            Line {
                number: i + 1,
                code: without_strings(line[..at].trim_end()),
                comment: line[at..].trim().to_owned(),
            }
        })
        .collect()
}

/// `code` with nothing between its quotes. A string over several lines keeps its inner lines.
fn without_strings(code: &str) -> String {
    let code = code.replace("\\\"", "").replace("'\"'", "''");
    let parts = code.split('"').enumerate();
    parts
        .map(|(i, part)| if i % 2 == 0 { part } else { "\"\"" })
        .collect()
}

/// Where `//` begins outside a string on this line.
fn comment_start(line: &str) -> Option<usize> {
    let bytes = line.as_bytes();
    let (mut inside, mut i) = (false, 0);
    while i < bytes.len() {
        match bytes[i] {
            b'\\' if inside => i += 1,
            // A quote as a character is no string.
            b'"' if i == 0 || bytes[i - 1] != b'\'' => inside = !inside,
            b'/' if !inside && bytes.get(i + 1) == Some(&b'/') => return Some(i),
            _ => {}
        }
        i += 1;
    }
    None
}

/// The lines that ship: everything before the module of unit tests, which ends a file here.
fn shipped(path: &Path) -> Vec<Line> {
    let mut all = lines(&text(path));
    if let Some(end) = all
        .iter()
        .position(|line| line.code.starts_with("#[cfg(test)]"))
    {
        // In `mod.rs` a module for tests may stand among others.
        if all[end..]
            .iter()
            .any(|line| line.code.starts_with("mod tests"))
        {
            all.truncate(end);
        }
    }
    all
}

/// Whether a file of `src` holds tests only.
fn is_test_code(path: &Path) -> bool {
    let name = shown(path);
    name.ends_with("_tests.rs") || name.ends_with("os/testing.rs")
}

/// The files of `src` that ship.
fn sources() -> Vec<PathBuf> {
    files("src", &[".rs"])
        .into_iter()
        .filter(|path| !is_test_code(path))
        .collect()
}

/// Whether `code` has `word` as a whole word.
fn has_word(code: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word).any(|(at, _)| {
        !code[..at].ends_with(is_part) && !code[at + word.len()..].starts_with(is_part)
    })
}

/// Fails with all violations at once.
fn none(rule: &str, violations: Vec<String>) {
    assert!(
        violations.is_empty(),
        "{rule}:\n  {}\n",
        violations.join("\n  ")
    );
}

/// The rule `broken` on every line of the sources `of`.
fn on_lines(of: &[PathBuf], broken: impl Fn(&Path, &Line) -> bool) -> Vec<String> {
    let mut violations = Vec::new();
    for path in of {
        for line in shipped(path).iter().filter(|line| broken(path, line)) {
            violations.push(format!(
                "{}:{}: {}",
                path.display(),
                line.number,
                line.code.trim()
            ));
        }
    }
    violations
}

// ---- layers and doors -------------------------------------------------------------------------------------

/// The layer of a source: its directory, or its name where it lies directly in `src`.
fn layer(path: &Path) -> String {
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

#[test]
fn safe_layers_forbid_unsafe() {
    for layer in ["ring", "wait", "control"] {
        let source = text(Path::new(&format!("src/{layer}/mod.rs")));
        assert!(source.contains("#![forbid(unsafe_code)]"), "{layer}");
    }
}

#[test]
fn unsafe_has_an_address() {
    let addresses = [
        "src/segment/view.rs",
        "src/segment/copy.rs",
        "src/endpoint/loan.rs",
        "src/endpoint/sample.rs",
        "src/endpoint/batch.rs",
    ];
    // These two have the one `unsafe fn` that users call to become trusting.
    let trusting = ["src/endpoint/producer.rs", "src/endpoint/consumer.rs"];
    let of: Vec<PathBuf> = sources()
        .into_iter()
        .chain(files("cli/src", &[".rs"]))
        .collect();
    let violations = on_lines(&of, |path, line| {
        let name = shown(path);
        // The binary talks to the kernel in one file; `forbid(unsafe_code)` is no use of unsafe.
        let free = name.starts_with("src/os/")
            || addresses.contains(&name.as_str())
            || name == "cli/src/sys.rs";
        let door =
            trusting.contains(&name.as_str()) && line.code.contains("pub unsafe fn trust_peers(");
        has_word(&line.code, "unsafe") && !free && !door
    });
    none("unsafe outside its addresses", violations);
}

// ---- orderings --------------------------------------------------------------------------------------------

const ORDERINGS: [&str; 5] = ["Relaxed", "Acquire", "Release", "AcqRel", "SeqCst"];

/// The labels that are rows of `docs/ORDERINGS.md`.
fn labels() -> BTreeSet<String> {
    let rows = text(Path::new("docs/ORDERINGS.md"));
    let cells = rows.lines().filter_map(|line| line.strip_prefix("| **"));
    cells
        .filter_map(|cell| cell.split_once("**").map(|(label, _)| label.to_owned()))
        .collect()
}

/// The labels that a comment gives its ordering: "Acquire P1, C1: ..." gives P1 and C1.
fn labels_of<'a>(comment: &'a str, ordering: &str) -> Option<Vec<&'a str>> {
    let rest = comment
        .trim_start_matches('/')
        .trim_start()
        .strip_prefix(ordering)?;
    let head = rest.split_once(':').map_or(rest, |(head, _)| head);
    let is_label = |word: &&str| {
        let mut chars = word.chars();
        chars.next().is_some_and(|c| c.is_ascii_uppercase()) && {
            let digits = chars.as_str();
            !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit())
        }
    };
    Some(head.split([' ', ',']).filter(is_label).collect())
}

/// The comments above line `at` with at most four lines of code between.
fn comments_above(all: &[Line], at: usize) -> impl Iterator<Item = &str> {
    let mut code = 0;
    all[..at]
        .iter()
        .rev()
        .take_while(move |line| {
            code += usize::from(!line.code.trim().is_empty());
            code <= 4
        })
        .map(|line| line.comment.as_str())
}

#[test]
fn every_ordering_says_why_and_names_its_edge() {
    let known = labels();
    assert!(known.contains("P1"), "{known:?}");
    let checked = |path: &Path| {
        let name = shown(path);
        ["ring", "wait", "control"].contains(&layer(path).as_str())
            || [
                "src/segment/view.rs",
                "src/endpoint/seat.rs",
                "src/endpoint/signal.rs",
            ]
            .contains(&name.as_str())
    };
    let mut violations = Vec::new();
    let mut used = BTreeSet::new();
    for path in sources().iter().filter(|path| checked(path)) {
        let all = shipped(path);
        for (i, line) in all.iter().enumerate() {
            let code = line.code.trim();
            if code.starts_with("use ") {
                continue;
            }
            for ordering in ORDERINGS.iter().filter(|ordering| has_word(code, ordering)) {
                let found: Vec<&str> = comments_above(&all, i)
                    .filter_map(|comment| labels_of(comment, ordering))
                    .flatten()
                    .collect();
                let said = comments_above(&all, i).any(|c| labels_of(c, ordering).is_some());
                let place = format!("{}:{}: {code}", path.display(), line.number);
                if !said {
                    violations.push(format!("{place}: no comment opens with {ordering}"));
                } else if *ordering != "Relaxed" && found.is_empty() {
                    violations.push(format!("{place}: {ordering} without a label"));
                }
                for label in found {
                    used.insert(label.to_owned());
                    if !known.contains(label) {
                        violations.push(format!("{place}: {label} is no row of docs/ORDERINGS.md"));
                    }
                }
            }
        }
    }
    violations.extend(
        known
            .difference(&used)
            .map(|label| format!("{label} is a row, but no source names it")),
    );
    none("orderings", violations);
}

#[test]
fn seqcst_is_for_fences_only() {
    let violations = on_lines(&sources(), |_, line| {
        let code = line.code.trim();
        has_word(code, "SeqCst") && !code.starts_with("use ") && !code.contains("fence(")
    });
    none("SeqCst on an access", violations);
}

// ---- sizes ------------------------------------------------------------------------------------------------

#[test]
fn files_of_the_library_stay_below_500_lines() {
    let violations = files("src", &[".rs"]).into_iter().filter_map(|path| {
        let n = text(&path).lines().count();
        (n >= 500).then(|| format!("{}: {n} lines", path.display()))
    });
    none("a file is one idea", violations.collect());
}

#[test]
fn functions_of_the_library_stay_below_80_lines() {
    let mut violations = Vec::new();
    for path in sources() {
        let all = shipped(&path);
        for (i, line) in all.iter().enumerate() {
            let code = line.code.trim_start();
            let is_fn = has_word(code, "fn") && code.contains('(') && !line.code.ends_with(';');
            if !is_fn || code.starts_with('"') {
                continue;
            }
            // rustfmt puts the closing brace below the first letter of the signature.
            let indent = line.code.len() - code.len();
            let close = format!("{}}}", " ".repeat(indent));
            let end = all[i..].iter().position(|l| l.code == close).unwrap_or(0);
            if end >= 80 {
                violations.push(format!("{}:{}: {end} lines", path.display(), line.number));
            }
        }
    }
    none("a function fits on a screen", violations);
}

// ---- leftovers --------------------------------------------------------------------------------------------

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

// ---- documents --------------------------------------------------------------------------------------------

/// The documents of the repository.
fn documents() -> Vec<PathBuf> {
    let pages = files("", &[".md"]);
    for needed in [
        "README.md",
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "docs/WIRE.md",
        "docs/ORDERINGS.md",
        "docs/CRASH.md",
        "docs/TRUST.md",
    ] {
        assert!(
            pages.iter().any(|page| shown(page) == needed),
            "{needed} is missing"
        );
    }
    pages
}

#[test]
fn documents_have_no_tabs_and_no_trailing_blanks() {
    let mut violations = Vec::new();
    for page in documents() {
        let all = text(&page);
        for (i, line) in all.lines().enumerate() {
            if line.contains('\t') || line.ends_with(' ') {
                violations.push(format!("{}:{}", page.display(), i + 1));
            }
        }
        if !all.ends_with('\n') || all.ends_with("\n\n") {
            violations.push(format!(
                "{}: ends without exactly one line break",
                page.display()
            ));
        }
    }
    none("blanks", violations);
}

/// The name that a heading can be linked by.
fn anchor(heading: &str) -> String {
    heading
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

/// `a/b/../c` without its detour.
fn straight(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut so_far, part| {
        match part {
            Component::ParentDir => {
                so_far.pop();
            }
            Component::CurDir => {}
            other => so_far.push(other),
        }
        so_far
    })
}

/// The targets of the links of a page, without those in code blocks.
fn links(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut code = false;
    for line in page.lines() {
        if line.trim_start().starts_with("```") {
            code = !code;
        }
        if code {
            continue;
        }
        for (at, _) in line.match_indices("](") {
            let rest = &line[at + 2..];
            found.extend(rest.split_once(')').map(|(target, _)| target.to_owned()));
        }
    }
    found
}

#[test]
fn every_link_leads_somewhere() {
    let mut violations = Vec::new();
    for page in documents() {
        for link in links(&text(&page)) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            let (file, place) = link
                .split_once('#')
                .map_or((link.as_str(), None), |(f, p)| (f, Some(p)));
            let target = match file {
                "" => page.clone(),
                _ => straight(&page.parent().expect("a directory").join(file)),
            };
            if !root().join(&target).exists() {
                violations.push(format!("{}: {link}", page.display()));
            } else if let Some(place) = place
                && shown(&target).ends_with(".md")
                && !text(&target).lines().any(|l| {
                    l.starts_with('#') && anchor(l.trim_start_matches('#').trim()) == place
                })
            {
                violations.push(format!("{}: {link}: no such heading", page.display()));
            }
        }
    }
    none("links", violations);
}

#[test]
fn the_newest_entry_of_the_changelog_states_wire_version_and_c_abi() {
    let log = text(Path::new("CHANGELOG.md"));
    let start = log.find("\n## ").expect("an entry");
    let entry = &log[start + 4..];
    let entry = &entry[..entry.find("\n## ").unwrap_or(entry.len())];
    let wire = format!("Wire version {}.", annulus::WIRE_VERSION);
    assert!(entry.contains(&wire), "no {wire:?} in\n{entry}");
    let (_, abi) = entry.split_once("C ABI ").expect("the C ABI");
    assert!(abi.starts_with(|c: char| c.is_ascii_digit()), "{entry}");
    let version = env!("CARGO_PKG_VERSION");
    assert!(
        entry.starts_with(version),
        "the newest entry is not about {version}"
    );
}

#[test]
fn every_dependency_says_what_it_is_for() {
    let mut violations = Vec::new();
    for path in files("", &["Cargo.toml"]) {
        // The peers are the engines that are measured; their names are the reason.
        if shown(&path).starts_with("benches/peers/") {
            continue;
        }
        let (mut inside, mut explained) = (false, false);
        for (i, line) in text(&path).lines().enumerate() {
            if line.starts_with('[') {
                inside = line.contains("dependencies]");
                explained = false;
            } else if !inside || line.trim().is_empty() {
                explained = false;
            } else if line.starts_with('#') {
                explained = true;
            } else if line.contains(" = ") && !line.starts_with(' ') {
                // One comment may speak for the lines right below it. Our own packages need none.
                if !explained && !line.contains("path = ") {
                    violations.push(format!("{}:{}: {line}", path.display(), i + 1));
                }
            }
        }
    }
    none("dependencies without a reason", violations);
}

// ---- the rules themselves ---------------------------------------------------------------------------------

#[test]
fn the_rules_can_fail() {
    assert_eq!(comment_start("let a = \"//\"; // why"), Some(14));
    assert_eq!(comment_start("let a = '\"'; // why"), Some(13));
    assert_eq!(comment_start("x"), None);
    assert_eq!(
        without_strings("f(\"a segment\", '\"', b)"),
        "f(\"\", '', b)"
    );
    assert!(has_word("use libc::c_int;", "libc") && !has_word("mylibc_x", "libc"));
    assert_eq!(
        labels_of("// Acquire P1, C1: pairs", "Acquire"),
        Some(vec!["P1", "C1"])
    );
    assert_eq!(
        labels_of("// Acquire: pairs with P1", "Acquire"),
        Some(vec![])
    );
    assert_eq!(
        labels_of("// SeqCst W1: F(publisher)", "SeqCst"),
        Some(vec!["W1"])
    );
    assert_eq!(labels_of("// pairs with the Acquire", "Acquire"), None);
    assert_eq!(
        anchor("Names, creation and removal"),
        "names-creation-and-removal"
    );
    assert_eq!(
        straight(Path::new("docs/../README.md")),
        Path::new("README.md")
    );
    assert_eq!(
        links("[a](b.md) and [c](d#e)\n```\n[x](y)\n```"),
        ["b.md", "d#e"]
    );
    let source = "// Release P1: why\na\nb\nc\nd\nx.store(1, Release);";
    let all = lines(source);
    assert_eq!(comments_above(&all, 5).filter(|c| !c.is_empty()).count(), 1);
    let all = lines(&source.replace("a\n", "a\na\n"));
    assert_eq!(comments_above(&all, 6).filter(|c| !c.is_empty()).count(), 0);
}
