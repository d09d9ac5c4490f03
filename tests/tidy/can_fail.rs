//! The rules themselves: what they read with finds what it should, so that they can fail.

use crate::documents::{anchor, links, straight};
use crate::orderings::{comments_above, labels_of};
use crate::reading::{comment_start, has_word, lines, without_strings};
use std::path::Path;

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
