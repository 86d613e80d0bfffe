//! A measured target.

use std::fmt;

use crate::history::History;
use crate::median::median;
use crate::rounds::Rounds;
use crate::table::number;

pub const HEAD: [&str; 7] =
    ["measure", "ours", "reference", "ratio", "target", "result", "client CPU, µs a pair"];

/// What one candidate measured, a figure of each round.
#[derive(Clone, Debug, Default)]
pub struct Side {
    pub figures: Vec<f64>,
    /// Microseconds of CPU time of the client for a pair, where they are known.
    pub cpu: Vec<f64>,
}

/// The condition for the figure, or for its ratio to the reference.
#[derive(Clone, Copy, Debug)]
pub enum Bound {
    AtMost(f64),
    AtLeast(f64),
    Below(f64),
    Above(f64),
    /// It is measured for comparison.
    None,
}

#[derive(Debug)]
pub struct Target {
    /// What is measured, and in which unit.
    pub measure: String,
    pub ours: Side,
    /// What it is compared with, if it is.
    pub reference: Option<(String, Side)>,
    pub bound: Bound,
    /// The most CPU time, as a ratio to that of the reference.
    pub cpu_bound: Option<f64>,
}

impl Side {
    pub fn new(rounds: &Rounds, figure: impl Fn(&History) -> f64) -> Self {
        Self { figures: rounds.each(figure), cpu: rounds.each(History::cpu_micros_each) }
    }

    pub fn median(&self) -> f64 {
        median(self.figures.clone())
    }
}

impl From<Vec<f64>> for Side {
    fn from(figures: Vec<f64>) -> Self {
        Self { figures, cpu: Vec::new() }
    }
}

impl Bound {
    fn holds(self, value: f64) -> bool {
        match self {
            Self::AtMost(bound) => value <= bound,
            Self::AtLeast(bound) => value >= bound,
            Self::Below(bound) => value < bound,
            Self::Above(bound) => value > bound,
            Self::None => true,
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, bound) = match self {
            Self::AtMost(bound) => ("≤", bound),
            Self::AtLeast(bound) => ("≥", bound),
            Self::Below(bound) => ("<", bound),
            Self::Above(bound) => (">", bound),
            Self::None => return f.write_str("none"),
        };
        write!(f, "{sign} {bound}")
    }
}

impl Target {
    /// Without a bound of the CPU time.
    pub fn beside(
        measure: impl Into<String>,
        ours: &Side,
        reference: (&str, &Side),
        bound: Bound,
    ) -> Self {
        let reference = Some((reference.0.to_owned(), reference.1.clone()));
        Self { measure: measure.into(), ours: ours.clone(), reference, bound, cpu_bound: None }
    }

    /// With nothing to compare with.
    pub fn alone(measure: impl Into<String>, figures: Vec<f64>, bound: Bound) -> Self {
        let (measure, ours) = (measure.into(), figures.into());
        Self { measure, ours, reference: None, bound, cpu_bound: None }
    }

    /// Whether it can be missed.
    pub fn is_bound(&self) -> bool {
        !matches!(self.bound, Bound::None)
    }

    pub fn is_met(&self) -> bool {
        self.time_is_met() && self.cpu_is_met()
    }

    /// In the order of [`HEAD`].
    pub fn cells(&self) -> Vec<String> {
        let reference = match &self.reference {
            Some((name, side)) => format!("{name} {}", number(side.median())),
            None => "-".to_owned(),
        };
        let result = match (self.time_is_met(), self.cpu_is_met()) {
            _ if !self.is_bound() => "-",
            (true, true) => "met",
            (false, true) => "not met",
            (true, false) => "not met: CPU",
            (false, false) => "not met: both",
        };
        let (ratios, cpu_bound) = (self.ratios(), self.cpu_bound);
        let cpu_bound = cpu_bound.map(|bound| format!(", CPU {}", Bound::AtMost(bound)));
        vec![
            self.measure.clone(),
            number(self.ours.median()),
            reference,
            ratios.map_or_else(|| "-".to_owned(), with_spread),
            self.bound.to_string() + &cpu_bound.unwrap_or_default(),
            result.to_owned(),
            self.cpu().unwrap_or_else(|| "-".to_owned()),
        ]
    }

    fn time_is_met(&self) -> bool {
        let ratio = self.ratios().map(median);
        self.bound.holds(ratio.unwrap_or_else(|| self.ours.median()))
    }

    fn cpu_is_met(&self) -> bool {
        let Some(bound) = self.cpu_bound else { return true };
        self.cpu_ratios().is_some_and(|ratios| Bound::AtMost(bound).holds(median(ratios)))
    }

    fn ratios(&self) -> Option<Vec<f64>> {
        let (_, side) = self.reference.as_ref()?;
        Some(ratios(&self.ours.figures, &side.figures))
    }

    fn cpu_ratios(&self) -> Option<Vec<f64>> {
        let (_, side) = self.reference.as_ref()?;
        (!side.cpu.is_empty()).then(|| ratios(&self.ours.cpu, &side.cpu))
    }

    fn cpu(&self) -> Option<String> {
        let (_, side) = self.reference.as_ref()?;
        let ratio = median(self.cpu_ratios()?);
        let [ours, theirs] = [&self.ours.cpu, &side.cpu].map(|cpu| number(median(cpu.clone())));
        Some(format!("{ours} / {theirs} = {ratio:.2}"))
    }
}

/// Round by round, because both sides of a round saw the machine in one state. A round in which
/// the reference got nothing done has no ratio.
fn ratios(ours: &[f64], reference: &[f64]) -> Vec<f64> {
    let ratios = ours.iter().zip(reference).map(|(ours, reference)| ours / reference);
    ratios.filter(|ratio| ratio.is_finite()).collect()
}

fn with_spread(ratios: Vec<f64>) -> String {
    let least = ratios.iter().copied().fold(f64::INFINITY, f64::min);
    let most = ratios.iter().copied().fold(0.0, f64::max);
    format!("{:.2} ({least:.2} to {most:.2})", median(ratios))
}

#[cfg(test)]
mod tests;
