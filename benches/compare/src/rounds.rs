//! Several measurements of the same load, taken in turns with others so that all see the same
//! weather.

use crate::bench::{Bench, Load};
use crate::history::{History, count};
use crate::latency::Latency;

const ROUNDS: u32 = 3;

#[derive(Debug, Default)]
pub struct Rounds(Vec<History>);

impl Rounds {
    /// Measures all loads, round by round. One that fails is left out from then on.
    pub fn measure(bench: &Bench, loads: &[Load<'_>]) -> Vec<anyhow::Result<Self>> {
        let mut all: Vec<_> = loads.iter().map(|_| Ok(Self::default())).collect();
        for round in 1..=ROUNDS {
            for (load, rounds) in loads.iter().zip(&mut all) {
                let (candidate, by) = (load.candidate, load.candidate.workers());
                bench.at(format_args!("own keys, round {round}: {candidate}, {by}"));
                let Ok(Self(histories)) = rounds else { continue };
                match bench.run_for(load, bench.options.time() / ROUNDS) {
                    Ok(history) => histories.push(history),
                    Err(error) => *rounds = Err(error),
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

    pub fn errors(&self) -> u64 {
        self.0.iter().map(|history| history.errors).sum()
    }
}
