//! Medians, and how far to trust them.

/// A median and an interval that holds the true one with at least 95 % probability, whatever the
/// distribution: its ends are order statistics, chosen by the binomial distribution.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Median {
    pub(crate) value: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Median {
    pub(crate) fn of(mut values: Vec<f64>) -> Self {
        assert!(!values.is_empty(), "something was measured");
        values.sort_by(f64::total_cmp);
        let count = values.len();
        let value = f64::midpoint(values[(count - 1) / 2], values[count / 2]);
        let outside = values_outside(count);
        Self { value, low: values[outside], high: values[count - 1 - outside] }
    }
}

/// Returns how many of the smallest, and of the largest, may be left out of the interval.
fn values_outside(count: usize) -> usize {
    let mut outside = 0;
    let mut probability = 0.5_f64.powi(i32::try_from(count).unwrap_or(i32::MAX));
    let mut term = probability;
    for (place, rest) in (0_u32..).zip((1..=count).rev()) {
        #[expect(clippy::cast_precision_loss, reason = "some dozen values")]
        let next = term * rest as f64 / f64::from(place + 1);
        term = next;
        probability += term;
        if probability > 0.025 {
            break;
        }
        outside += 1;
    }
    outside.min((count - 1) / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_that_of_the_tables() {
        // For ten values the second and the ninth, for twenty the sixth and the fifteenth.
        let ten = Median::of((1..=10).map(f64::from).collect());
        assert_eq!(ten, Median { value: 5.5, low: 2.0, high: 9.0 });
        let twenty = Median::of((1..=20).rev().map(f64::from).collect());
        assert_eq!(twenty, Median { value: 10.5, low: 6.0, high: 15.0 });
        assert_eq!(Median::of(vec![3.0]), Median { value: 3.0, low: 3.0, high: 3.0 });
    }
}
