//! Runs the suites on a mutant until one detects it.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};

use crate::cargo::{Cargo, CommandOutput, RunEnd};
use crate::mutant::{Edited, Mutant};
use crate::outcome::{Detection, Outcome, Schedule};
use crate::results::{CachedResult, Key, Results};
use crate::source_copy::SourceCopy;
use crate::suite::{Effort, Suite};

/// The time limit of a build.
const BUILD_LIMIT: Duration = Duration::from_secs(3600);
/// The name of the unmodified sources in results and logs.
const CONTROL: &str = "control";

pub struct Runner {
    pub copy: SourceCopy,
    pub cargo: Cargo,
    pub effort: Effort,
    /// The time limit of a suite.
    pub limit: Duration,
    /// Only these suites run; all if empty.
    pub suites: Vec<Suite>,
    /// The results of earlier runs.
    pub results: Results,
    /// The last commit that changed the library.
    pub commit: String,
}

/// The result of a mutant.
#[derive(Clone, Debug, Default)]
pub struct MutantResult {
    /// The suite that detected it and how; `None` if none did.
    pub detection: Option<(Suite, Detection)>,
    /// The last commit that changed the library that the latest suite ran on.
    pub commit: String,
    /// The suites that ran.
    pub tried: Vec<Suite>,
    /// The suites that have not run yet.
    pub missing: Vec<Suite>,
    /// The duration without the builds.
    pub took: Duration,
}

impl Runner {
    /// The suites that run on this mutant.
    pub fn suites_of(&self, mutant: &Mutant) -> Vec<Suite> {
        let wanted = |suite: &Suite| self.suites.is_empty() || self.suites.contains(suite);
        mutant.suites.iter().copied().filter(wanted).collect()
    }

    /// Checks that a suite finds nothing in the unmodified sources. `report` receives the progress.
    pub fn control(&self, suite: Suite, report: &dyn Fn(&str)) -> Result<()> {
        let cached = self.run_suite(CONTROL, &Edited::new(), suite, report)?;
        cached.detection.map_or(Ok(()), |detection| {
            bail!("{} fails without a mutant: {}", suite.name(), detection.by)
        })
    }

    /// The suites whose latest run on the unmodified sources found nothing, with the number of
    /// schedules.
    pub fn clean_suites(&self) -> Vec<(Suite, Option<u64>)> {
        let passed = |suite| {
            let cached = self.results.latest(CONTROL, suite)?;
            cached.detection.is_none().then_some((suite, cached.schedules))
        };
        Suite::cheapest_first().into_iter().filter_map(passed).collect()
    }

    /// Inserts the mutant and runs its suites, unless one is known to detect it. `report` receives
    /// the progress.
    pub fn test(&self, mutant: &Mutant, report: &dyn Fn(&str)) -> Result<MutantResult> {
        let edited = mutant.apply_to(self.copy.sources())?;
        let known = self.cached_result(mutant)?;
        if known.detection.is_some() {
            return Ok(known);
        }
        let mut result = MutantResult::default();
        for suite in self.suites_of(mutant) {
            if result.detection.is_some() {
                break;
            }
            let cached = self.run_suite(&mutant.name, &edited, suite, report)?;
            result.add(suite, Some(cached));
        }
        Ok(result)
    }

    /// The result of earlier runs.
    pub fn cached_result(&self, mutant: &Mutant) -> Result<MutantResult> {
        let edited = mutant.apply_to(self.copy.sources())?;
        let mut result = MutantResult::default();
        for &suite in &mutant.suites {
            if result.detection.is_some() {
                break;
            }
            result.add(suite, self.known(&mutant.name, &edited, suite));
        }
        Ok(result)
    }

    /// As [`Self::cached_result`], but a mutant that has not survived all suites counts as detected
    /// if it was when the library was another.
    pub fn latest_result(&self, mutant: &Mutant) -> Result<MutantResult> {
        let mut result = self.cached_result(mutant)?;
        if result.detection.is_none() && !result.missing.is_empty() {
            let latest = |&suite| Some((suite, self.results.latest(&mutant.name, suite)?));
            let mut latest = mutant.suites.iter().filter_map(latest);
            if let Some((suite, cached)) = latest.find(|(_, cached)| cached.detection.is_some()) {
                result.add(suite, Some(cached));
            }
        }
        Ok(result)
    }

