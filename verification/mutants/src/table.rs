//! The table of all bugs and who found them.

use std::fmt::Write;

use crate::bug::Bug;
use crate::hunt::Verdict;
use crate::suite::{Effort, Suite};

const HEAD: &str = "\
# Mutation testing

A mutant is a bug that somebody could introduce into this library. Each mutant below is inserted
into a copy of the sources, and the test suites run there until one of them detects it. The mutants
are text edits in `verification/mutants/bugs`, one file each. The copies are made below `target`, so
the library itself is never modified.

";

const SUITES: &str = "\
Suites, in the order in which they run. The table names the first one that detects the mutant.

- *simulation*: several processes, a network and the in-memory server in one deterministic
  simulation. One seed is one schedule. The count is the number of schedules up to the first
  violation.
- *twin*: random commands to the Lua scripts on a real server and to the in-memory server, compared
  reply by reply
- *orders*: the smallest concurrent parts under every schedule and memory order (loom)
- *models*: the concurrent parts of one process under controlled schedules (shuttle)
- *fuzz*: random arguments of the attribute and random replies of a server
- *units*: unit tests of the runtime
- *trials*: real servers and processes under faults
";

/// The table in Markdown. `control`: the suites that found nothing in the sources as they are.
pub fn markdown(hunted: &[(&Bug, Verdict)], control: &[Suite], effort: Effort) -> String {
    let mut text = HEAD.to_owned();
    let Effort { from, simulated, real } = effort;
    let _ = writeln!(
        text,
        "```sh\n\
         cargo run --release -p mutants -- --table docs/mutation-testing.md \\\n    \
         --schedules {simulated} --fault-schedules {real} --from {from}\n```\n\n\
         This command writes the page. It runs seeds {from} to {} of the simulation and {real} chaos\n\
         schedules for each mutant, and stops at the first that detects it. Two threads search, so the\n\
         number of schedules differs slightly from run to run. Results of an earlier run on the same\n\
         sources are reused, unless `--afresh` is given.\n",
        from + simulated - 1
    );
    let _ = writeln!(text, "{SUITES}\n{}\n{}", controlled(control, effort), summary(hunted));
    text.push_str("| # | mutant | effect | detected by | after |\n");
    text.push_str("|---|---|---|---|---|\n");
    for (bug, verdict) in hunted {
        text.push_str(&row(bug, verdict));
    }
    text
}

fn controlled(control: &[Suite], effort: Effort) -> String {
    let one = |suite: &Suite| match suite.schedules(effort) {
        Some(schedules) => format!("{} ({schedules} schedules)", suite.name()),
        None => suite.name().to_owned(),
    };
    let suites: Vec<String> = control.iter().map(one).collect();
    format!(
        "Control: in the unmodified sources the same suites found nothing: {}.\n",
        suites.join(", ")
    )
}

fn summary(hunted: &[(&Bug, Verdict)]) -> String {
    let by = |suite: Suite| {
        let found = |(_, verdict): &&(&Bug, Verdict)| {
            verdict.kill.as_ref().is_some_and(|(killer, _)| *killer == suite)
        };
        (suite, hunted.iter().filter(found).count())
    };
    let counts = Suite::cheapest_first().into_iter().map(by).filter(|&(_, count)| count > 0);
    let counts: Vec<_> = counts.map(|(suite, count)| format!("{} {count}", suite.name())).collect();
    let killed = hunted.iter().filter(|(_, verdict)| verdict.kill.is_some()).count();
    format!("**{killed} of {} mutants were detected**: {}.\n", hunted.len(), counts.join(", "))
}

fn row(bug: &Bug, verdict: &Verdict) -> String {
    let (by, after) = match &verdict.kill {
        Some((suite, kill)) => {
            let after = kill.schedule.map(|schedule| match schedule.after {
                1 => "1 schedule".to_owned(),
                after => format!("{after} schedules"),
            });
            (format!("{}: {}", suite.name(), kill.by), after.unwrap_or_else(|| "one run".into()))
        }
        None if verdict.missing.is_empty() => {
            (format!("**survived** {}", names(&verdict.tried)), "—".to_owned())
        }
        None => (format!("not run yet with {}", names(&verdict.missing)), "—".to_owned()),
    };
    let cells = [bug.number(), &bug.title, &bug.why, &by, &after].map(cell);
    format!("| {} |\n", cells.join(" | "))
}

fn names(suites: &[Suite]) -> String {
    suites.iter().map(|suite| suite.name()).collect::<Vec<_>>().join(", ")
}

fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::{Kill, Schedule};

    const EFFORT: Effort = Effort { from: 0, simulated: 100, real: 2 };

    fn bug() -> Bug {
        let (title, why) = ("a | b".to_owned(), "two\nholders".to_owned());
        Bug { name: "07-bug".into(), title, why, edits: Vec::new(), suites: Vec::new() }
    }

    fn verdict(kill: Option<(Suite, Kill)>) -> Verdict {
        Verdict { kill, tried: vec![Suite::Simulation], ..Verdict::default() }
    }

    #[test]
    fn a_row_says_who_found_the_bug_and_when() {
        let schedule = Some(Schedule { seed: 4, after: 5 });
        let kill = Kill { by: "exclusive".into(), schedule };
        let row = row(&bug(), &verdict(Some((Suite::Simulation, kill))));
        let expected = "| 07 | a \\| b | two holders | simulation: exclusive | 5 schedules |\n";
        assert_eq!(row, expected);
    }

    #[test]
    fn a_bug_that_nobody_found_is_not_passed_over() {
        let bug = bug();
        let text = markdown(&[(&bug, verdict(None))], &[Suite::Simulation], EFFORT);
        assert!(text.contains("0 of 1 mutants were detected"));
        assert!(text.contains("**survived** simulation"));
        assert!(text.contains("found nothing: simulation (100 schedules)."));
    }

    #[test]
    fn a_bug_that_nobody_looked_for_has_not_survived() {
        let missing = Verdict { missing: vec![Suite::Units], ..Verdict::default() };
        assert!(row(&bug(), &missing).contains("not run yet with units"));
    }
}
