//! Every memory ordering says why, and names its edge of `docs/ORDERINGS.md`.

use crate::layers::layer;
use crate::reading::{Line, has_word, none, on_lines, shipped, shown, sources, text};
use std::collections::BTreeSet;
use std::path::Path;

const ORDERINGS: [&str; 5] = ["Relaxed", "Acquire", "Release", "AcqRel", "SeqCst"];

/// Where every access is relaxed and orders nothing: copies of payload, which belongs to one side at a time, and a
/// process's notes to itself. `sync` only passes orderings on, and `os` has no words that others share.
const PLAIN: [&str; 2] = ["src/segment/copy.rs", "src/segment/token.rs"];

/// The labels that are rows of `docs/ORDERINGS.md`.
fn labels() -> BTreeSet<String> {
    let rows = text(Path::new("docs/ORDERINGS.md"));
    let cells = rows.lines().filter_map(|line| line.strip_prefix("| **"));
    cells
        .filter_map(|cell| cell.split_once("**").map(|(label, _)| label.to_owned()))
        .collect()
}

/// The labels that a comment gives its ordering: "Acquire P1, C1: ..." gives P1 and C1.
pub fn labels_of<'a>(comment: &'a str, ordering: &str) -> Option<Vec<&'a str>> {
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
pub fn comments_above(all: &[Line], at: usize) -> impl Iterator<Item = &str> {
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
        let layer = layer(path);
        layer != "sync" && layer != "os" && !PLAIN.contains(&shown(path).as_str())
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
fn what_needs_no_reasons_is_relaxed_throughout() {
    let violations = on_lines(&PLAIN.map(Into::into), |_, line| {
        ORDERINGS[1..].iter().any(|o| has_word(&line.code, o))
    });
    none("an ordering where none is expected", violations);
}

#[test]
fn seqcst_is_for_fences_only() {
    let violations = on_lines(&sources(), |_, line| {
        let code = line.code.trim();
        has_word(code, "SeqCst") && !code.starts_with("use ") && !code.contains("fence(")
    });
    none("SeqCst on an access", violations);
}
