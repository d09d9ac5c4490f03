//! The command line.
//!
//! Small enough not to need a parser crate. An unknown word is an error, never ignored.

use crate::engines::PAYLOADS;

/// How the program is called.
pub const USAGE: &str = "\
usage: annulus-peers [--quick] [--json] [--only NAME,...] [--payload 8,56,1024] [--rounds N] [--list]
  --quick      3 short rounds: checks results, not speed
  --json       one JSON object on stdout, the table on stderr
  --only       measure these engines only
  --payload    message sizes in bytes, out of 8, 56, 1024
  --rounds     rounds, at least 1 (default 9; fewer than 9 are no record)
  --list       names the engines this program was built with";

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Args {
    /// Short rounds.
    pub quick: bool,
    /// JSON on stdout.
    pub json: bool,
    /// Names of the engines, or all.
    pub only: Option<Vec<String>>,
    /// Payload sizes in bytes.
    pub payloads: Vec<usize>,
    /// Rounds.
    pub rounds: u32,
    /// Name the engines and end.
    pub list: bool,
}

impl Args {
    /// Reads the words after the program name. The error says which word is wrong.
    pub fn parse(words: impl Iterator<Item = String>) -> Result<Args, String> {
        let mut args = Args {
            quick: false,
            json: false,
            only: None,
            payloads: PAYLOADS.to_vec(),
            rounds: 0,
            list: false,
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
                "--payload" => args.payloads = payloads(&value()?)?,
                "--rounds" => args.rounds = rounds(&value()?)?,
                _ => return Err(format!("{word} is not known")),
            }
        }
        if args.rounds == 0 {
            args.rounds = if args.quick { 3 } else { 9 };
        }
        Ok(args)
    }
}

fn payloads(list: &str) -> Result<Vec<usize>, String> {
    list.split(',')
        .map(|word| match word.parse() {
            Ok(bytes) if PAYLOADS.contains(&bytes) => Ok(bytes),
            _ => Err(format!("--payload {word} is none of 8, 56, 1024")),
        })
        .collect()
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
    }
}
