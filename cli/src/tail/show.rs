//! How `tail` shows a record.

use super::source::About;
use crate::args::TailArgs;
use crate::exit::{Failure, Kind, stdout_failed};
use crate::stream::Stop;
use crate::stream::format::{self, PREFIX};
use crate::stream::output::Output;
use crate::words;
use annulus::{Parties, Status};
use std::io::Write;

/// Bytes that are collected before they are written.
const ENOUGH: usize = 48 << 10;

/// stdout, and what it is to show.
pub struct Show {
    output: Output,
    raw: bool,
    tags: bool,
    /// The most bytes in hexadecimal.
    bytes: usize,
    /// Where the data begins in a record of a stream of `annulus send`; `None` for other rings.
    stream: Option<usize>,
    buffer: Vec<u8>,
}

impl Show {
    /// Shows records of the ring with this status as `args` says.
    pub fn new(args: &TailArgs, status: &Status) -> Result<Self, Failure> {
        let is_stream = status.type_fingerprint == 0 && status.schema == format::SCHEMA;
        let prefix = match status.parties {
            Parties::Mpsc => PREFIX,
            _ => 0,
        };
        Ok(Self {
            output: Output::open(None)?,
            raw: args.raw,
            tags: args.tags,
            bytes: args.bytes,
            stream: is_stream.then_some(prefix),
            buffer: Vec::new(),
        })
    }

    /// Shows a record, unless it is one that only ends of a stream care for. Says whether it did.
    pub fn record(&mut self, about: About, record: &[u8]) -> Result<bool, Failure> {
        let mut data = record;
        let mut word = None;
        if let Some(prefix) = self.stream {
            data = record.get(prefix..).unwrap_or_default();
            word = match about.tag.and_then(format::Kind::of_tag) {
                Some(format::Kind::Begin) => Some("[a sender begins]"),
                Some(format::Kind::End) => Some("[a sender's end]"),
                Some(format::Kind::Last) => Some("[nothing follows]"),
                Some(format::Kind::Abort) => Some("[a sender gives up]"),
                _ => None,
            };
            if word.is_some() && !self.tags {
                return Ok(false);
            }
        }
        if self.raw {
            self.buffer.extend_from_slice(data);
        } else {
            self.line(about, word, data);
        }
        if self.buffer.len() >= ENOUGH {
            self.flush()?;
        }
        Ok(true)
    }

    fn line(&mut self, about: About, word: Option<&str>, data: &[u8]) {
        let Self { buffer, bytes, .. } = self;
        if self.tags {
            let tag = about.tag.map_or_else(|| "-".to_owned(), |t| t.to_string());
            // Writing to a Vec cannot fail.
            let _ = write!(buffer, "{:>12} {tag:>5}  ", about.position);
        }
        match (word, text(data)) {
            (Some(word), _) => buffer.extend_from_slice(word.as_bytes()),
            (None, Some(text)) => buffer.extend_from_slice(text.as_bytes()),
            (None, None) => hexadecimal(buffer, data, *bytes),
        }
        buffer.push(b'\n');
    }

    /// Writes what was collected.
    pub fn flush(&mut self) -> Result<(), Failure> {
        let written = self.output.write(&self.buffer);
        self.buffer.clear();
        written.map_err(|stop| match stop {
            Stop::Output(e) => stdout_failed(e),
            Stop::Signal(signal) => Failure::new(Kind::Signal(signal), ""),
            other => other.failure("producer", 0),
        })
    }
}

/// What can be shown as one line as it is: printable text, a newline at its end aside.
fn text(data: &[u8]) -> Option<&str> {
    let line = data.strip_suffix(b"\n").unwrap_or(data);
    let text = std::str::from_utf8(line).ok()?;
    let printable = |c: char| !c.is_control() || c == '\t';
    text.chars().all(printable).then_some(text)
}

/// "de ad be ef ... (1,024 bytes)".
fn hexadecimal(out: &mut Vec<u8>, data: &[u8], most: usize) {
    for byte in data.iter().take(most) {
        // Writing to a Vec cannot fail.
        let _ = write!(out, "{byte:02x} ");
    }
    if data.len() > most {
        out.extend_from_slice(b"... ");
    }
    let _ = write!(out, "({} bytes)", words::grouped(data.len() as u64));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printable_text_is_text_and_all_else_is_not() {
        assert_eq!(text(b"a line\n"), Some("a line"));
        assert_eq!(text("caf\u{e9}\tau lait".as_bytes()), Some("café\tau lait"));
        assert_eq!(text(b""), Some(""));
        for odd in [&b"two\nlines"[..], b"\x1b[2J", b"nul\0", b"\xff\xfe"] {
            assert_eq!(text(odd), None);
        }
    }

    #[test]
    fn a_dump_says_how_much_there_is_and_shows_what_was_asked_for() {
        let dump = |data: &[u8], most| {
            let mut out = Vec::new();
            hexadecimal(&mut out, data, most);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(dump(&[0xde, 0xad], 2), "de ad (2 bytes)");
        assert_eq!(dump(&[7; 1024], 1), "07 ... (1,024 bytes)");
    }
}
