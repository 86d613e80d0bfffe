//! Percentiles of a span that was measured many times.

use hdrhistogram::Histogram;

/// Three digits are more than a machine repeats.
const DIGITS: u8 = 3;

#[derive(Debug)]
pub struct Latency(Histogram<u64>);

impl Latency {
    pub fn samples(&self) -> u64 {
        self.0.len()
    }

    pub fn add(&mut self, other: &Self) {
        self.0.add(&other.0).expect("it grows with its values");
    }

    /// In microseconds.
    pub fn median(&self) -> f64 {
        self.micros(0.5)
    }

    /// In microseconds.
    pub fn p99(&self) -> f64 {
        self.micros(0.99)
    }

    #[expect(clippy::cast_precision_loss, reason = "spans of seconds are far below 2^52 ns")]
    fn micros(&self, quantile: f64) -> f64 {
        self.0.value_at_quantile(quantile) as f64 / 1e3
    }
}

/// From nanoseconds.
impl FromIterator<u64> for Latency {
    fn from_iter<I: IntoIterator<Item = u64>>(spans: I) -> Self {
        let mut histogram = Histogram::new(DIGITS).expect("the digits are within 0 and 5");
        for span in spans {
            histogram.record(span).expect("it grows with its values");
        }
        Self(histogram)
    }
}

#[cfg(test)]
mod tests;
