//! The command line.
//!
//! Small enough not to need a parser crate. An unknown word is an error, never ignored.

use crate::engines::{PAYLOADS, Work};
use crate::scenario::records::lengths::{CLASSES, Lengths, SHORT};
use crate::scenario::records::work::Records;

/// How the program is called.
pub const USAGE: &str = "\
usage: annulus-peers [--quick] [--json] [--only NAME,...] [--element slots|records] [--payload 8,56,1024]
                     [--lengths CLASS,...] [--producers 1,4] [--rounds N] [--list]
  --quick      3 short rounds: checks results, not speed; of slots and records, if --element does not choose
  --json       one JSON object on stdout, the table on stderr
  --only       measure these engines only
  --element    slots of one size (the default) or records of varying length
  --payload    sizes of slots in bytes, out of 8, 56, 1024
  --lengths    lengths of records in bytes, out of 24-200, 40-48, 48, 1000-1500, 65536
               (default: all for one producer, 24-200 for several)
  --producers  producers of records, each number its own table (default 1; with --quick 1,4)
  --rounds     rounds, at least 1 (default 9; fewer than 9 are no record)
  --list       names the engines this program was built with";

/// Most producers that can be asked for.
const MOST_PRODUCERS: u32 = 16;

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Element {
    Slots,
    Records,
}

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Args {
    /// Short rounds.
    pub quick: bool,
    /// JSON on stdout.
    pub json: bool,
    /// Names of the engines, or all.
    pub only: Option<Vec<String>>,
    /// Rounds.
    pub rounds: u32,
    /// Name the engines and end.
    pub list: bool,
    element: Option<Element>,
    payloads: Vec<usize>,
    lengths: Option<Vec<Lengths>>,
    producers: Option<Vec<u32>>,
}

impl Args {
    /// Reads the words after the program name. The error says which word is wrong.
    pub fn parse(words: impl Iterator<Item = String>) -> Result<Args, String> {
        let mut args = Args {
            quick: false,
            json: false,
            only: None,
            rounds: 0,
            list: false,
            element: None,
            payloads: PAYLOADS.to_vec(),
            lengths: None,
            producers: None,
        };
        let mut words = words.peekable();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("{word} needs a value"));
            match word.as_str() {
                "--quick" => args.quick = true,
                "--json" => args.json = true,
                "--list" => args.list = true,
                // Cargo's bench runner adds it.
                "--bench" => {}
                "--only" => args.only = Some(value()?.split(',').map(String::from).collect()),
                "--element" => args.element = Some(element(&value()?)?),
                "--payload" => args.payloads = each(&value()?, payload)?,
                "--lengths" => args.lengths = Some(each(&value()?, lengths)?),
                "--producers" => args.producers = Some(each(&value()?, producers)?),
                "--rounds" => args.rounds = rounds(&value()?)?,
                _ => return Err(format!("{word} is not known")),
            }
        }
        if args.rounds == 0 {
            args.rounds = if args.quick { 3 } else { 9 };
        }
        Ok(args)
    }

    /// What is to be measured.
    pub fn workloads(&self) -> Vec<Work> {
        let everything = self.quick || self.list;
        let (slots, records) = match self.element {
            Some(element) => (element == Element::Slots, element == Element::Records),
            None => (true, everything),
        };
        let mut work = Vec::new();
        if slots {
            work.extend(self.payloads.iter().copied().map(Work::Slots));
        }
        if records {
            let producers = match &self.producers {
                Some(producers) => producers,
                None if everything => &vec![1, 4],
                None => &vec![1],
            };
            for &producers in producers {
                work.extend(
                    self.lengths_for(producers)
                        .into_iter()
                        .map(|lengths| Work::Records(Records { lengths, producers })),
                );
            }
        }
        work
    }

    fn lengths_for(&self, producers: u32) -> Vec<Lengths> {
        match &self.lengths {
            Some(lengths) => lengths.clone(),
            None if producers == 1 => CLASSES.to_vec(),
            None => vec![SHORT],
        }
    }
}

