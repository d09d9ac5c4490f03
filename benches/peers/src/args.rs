//! The command line.
//!
//! Small enough not to need a parser crate. An unknown word is an error, never ignored.

use crate::engines::attached::Readers;
use crate::engines::{PAYLOADS, Work};
use crate::scenario::many::work::{MOST_BATCH, MOST_PARTIES, Many, Sharing};
use crate::scenario::records::lengths::{CLASSES, Lengths, SHORT};
use crate::scenario::records::work::Records;

/// How the program is called.
pub const USAGE: &str = "\
usage: annulus-peers [--quick] [--json] [--only NAME,...] [--rounds N] [--list] [--kind spsc|mpmc|broadcast|attached]
                     [--element slots|records] [--payload 8,56,1024] [--lengths CLASS,...] [--producers 1,4]
                     [--parties 1x1,2x1,2x2,4x4] [--readers 1,3,8] [--batch 1,16]
  --quick      3 short rounds: checks results, not speed; of everything, if neither --kind nor --element chooses
  --json       one JSON object on stdout, the table on stderr
  --only       measure these engines only
  --kind       spsc (the default; with --producers also mpsc), mpmc: slots of 56 bytes to competing consumers, broadcast: slots of
               56 bytes to readers that all get every message, attached: what readers cost that do not read
  --element    of spsc: slots of one size (the default) or records of varying length
  --payload    sizes of slots in bytes, out of 8, 56, 1024
  --lengths    lengths of records in bytes, out of 24-200, 40-48, 48, 1000-1500, 65536
               (default: all for one producer, 24-200 for several)
  --producers  producers of records, each number its own table (default 1; with --quick 1,4)
  --parties    of mpmc: producers x consumers, each 1 to 8
  --readers    of broadcast: readers, 1 to 8
  --batch      of mpmc and broadcast: messages per call, 1 to 16
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

