//! Documents and manifests: links, headings, blanks, the changelog, the reason of each dependency.

use crate::reading::{files, none, root, shown, text};
use std::path::{Component, Path, PathBuf};

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
pub fn anchor(heading: &str) -> String {
    heading
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

/// `a/b/../c` without its detour.
pub fn straight(path: &Path) -> PathBuf {
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
pub fn links(page: &str) -> Vec<String> {
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
