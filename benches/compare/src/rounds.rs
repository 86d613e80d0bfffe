//! Several measurements of the same load, taken in turns with others so that all see the same
//! weather.

use std::time::Duration;

use crate::bench::{Bench, Load};
use crate::history::{History, count};
use crate::latency::Latency;

#[derive(Debug, Default)]
pub struct Rounds(Vec<History>);

impl Rounds {
    /// Measures all loads, round by round. One that fails is left out from then on.
    pub fn measure(
        bench: &Bench,
        loads: &[Load<'_>],
        rounds: u32,
        time: Duration,
    ) -> Vec<anyhow::Result<Self>> {
        let mut all: Vec<_> = loads.iter().map(|_| Ok(Self::default())).collect();
        for round in 1..=rounds {
            for (load, measured) in loads.iter().zip(&mut all) {
                let (candidate, by) = (load.candidate, load.candidate.workers());
                bench.at(format_args!("round {round}: {candidate}, {by}"));
                let Ok(Self(histories)) = measured else { continue };
                match bench.run_for(load, time) {
                    Ok(history) => histories.push(history),
                    Err(error) => *measured = Err(error),
                }
            }
        }
        all
    }

    /// From the request to the return of the release.
    pub fn pair(&self) -> Latency {
        let mut all: Latency = [].into_iter().collect();
        self.0.iter().for_each(|history| all.add(&history.pair()));
        all
    }

    /// All rounds are equally long.
    pub fn per_second(&self) -> f64 {
        self.0.iter().map(History::per_second).sum::<f64>() / count(self.0.len())
    }

    /// Microseconds of CPU time for each acquisition, the mean of the rounds.
    pub fn cpu_micros_each(&self) -> f64 {
        self.0.iter().map(History::cpu_micros_each).sum::<f64>() / count(self.0.len())
    }

    /// A figure of each round.
    pub fn each(&self, figure: impl Fn(&History) -> f64) -> Vec<f64> {
        self.0.iter().map(figure).collect()
    }

    pub fn errors(&self) -> u64 {
        self.0.iter().map(|history| history.errors).sum()
    }
}
