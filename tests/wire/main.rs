//! The wire format as `docs/WIRE.md` describes it, held against the library from four sides: the tables of the
//! page against files the library makes, committed images that must open and drain for ever, images made
//! today that must equal the committed ones, and peers written from the page alone that talk to the library
//! in both directions.
//!
//! `ANNULUS_WRITE_GOLDEN=1 cargo test --test wire` writes the images anew. That is a new wire version.

mod broadcast_exchange;
mod exchange;
mod golden;
mod many_exchange;
mod many_golden;
mod many_tables;
mod page_end;
mod page_map;
mod page_reader;
mod page_records;
mod page_slots;
mod page_taker;
mod record_exchange;
mod record_golden;
mod record_tables;
mod scratch;
mod tables;
