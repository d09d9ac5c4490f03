//! Arbitrary bytes as a ring: the first 256 are the header, the next 1024 the control block, the next 512 the
//! participant table, the rest the slots. The gaps between, which nobody reads, are left out, so that an
//! input stays small. What is shorter than a header is a file of exactly those bytes.

use crate::exercise::{CONTROL, DATA, TABLE, exercise, sealed};

/// Takes at most `n` bytes off the front.
fn take<'a>(bytes: &mut &'a [u8], n: usize) -> &'a [u8] {
    let (front, rest) = bytes.split_at(n.min(bytes.len()));
    *bytes = rest;
    front
}

/// One input. As how many kinds its ring could be opened.
pub fn run(input: &[u8]) -> usize {
    if input.len() < 256 {
        return exercise(sealed(input.len() as u64, &[(0, input)]));
    }
    let mut rest = input;
    let header = take(&mut rest, 256);
    let control = take(&mut rest, 1024);
    let table = take(&mut rest, 512);
    let len = (DATA + rest.len().max(1) as u64).next_multiple_of(4096);
    exercise(sealed(
        len,
        &[
            (0, header),
            (CONTROL, control),
            (TABLE, table),
            (DATA, rest),
        ],
    ))
}
