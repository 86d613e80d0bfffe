use std::env;
use std::io;
use std::time::{Duration, Instant};

use crate::campaign::Campaign;
use crate::options::Soak;
use crate::report::Page;
use crate::tally::Tally;

const REWRITE: Duration = Duration::from_secs(60);

/// Runs schedules for a time and writes a report. Returns whether none had a violation.
pub fn soak(options: &Soak) -> io::Result<bool> {
    let program = env::current_exe()?;
    let campaign = Campaign {
        schedules: None,
        length: Some(options.length.into()),
        batch: &options.batch,
        program: &program,
    };
    let (start, mut page) = (Instant::now(), Page::default());
    let mut written = Instant::now();
    let mut so_far = Tally::default();
    let tally = campaign.run(|outcome| {
        page.take(outcome);
        so_far.add(outcome);
        if written.elapsed() > REWRITE {
            written = Instant::now();
            // The report is written again at the end, where an error is returned.
            let _ = page.write(&options.report, &so_far, start.elapsed());
        }
    });
    page.write(&options.report, &tally, start.elapsed())?;
    print!("{tally}");
    println!("the report is {}", options.report.display());
    Ok(tally.is_right())
}
