//! What passes through the demo's rings: market data and orders, made so that whoever reads them can check every byte.

/// The shortest record of market data, in bytes.
const SHORTEST: u64 = 20;
/// The longest.
const LONGEST: u64 = 300;
/// Bytes before a record's filling: when it was published, its number.
const HEAD: usize = 16;
/// Bytes of an order.
pub const ORDER: usize = 24;

fn mixed(number: u64) -> u64 {
    let mixed = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed ^ mixed >> 29
}

fn length(number: u64) -> usize {
    (SHORTEST + mixed(number) % (LONGEST - SHORTEST + 1)) as usize
}

/// Makes record `number`, published at `now_ns`, in `out`.
pub fn record(number: u64, now_ns: u64, out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(&now_ns.to_le_bytes());
    out.extend_from_slice(&number.to_le_bytes());
    let filling = mixed(number).to_le_bytes();
    let len = length(number) - HEAD;
    out.extend(filling.into_iter().cycle().take(len));
}

/// When the record was published, and its number. `None`: no such record was ever made.
pub fn check(record: &[u8]) -> Option<(u64, u64)> {
    let (published, rest) = record.split_first_chunk::<8>()?;
    let (number, filling) = rest.split_first_chunk::<8>()?;
    let number = u64::from_le_bytes(*number);
    let expected = mixed(number).to_le_bytes();
    let right = record.len() == length(number)
        && filling
            .iter()
            .eq(expected.iter().cycle().take(filling.len()));
    right.then_some((u64::from_le_bytes(*published), number))
}

/// An order of one strategy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// When it was sent.
    pub sent_ns: u64,
    /// The strategy's process.
    pub strategy: u64,
    /// Which of its orders it is.
    pub number: u64,
}

impl Order {
    /// As a record.
    pub fn to_bytes(self) -> [u8; ORDER] {
        let mut out = [0; ORDER];
        let words = [self.sent_ns, self.strategy, self.number];
        for (at, word) in out.chunks_exact_mut(8).zip(words) {
            at.copy_from_slice(&word.to_le_bytes());
        }
        out
    }

    /// From a record.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let bytes: [u8; ORDER] = bytes.try_into().ok()?;
        let word = |i: usize| {
            let at = bytes[8 * i..8 * i + 8].try_into();
            at.map_or(0, u64::from_le_bytes)
        };
        Some(Self {
            sent_ns: word(0),
            strategy: word(1),
            number: word(2),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_all_lengths_are_checked_byte_by_byte() {
        let mut seen = std::collections::BTreeSet::new();
        let mut made = Vec::new();
        for number in 0..5_000 {
            record(number, 77, &mut made);
            seen.insert(made.len());
            assert_eq!(check(&made), Some((77, number)));
            let last = made.len() - 1;
            made[last] ^= 1;
            assert_eq!(check(&made), None);
            assert_eq!(check(&made[..last]), None);
        }
        assert_eq!(seen.len(), 281);
        assert_eq!((seen.first(), seen.last()), (Some(&20), Some(&300)));
    }

    #[test]
    fn an_order_is_read_back() {
        let order = Order {
            sent_ns: 1,
            strategy: u64::MAX,
            number: 3,
        };
        assert_eq!(Order::parse(&order.to_bytes()), Some(order));
        assert_eq!(Order::parse(&[0; 23]), None);
    }
}
