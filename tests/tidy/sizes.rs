//! Files and functions of the library stay small.

use crate::reading::{files, has_word, none, shipped, sources, text};

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
