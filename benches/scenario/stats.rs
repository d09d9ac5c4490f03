//! Median and quartiles, and the two placement classes.
//!
//! Never best-of: a figure is the median of its slices, with the quartiles beside it.

use serde::{Deserialize, Serialize};

/// Median and quartiles of several slices or rounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// Lower quartile.
    pub q1: f64,
    /// Median.
    pub median: f64,
    /// Upper quartile.
    pub q3: f64,
}

impl Summary {
    /// Summarises; `None` without values. Quantiles between two values are interpolated linearly.
    pub fn of(values: &[f64]) -> Option<Summary> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        if sorted.is_empty() {
            return None;
        }
        Some(Summary {
            q1: quantile(&sorted, 0.25),
            median: quantile(&sorted, 0.5),
            q3: quantile(&sorted, 0.75),
        })
    }
}

fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let below = sorted[place.floor() as usize];
    let above = sorted[place.ceil() as usize];
    below + (above - below) * place.fract()
}

/// Where the two cores were, judged by the floor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// Floor round trip below 200 ns.
    Near,
    /// Floor round trip of 200 ns or more.
    Far,
}

/// Floor round trips below this many nanoseconds are near.
pub const NEAR_BELOW_NS: f64 = 200.0;

impl Class {
    /// The class of a floor round trip in nanoseconds.
    pub fn of(floor_rtt_ns: f64) -> Class {
        if floor_rtt_ns < NEAR_BELOW_NS {
            Class::Near
        } else {
            Class::Far
        }
    }
}

impl std::fmt::Display for Class {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Class::Near => "near",
            Class::Far => "far",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_of_an_odd_and_an_even_number_of_values() {
        let odd = Summary::of(&[5.0, 1.0, 3.0, 2.0, 4.0]).unwrap();
        assert_eq!((odd.q1, odd.median, odd.q3), (2.0, 3.0, 4.0));
        let even = Summary::of(&[1.0, 2.0]).unwrap();
        assert_eq!((even.q1, even.median, even.q3), (1.25, 1.5, 1.75));
        assert_eq!(Summary::of(&[]), None);
    }

    #[test]
    fn two_hundred_nanoseconds_is_far() {
        assert_eq!(Class::of(199.9), Class::Near);
        assert_eq!(Class::of(200.0), Class::Far);
    }
}