/// Who exchanges messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Spsc,
    Mpmc,
    Broadcast,
    Attached,
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
    kind: Option<Kind>,
    element: Option<Element>,
    payloads: Vec<usize>,
    lengths: Option<Vec<Lengths>>,
    producers: Option<Vec<u32>>,
    parties: Option<Vec<(u32, u32)>>,
    readers: Option<Vec<u32>>,
    batches: Option<Vec<u32>>,
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
            kind: None,
            element: None,
            payloads: PAYLOADS.to_vec(),
            lengths: None,
            producers: None,
            parties: None,
            readers: None,
            batches: None,
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
                "--kind" => args.kind = Some(kind(&value()?)?),
                "--parties" => args.parties = Some(each(&value()?, parties)?),
                "--readers" => args.readers = Some(each(&value()?, reader)?),
                "--batch" => args.batches = Some(each(&value()?, batch)?),
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
        args.refuse_contradictions()?;
        Ok(args)
    }

    /// A choice within a kind that is not to be measured would be ignored.
    fn refuse_contradictions(&self) -> Result<(), String> {
        let of = |kinds: &[Kind], word: &str, is_there: bool| match self.kind {
            Some(kind) if is_there && !kinds.contains(&kind) => {
                Err(format!("{word} says nothing about this --kind"))
            }
            _ => Ok(()),
        };
        of(&[Kind::Spsc], "--element", self.element.is_some())?;
        of(&[Kind::Spsc], "--lengths", self.lengths.is_some())?;
        of(&[Kind::Spsc], "--producers", self.producers.is_some())?;
        of(&[Kind::Mpmc], "--parties", self.parties.is_some())?;
        of(&[Kind::Broadcast], "--readers", self.readers.is_some())?;
        let batched = [Kind::Mpmc, Kind::Broadcast];
        of(&batched, "--batch", self.batches.is_some())
    }

    /// What is to be measured, on so many cores.
    pub fn workloads(&self, cores: u32) -> Vec<Work> {
        let everything = (self.quick || self.list) && self.element.is_none();
        let wanted = |kind| match self.kind {
            Some(chosen) => chosen == kind,
            None => everything || kind == Kind::Spsc,
        };
        let mut work = Vec::new();
        if wanted(Kind::Spsc) {
            work.extend(self.of_two_ends());
        }
        if wanted(Kind::Mpmc) {
            work.extend(self.competing(cores).map(Work::Many));
        }
        if wanted(Kind::Broadcast) {
            work.extend(self.broadcasts(cores).map(Work::Many));
        }
        if wanted(Kind::Attached) {
            work.extend(Readers::ALL.map(Work::Attached));
        }
        work
    }

    fn competing(&self, cores: u32) -> impl Iterator<Item = Many> {
        let default = match self.quick {
            true => &[(2, 1), (1, 2), (4, 4)][..],
            false => &[(1, 1), (2, 1), (2, 2), (4, 4)],
        };
        let parties = self.parties.as_deref().unwrap_or(default);
        let batches = self.batches.as_deref().unwrap_or(&[1, 16]);
        parties.iter().flat_map(move |&(producers, consumers)| {
            batches.iter().map(move |&batch| Many {
                sharing: Sharing::Competing,
                producers,
                consumers,
                batch,
                cores,
            })
        })
    }

    fn broadcasts(&self, cores: u32) -> impl Iterator<Item = Many> {
        let default = match self.quick {
            true => &[1, 3][..],
            false => &[1, 3, 8],
        };
        let readers = self.readers.as_deref().unwrap_or(default);
        let batches = self.batches.as_deref().unwrap_or(&[1, 16]);
        readers.iter().flat_map(move |&consumers| {
            batches.iter().map(move |&batch| Many {
                sharing: Sharing::Broadcast,
                producers: 1,
                consumers,
                batch,
                cores,
            })
        })
    }

    /// Slots and records from one producer, and records from several.
    fn of_two_ends(&self) -> Vec<Work> {
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

fn kind(word: &str) -> Result<Kind, String> {
    match word {
        "spsc" => Ok(Kind::Spsc),
        "mpmc" => Ok(Kind::Mpmc),
        "broadcast" => Ok(Kind::Broadcast),
        "attached" => Ok(Kind::Attached),
        _ => Err(format!(
            "--kind {word} is none of spsc, mpmc, broadcast, attached"
        )),
    }
}

fn parties(word: &str) -> Result<(u32, u32), String> {
    let party = |word: &str| word.parse().ok().filter(|n| (1..=MOST_PARTIES).contains(n));
    word.split_once('x')
        .and_then(|(producers, consumers)| Some((party(producers)?, party(consumers)?)))
        .ok_or_else(|| format!("--parties {word} is not two numbers from 1 to {MOST_PARTIES} with an x between them"))
}

fn reader(word: &str) -> Result<u32, String> {
    number("--readers", word, MOST_PARTIES)
}

fn batch(word: &str) -> Result<u32, String> {
    number("--batch", word, MOST_BATCH)
}

fn number(option: &str, word: &str, most: u32) -> Result<u32, String> {
    match word.parse() {
        Ok(number) if (1..=most).contains(&number) => Ok(number),
        _ => Err(format!("{option} {word} is no number from 1 to {most}")),
    }
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
    number("--producers", word, MOST_PRODUCERS)
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
    fn shapes_and_batches_of_shared_rings_are_understood() {
        let args = parse("--kind mpmc --parties 2x1,8x8 --batch 1,16").unwrap();
        let work = args.workloads(4);
        assert_eq!(work.len(), 4);
        let last = Many {
            sharing: Sharing::Competing,
            producers: 8,
            consumers: 8,
            batch: 16,
            cores: 4,
        };
        assert_eq!(work[3], Work::Many(last));
        let broadcast = parse("--kind broadcast --readers 3 --batch 1").unwrap();
        assert!(matches!(broadcast.workloads(2)[..], [Work::Many(of)] if of.consumers == 3));
        let attached = parse("--kind attached").unwrap().workloads(2);
        assert_eq!(attached, Readers::ALL.map(Work::Attached));
    }

    #[test]
    fn a_choice_that_the_kind_would_ignore_is_refused() {
        assert!(parse("--kind mpmc --element records").is_err());
        assert!(parse("--kind broadcast --parties 2x2").is_err());
        assert!(parse("--kind spsc --batch 16").is_err());
        assert!(parse("--kind mpmc --parties 9x1").is_err());
        assert!(parse("--kind mpmc --batch 17").is_err());
        assert!(parse("--kind ring").unwrap_err().contains("ring"));
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
    fn without_a_word_about_elements_slots_are_measured_and_a_quick_check_looks_at_everything() {
        let slots = PAYLOADS.map(Work::Slots);
        assert_eq!(parse("").unwrap().workloads(2), slots);
        let quick = parse("--quick").unwrap().workloads(2);
        assert_eq!(quick[..slots.len()], slots);
        let of_two_ends = slots.len() + CLASSES.len() + 1;
        assert_eq!(quick[of_two_ends - 1], short(4));
        assert!(
            quick[of_two_ends..]
                .iter()
                .any(|work| matches!(work, Work::Many(_)))
        );
    }

    #[test]
    fn several_producers_send_the_short_class_unless_told_otherwise() {
        let records = parse("--element records").unwrap().workloads(2);
        assert_eq!(records.len(), CLASSES.len());
        assert_eq!(records[0], short(1));
        let many = parse("--element records --producers 4").unwrap();
        assert_eq!(many.workloads(2), [short(4)]);
        let both = parse("--element records --lengths 24-200,48 --producers 1,2").unwrap();
        assert_eq!(both.workloads(2).len(), 4);
        assert_eq!(both.workloads(2)[2], short(2));
    }
}
