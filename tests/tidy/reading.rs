//! Reading the files of the repository: which there are, their lines, code apart from comments.

use std::fs;
use std::path::{Path, PathBuf};

/// The root of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files below `dir` whose names end in one of `ends`, without build outputs and hidden directories but
/// for those of CI; paths are relative to the repository.
pub fn files(dir: &str, ends: &[&str]) -> Vec<PathBuf> {
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

/// What a file of the repository says.
pub fn text(path: &Path) -> String {
    // Bytes that are not text cannot break a rule about text.
    String::from_utf8_lossy(&fs::read(root().join(path)).expect("read")).into_owned()
}

/// A path as text.
pub fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// A line of Rust, its comment apart from its code.
pub struct Line {
    pub number: usize,
    pub code: String,
    pub comment: String,
}

/// The lines of a source, the contents of strings left out. Block comments are not used in this house.
pub fn lines(source: &str) -> Vec<Line> {
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
pub fn without_strings(code: &str) -> String {
    let code = code.replace("\\\"", "").replace("'\"'", "''");
    let parts = code.split('"').enumerate();
    parts
        .map(|(i, part)| if i % 2 == 0 { part } else { "\"\"" })
        .collect()
}

/// Where `//` begins outside a string on this line.
pub fn comment_start(line: &str) -> Option<usize> {
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
pub fn shipped(path: &Path) -> Vec<Line> {
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
pub fn sources() -> Vec<PathBuf> {
    files("src", &[".rs"])
        .into_iter()
        .filter(|path| !is_test_code(path))
        .collect()
}

/// Whether `code` has `word` as a whole word.
pub fn has_word(code: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word).any(|(at, _)| {
        !code[..at].ends_with(is_part) && !code[at + word.len()..].starts_with(is_part)
    })
}

/// Fails with all violations at once.
pub fn none(rule: &str, violations: Vec<String>) {
    assert!(
        violations.is_empty(),
        "{rule}:\n  {}\n",
        violations.join("\n  ")
    );
}

/// The rule `broken` on every line of the sources `of`.
pub fn on_lines(of: &[PathBuf], broken: impl Fn(&Path, &Line) -> bool) -> Vec<String> {
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