/// Reads a list whose items stand between commas.
fn each<T>(list: &str, item: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, String> {
    list.split(',').map(item).collect()
}

fn element(word: &str) -> Result<Element, String> {
    match word {
        "slots" => Ok(Element::Slots),
        "records" => Ok(Element::Records),
        _ => Err(format!("--element {word} is none of slots, records")),
    }
}

fn payload(word: &str) -> Result<usize, String> {
    match word.parse() {
        Ok(bytes) if PAYLOADS.contains(&bytes) => Ok(bytes),
        _ => Err(format!("--payload {word} is none of 8, 56, 1024")),
    }
}

fn lengths(word: &str) -> Result<Lengths, String> {
    Lengths::named(word).ok_or_else(|| {
        let known: Vec<_> = CLASSES.iter().map(|class| class.name()).collect();
        format!("--lengths {word} is none of {}", known.join(", "))
    })
}

fn producers(word: &str) -> Result<u32, String> {
    match word.parse() {
        Ok(producers) if (1..=MOST_PRODUCERS).contains(&producers) => Ok(producers),
        _ => Err(format!(
            "--producers {word} is no number from 1 to {MOST_PRODUCERS}"
        )),
    }
}

fn rounds(word: &str) -> Result<u32, String> {
    match word.parse() {
        Ok(rounds) if rounds > 0 => Ok(rounds),
        _ => Err(format!("--rounds {word} is not a number above 0")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Args, String> {
        Args::parse(line.split_whitespace().map(String::from))
    }

    fn short(producers: u32) -> Work {
        Work::Records(Records {
            lengths: SHORT,
            producers,
        })
    }

    #[test]
    fn a_full_command_line_is_understood() {
        let args = parse("--quick --json --only rtrb,pipe --payload 8,1024 --rounds 5").unwrap();
        assert!(args.quick && args.json && !args.list);
        assert_eq!(args.only.unwrap(), ["rtrb", "pipe"]);
        assert_eq!(args.payloads, [8, 1024]);
        assert_eq!(args.rounds, 5);
        assert_eq!(parse("").unwrap().rounds, 9);
        assert_eq!(parse("--quick").unwrap().rounds, 3);
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        assert!(parse("--fast").unwrap_err().contains("--fast"));
        assert!(parse("--payload 9").unwrap_err().contains('9'));
        assert!(parse("--rounds 0").is_err());
        assert!(parse("--only").is_err());
        assert!(parse("--element cells").unwrap_err().contains("cells"));
        assert!(parse("--lengths 24").unwrap_err().contains("24-200"));
        assert!(parse("--producers 0").is_err());
        assert!(parse("--producers 17").is_err());
    }

    #[test]
    fn without_a_word_about_elements_slots_are_measured_and_a_quick_check_looks_at_both() {
        let slots = PAYLOADS.map(Work::Slots);
        assert_eq!(parse("").unwrap().workloads(), slots);
        let quick = parse("--quick").unwrap().workloads();
        assert_eq!(quick[..slots.len()], slots);
        assert_eq!(quick.len(), slots.len() + CLASSES.len() + 1);
        assert_eq!(quick.last(), Some(&short(4)));
    }

    #[test]
    fn several_producers_send_the_short_class_unless_told_otherwise() {
        let records = parse("--element records").unwrap().workloads();
        assert_eq!(records.len(), CLASSES.len());
        assert_eq!(records[0], short(1));
        let many = parse("--element records --producers 4").unwrap();
        assert_eq!(many.workloads(), [short(4)]);
        let both = parse("--element records --lengths 24-200,48 --producers 1,2").unwrap();
        assert_eq!(both.workloads().len(), 4);
        assert_eq!(both.workloads()[2], short(2));
    }
}
