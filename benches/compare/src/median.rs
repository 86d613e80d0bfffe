//! The middle of a few rounds.

/// The middle value; the upper one of two. There is at least one.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
