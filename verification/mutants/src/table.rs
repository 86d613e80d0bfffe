//! Writes the page of results.

use std::fmt::Write;

use crate::mutant::Mutant;
use crate::runner::MutantResult;
use crate::suite::{Effort, Suite};

const HEAD: &str = "\
# Mutation testing

A mutant is a bug that a change could introduce into this library. Each mutant below is inserted
into a copy of the sources, and the test suites run there until one of them detects it. The mutants
are text edits in `verification/mutants/bugs`, one file each. The copies are made below `target`, so
the library itself is never modified.

";

const SUITES: &str = "\
Suites. The table names the first one that detected the mutant, and the first test that failed. The
others did not run on it any more.

- *sim*: several processes, a network and the in-memory server in one deterministic simulation. One
  seed is one schedule. The count is the number of schedules up to the first violation.
- *parity*: random commands to the Lua scripts on a real server and to the in-memory server,
  compared reply by reply
- *loom*: the smallest concurrent parts under every schedule and memory order (loom)
- *shuttle*: the concurrent parts of one process under controlled schedules (shuttle)
- *fuzz*: random arguments of the attribute and random replies of a server
- *units*: unit tests of the runtime
- *chaos*: real servers and processes under faults
";

/// The page in Markdown. `control` is the suites that found nothing in the unmodified sources.
pub fn markdown(
    results: &[(&Mutant, MutantResult)],
    control: &[(Suite, Option<u64>)],
    effort: Effort,
) -> String {
    let mut text = HEAD.to_owned();
    let Effort { from, simulated, real } = effort;
    let _ = writeln!(
        text,
        "```sh\n\
         cargo run --release -p mutants -- --table docs/mutation-testing.md \\\n    \
         --schedules {simulated} --fault-schedules {real} --from {from}\n```\n\n\
         This command writes the page. It runs seeds {from} to {} of the simulation and {real} \
         chaos\nschedules for each mutant, and stops at the first that detects it. Two threads \
         search, so the\nnumber of schedules differs slightly from run to run. Results of an \
         earlier run on the same\nsources are reused, unless `--fresh` is given. A mutant \
         that has not run on the\npresent sources has the row of its latest run. The last column \
         names the commit that changed the\nlibrary last before that run.\n",
        from + simulated - 1
    );
    let _ = writeln!(text, "{SUITES}\n{}\n{}", clean_suites(control), summary(results));
    text.push_str("| # | mutant | effect | detected by | after | library |\n");
    text.push_str("|---|---|---|---|---|---|\n");
    for (mutant, result) in results {
        text.push_str(&row(mutant, result));
    }
    text
}

fn clean_suites(control: &[(Suite, Option<u64>)]) -> String {
    let one = |(suite, schedules): &(Suite, Option<u64>)| match schedules {
        Some(schedules) => format!("{} ({schedules} schedules)", suite.name()),
        None => suite.name().to_owned(),
    };
    let suites: Vec<String> = control.iter().map(one).collect();
    let mut text = format!(
        "Control: in the unmodified sources these suites found nothing when they last ran:\n{}.\n",
        suites.join(", ")
    );
    let mut absent = Suite::cheapest_first();
    absent.retain(|suite| !control.iter().any(|(clean, _)| clean == suite));
    if !absent.is_empty() {
        let _ = writeln!(text, "There was no such run of {}.", names(&absent));
    }
    text
}

fn summary(results: &[(&Mutant, MutantResult)]) -> String {
    let by = |suite: Suite| {
        let found = |(_, result): &&(&Mutant, MutantResult)| {
            result.detection.as_ref().is_some_and(|(detector, _)| *detector == suite)
        };
        (suite, results.iter().filter(found).count())
    };
    let counts = Suite::cheapest_first().into_iter().map(by).filter(|&(_, count)| count > 0);
    let counts: Vec<_> = counts.map(|(suite, count)| format!("{} {count}", suite.name())).collect();
    let detected = results.iter().filter(|(_, result)| result.detection.is_some()).count();
    let mut text = format!(
        "**{detected} of {} mutants were detected**: {}.",
        results.len(),
        counts.join(", ")
    );
    let open = |is_open: fn(&MutantResult) -> bool| {
        let open = results.iter().filter(|(_, result)| result.detection.is_none());
        let open = open.filter(|(_, result)| is_open(result));
        open.map(|(mutant, _)| mutant.number()).collect::<Vec<_>>().join(", ")
    };
    let states = [
        ("Survived", open(|result| result.missing.is_empty())),
        ("Survived the suites that ran", open(|it| !it.missing.is_empty() && !it.tried.is_empty())),
        ("Not run", open(|it| !it.missing.is_empty() && it.tried.is_empty())),
    ];
    for (state, mutants) in states.iter().filter(|(_, mutants)| !mutants.is_empty()) {
        let _ = write!(text, "\n{state}: {mutants}.");
    }
    text.push('\n');
    text
}

fn row(mutant: &Mutant, result: &MutantResult) -> String {
    let (by, after) = match &result.detection {
        Some((suite, detection)) => {
            let after = detection.schedule.map(|schedule| match schedule.after {
                1 => "1 schedule".to_owned(),
                after => format!("{after} schedules"),
            });
            (
                format!("{}: {}", suite.name(), detection.by),
                after.unwrap_or_else(|| "one run".into()),
            )
        }
        None if result.missing.is_empty() => {
            (format!("**survived** {}", names(&result.tried)), "—".to_owned())
        }
        None if result.tried.is_empty() => {
            (format!("not run yet with {}", names(&result.missing)), "—".to_owned())
        }
        None => {
            let (tried, missing) = (names(&result.tried), names(&result.missing));
            (format!("not detected by {tried}; not run yet with {missing}"), "—".to_owned())
        }
    };
    let commit = if result.commit.is_empty() { "—" } else { &result.commit };
    let cells = [mutant.number(), &mutant.title, &mutant.why, &by, &after, commit].map(cell);
    format!("| {} |\n", cells.join(" | "))
}

fn names(suites: &[Suite]) -> String {
    suites.iter().map(|suite| suite.name()).collect::<Vec<_>>().join(", ")
}

fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

#[cfg(test)]
mod tests;