    /// Checks that the library compiles with the mutant.
    pub fn compile(&self, mutant: &Mutant) -> Result<()> {
        self.copy.update_to(&mutant.apply_to(self.copy.sources())?)?;
        let check = ["check", "-p", "distlock-runtime"].map(str::to_owned);
        let log = format!("{}-check", mutant.name);
        let ran = self.cargo.run(".", &check, &log, BUILD_LIMIT, |_| false)?;
        expect_built(&ran)
    }

    fn known(&self, name: &str, edited: &Edited, suite: Suite) -> Option<CachedResult> {
        let key = Key::new(suite, self.copy.sources(), edited, self.effort);
        self.results.get(name, suite, key, self.effort)
    }

    /// Runs a suite on the sources with these edits, unless the result is known.
    fn run_suite(
        &self,
        name: &str,
        edited: &Edited,
        suite: Suite,
        report: &dyn Fn(&str),
    ) -> Result<CachedResult> {
        if let Some(cached) = self.known(name, edited, suite) {
            return Ok(cached);
        }
        self.copy.update_to(edited)?;
        self.build(name, suite, report)?;
        let began = Instant::now();
        let outcome = self.run(name, suite, report)?;
        let took = began.elapsed();
        let detection = match outcome {
            Outcome::Passed => None,
            Outcome::Detected(detection) => Some(detection),
            Outcome::Unclear => bail!("{name}: {} ended without a result", suite.name()),
        };
        let key = Key::new(suite, self.copy.sources(), edited, self.effort);
        let Key { library, tests } = key;
        let schedules = suite.schedules(self.effort);
        let commit = self.commit.clone();
        let cached = CachedResult { library, tests, commit, took, schedules, detection };
        self.results.put(name, suite, &cached)?;
        Ok(cached)
    }

    fn build(&self, name: &str, suite: Suite, report: &dyn Fn(&str)) -> Result<()> {
        report(&format!("{name}: building {}", suite.name()));
        let log = format!("{name}-{}-build", suite.name());
        let (folder, arguments) = (suite.workspace(), suite.build());
        expect_built(&self.cargo.run(folder, &arguments, &log, BUILD_LIMIT, |_| false)?)
    }

    fn run(&self, name: &str, suite: Suite, report: &dyn Fn(&str)) -> Result<Outcome> {
        report(&format!("{name}: running {}", suite.name()));
        let log = format!("{name}-{}", suite.name());
        let (folder, arguments) = (suite.workspace(), suite.run(self.effort));
        let ran = self.cargo.run(folder, &arguments, &log, self.limit, suite.is_detected())?;
        Ok(match ran.end {
            RunEnd::Exit(status) => suite.read(status.success(), &ran.output),
            RunEnd::Detected => suite.read(false, &ran.output),
            RunEnd::TimeLimit => suite.read_at_the_limit(&ran.output),
        })
    }
}

impl MutantResult {
    fn add(&mut self, suite: Suite, cached: Option<CachedResult>) {
        let Some(cached) = cached else { return self.missing.push(suite) };
        self.tried.push(suite);
        self.took += cached.took;
        self.commit = cached.commit;
        self.detection = cached.detection.map(|detection| (suite, detection));
    }
}

impl fmt::Display for MutantResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((suite, detection)) = &self.detection {
            write!(f, "detected by {}: {}", suite.name(), detection.by)?;
            if let Some(Schedule { seed, after }) = detection.schedule {
                write!(f, ", seed {seed}, after {after} schedules")?;
            }
        } else {
            let tried: Vec<_> = self.tried.iter().map(|suite| suite.name()).collect();
            write!(f, "SURVIVED {}", tried.join(", "))?;
        }
        write!(f, " ({})", humantime::format_duration(Duration::from_secs(self.took.as_secs())))
    }
}

/// A mutant that does not compile is a mistake in its file, not a detection.
fn expect_built(ran: &CommandOutput) -> Result<()> {
    let built = matches!(ran.end, RunEnd::Exit(status) if status.success());
    ensure!(built, "the build failed, see {}:\n{}", ran.log.display(), ran.output);
    Ok(())
}
