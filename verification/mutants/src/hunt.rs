//! Runs the suites against a bug until one finds it.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};

use crate::bug::{Bug, Edited};
use crate::cargo::{Cargo, End, Ran};
use crate::outcome::{Kill, Outcome, Schedule};
use crate::results::{Kept, Results, key};
use crate::suite::{Effort, Suite};
use crate::tree::Tree;

/// A build is not what is measured, but one that never ends must not keep the others.
const BUILD_LIMIT: Duration = Duration::from_secs(3600);
/// The name under which the sources as they are go.
const CONTROL: &str = "control";

/// The copy and what runs in it.
pub struct Hunt {
    /// The copy of the workspace.
    pub tree: Tree,
    /// Builds and runs there.
    pub cargo: Cargo,
    /// How long suites of schedules look.
    pub effort: Effort,
    /// How long a suite may take; the fixed sources take less.
    pub limit: Duration,
    /// Only these suites look, if any are named.
    pub suites: Vec<Suite>,
    /// What is known from earlier runs.
    pub results: Results,
}

/// What became of a bug.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// Who found it and how; `None`: nobody.
    pub kill: Option<(Suite, Kill)>,
    /// Who looked.
    pub tried: Vec<Suite>,
    /// Who would have to look yet.
    pub missing: Vec<Suite>,
    /// How long that took, without the builds.
    pub took: Duration,
}

impl Hunt {
    /// The suites that look for this bug.
    pub fn suites_of(&self, bug: &Bug) -> Vec<Suite> {
        let wanted = |suite: &Suite| self.suites.is_empty() || self.suites.contains(suite);
        bug.suites.iter().copied().filter(wanted).collect()
    }

    /// Shows that a suite finds nothing in the sources as they are; `tell` hears what is done.
    pub fn control(&self, suite: Suite, tell: &dyn Fn(&str)) -> Result<()> {
        let kept = self.look(CONTROL, &Edited::new(), suite, tell)?;
        kept.kill.map_or(Ok(()), |kill| bail!("{} fails without a bug: {}", suite.name(), kill.by))
    }

    /// The suites that are known to find nothing in the sources as they are.
    pub fn controlled(&self) -> Vec<Suite> {
        let passed = |suite: &Suite| {
            let kept = self.known(CONTROL, &Edited::new(), *suite);
            kept.is_some_and(|kept| kept.kill.is_none())
        };
        Suite::cheapest_first().into_iter().filter(passed).collect()
    }

    /// Plants the bug and has its suites look for it; `tell` hears what is done.
    pub fn hunt(&self, bug: &Bug, tell: &dyn Fn(&str)) -> Result<Verdict> {
        let edited = bug.plant(self.tree.sources())?;
        let mut verdict = Verdict::default();
        for suite in self.suites_of(bug) {
            if verdict.kill.is_some() {
                break;
            }
            let kept = self.look(&bug.name, &edited, suite, tell)?;
            verdict.add(suite, Some(kept));
        }
        Ok(verdict)
    }

    /// What earlier runs say of the bug, all of its suites together.
    pub fn recall(&self, bug: &Bug) -> Result<Verdict> {
        let edited = bug.plant(self.tree.sources())?;
        let mut verdict = Verdict::default();
        for &suite in &bug.suites {
            if verdict.kill.is_some() {
                break;
            }
            verdict.add(suite, self.known(&bug.name, &edited, suite));
        }
        Ok(verdict)
    }

    /// Whether the library builds with the bug.
    pub fn compile(&self, bug: &Bug) -> Result<()> {
        self.tree.bring_to(&bug.plant(self.tree.sources())?)?;
        let check = ["check", "-p", "lock-runtime"].map(str::to_owned);
        let ran = self.cargo.run(".", &check, &format!("{}-check", bug.name), BUILD_LIMIT)?;
        expect_built(&ran)
    }

    fn known(&self, name: &str, edited: &Edited, suite: Suite) -> Option<Kept> {
        let key = key(suite, self.tree.sources(), edited, self.effort);
        self.results.get(name, suite, key, self.effort)
    }

    /// Has a suite look at the sources with these edits, unless it is known what it finds.
    fn look(&self, name: &str, edited: &Edited, suite: Suite, tell: &dyn Fn(&str)) -> Result<Kept> {
        if let Some(kept) = self.known(name, edited, suite) {
            return Ok(kept);
        }
        self.tree.bring_to(edited)?;
        self.build(name, suite, tell)?;
        let began = Instant::now();
        let outcome = self.run(name, suite, tell)?;
        let took = began.elapsed();
        let kill = match outcome {
            Outcome::Passed => None,
            Outcome::Killed(kill) => Some(kill),
            Outcome::Unclear => bail!("{name}: {} ended without a verdict", suite.name()),
        };
        let key = key(suite, self.tree.sources(), edited, self.effort);
        let kept = Kept { key, took, schedules: suite.schedules(self.effort), kill };
        self.results.put(name, suite, &kept)?;
        Ok(kept)
    }

    fn build(&self, name: &str, suite: Suite, tell: &dyn Fn(&str)) -> Result<()> {
        tell(&format!("{name}: builds {}", suite.name()));
        let log = format!("{name}-{}-build", suite.name());
        expect_built(&self.cargo.run(suite.workspace(), &suite.build(), &log, BUILD_LIMIT)?)
    }

    fn run(&self, name: &str, suite: Suite, tell: &dyn Fn(&str)) -> Result<Outcome> {
        tell(&format!("{name}: runs {}", suite.name()));
        let log = format!("{name}-{}", suite.name());
        let ran = self.cargo.run(suite.workspace(), &suite.run(self.effort), &log, self.limit)?;
        let limit = humantime::format_duration(self.limit);
        Ok(match ran.end {
            End::Exit(status) => suite.read(status.success(), &ran.output),
            End::TimeLimit => Outcome::Killed(Kill::by(format!("time limit of {limit}: it hangs"))),
        })
    }
}

impl Verdict {
    fn add(&mut self, suite: Suite, kept: Option<Kept>) {
        let Some(kept) = kept else { return self.missing.push(suite) };
        self.tried.push(suite);
        self.took += kept.took;
        self.kill = kept.kill.map(|kill| (suite, kill));
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((suite, kill)) = &self.kill {
            write!(f, "found by {}: {}", suite.name(), kill.by)?;
            if let Some(Schedule { seed, after }) = kill.schedule {
                write!(f, ", seed {seed}, after {after} schedules")?;
            }
        } else {
            let tried: Vec<_> = self.tried.iter().map(|suite| suite.name()).collect();
            write!(f, "NOT FOUND by {}", tried.join(", "))?;
        }
        write!(f, " ({})", humantime::format_duration(Duration::from_secs(self.took.as_secs())))
    }
}

/// A bug that does not compile is one of its file: no suite has found it.
fn expect_built(ran: &Ran) -> Result<()> {
    let built = matches!(ran.end, End::Exit(status) if status.success());
    ensure!(built, "it does not build, see {}:\n{}", ran.log.display(), ran.output);
    Ok(())
}
