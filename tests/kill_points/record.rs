//! The record of a run: how often somebody was killed in what, and how often that went wrong.

use std::sync::{Mutex, PoisonError};

/// The rows so far, and how many kills and failures they tell of.
static RECORD: Mutex<(Vec<String>, u64, u64)> = Mutex::new((Vec::new(), 0, 0));

/// Adds a row.
pub fn add(row: String, points: u64, failures: u64) {
    let mut record = RECORD.lock().unwrap_or_else(PoisonError::into_inner);
    record.0.push(row);
    record.1 += points;
    record.2 += failures;
}

/// Writes what there is so far to the file that the environment names, if it does.
pub fn write() {
    let record = RECORD.lock().unwrap_or_else(PoisonError::into_inner);
    let (rows, points, failures) = &*record;
    println!("{points} kills so far, {failures} failures");
    let Ok(path) = std::env::var("ANNULUS_RECORD") else {
        return;
    };
    let mut rows = rows.clone();
    // Tests run in any order; the operations of each stay in theirs.
    rows.sort_by_key(|row| row.split(',').take(2).collect::<Vec<_>>().join(","));
    let text = format!(
        "kind,backing,operation,side,points,failures\n{}\ntotal,,,,{points},{failures}\n",
        rows.join("\n")
    );
    let folder = std::path::Path::new(&path).parent();
    folder.map(std::fs::create_dir_all);
    std::fs::write(path, text).expect("the record can be written");
}
