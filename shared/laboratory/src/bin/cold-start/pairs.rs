//! Two things measured by turns, and what can be said of their ratio.

use std::time::Duration;

/// Pairs of measurements, each of the first thing and the second.
#[derive(Debug, Default)]
pub(crate) struct Pairs {
    pairs: Vec<(Duration, Duration)>,
}

impl Pairs {
    pub(crate) fn push(&mut self, first: Duration, second: Duration) {
        self.pairs.push((first, second));
    }

    pub(crate) fn count(&self) -> usize {
        self.pairs.len()
    }

    pub(crate) fn median_first(&self) -> Duration {
        median(self.pairs.iter().map(|(first, _)| first.as_secs_f64())).map_or(Duration::ZERO, seconds)
    }

    pub(crate) fn median_second(&self) -> Duration {
        median(self.pairs.iter().map(|(_, second)| second.as_secs_f64())).map_or(Duration::ZERO, seconds)
    }

    /// The median of the pairs' ratios: noise that falls on both of a pair cancels out.
    pub(crate) fn median_ratio(&self) -> f64 {
        median(self.ratios().into_iter()).unwrap_or(f64::NAN)
    }

    /// Returns the 95 % confidence interval of the median ratio: two of the ordered ratios, whatever their
    /// distribution. How many lie below the median is binomial with one half.
    pub(crate) fn interval(&self) -> (f64, f64) {
        let ratios = self.ratios();
        let outside = ranks_outside(ratios.len());
        match (ratios.get(outside), ratios.len().checked_sub(outside + 1).and_then(|at| ratios.get(at))) {
            (Some(&least), Some(&most)) => (least, most),
            _ => (f64::NAN, f64::NAN),
        }
    }

    /// In order.
    fn ratios(&self) -> Vec<f64> {
        let ratio = |(first, second): &(Duration, Duration)| first.as_secs_f64() / second.as_secs_f64();
        let mut ratios: Vec<f64> = self.pairs.iter().map(ratio).collect();
        ratios.sort_by(f64::total_cmp);
        ratios
    }
}

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    let lower = *values.get((values.len() - 1) / 2)?;
    Some(f64::midpoint(lower, upper))
}

/// Returns how many of `count` ordered values may be left out on either side, so that at most one in forty times the
/// median is among those of that side.
fn ranks_outside(count: usize) -> usize {
    let mut probability = 0.5_f64.powi(i32::try_from(count).unwrap_or(i32::MAX));
    let (mut cumulated, mut outside) = (probability, 0_usize);
    let (mut done, mut left) = (1.0, u32::try_from(count).map_or(f64::INFINITY, f64::from));
    while cumulated <= 0.025 {
        probability *= left / done;
        cumulated += probability;
        outside += 1;
        (done, left) = (done + 1.0, left - 1.0);
    }
    // The last one is too many.
    outside.saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(ratios: impl IntoIterator<Item = u64>) -> Pairs {
        let pair = |ratio: u64| (Duration::from_millis(ratio), Duration::from_millis(1));
        Pairs { pairs: ratios.into_iter().map(pair).collect() }
    }

    #[test]
    fn the_median_of_an_even_number_lies_between_the_middle_ones() {
        assert!((pairs([4, 1, 3, 2]).median_ratio() - 2.5).abs() < 1e-9);
        assert!((pairs([9, 1, 3]).median_ratio() - 3.0).abs() < 1e-9);
    }

    /// The table of the sign test: with 40 values the interval goes from the 14th to the 27th.
    #[test]
    fn the_interval_is_that_of_the_sign_test() {
        for (count, expected) in [(40, (14.0, 27.0)), (6, (1.0, 6.0))] {
            let (least, most) = pairs(1..=count).interval();
            assert_eq!((least.round(), most.round()), expected);
        }
    }
}
