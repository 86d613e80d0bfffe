//! Schedules for a night.

use std::env;
use std::io;
use std::time::{Duration, Instant};

use crate::campaign::Campaign;
use crate::options::Soak;
use crate::report::Page;
use crate::tally::Tally;

/// How often the page is written anew.
const REWRITE: Duration = Duration::from_secs(60);

/// Runs schedules for as long as was asked, and writes a page about them; whether none had a violation.
///
/// # Errors
/// If the page cannot be written.
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
            // It is written once more at the end, where a failure is told.
            let _ = page.write(&options.report, &so_far, start.elapsed());
        }
    });
    page.write(&options.report, &tally, start.elapsed())?;
    print!("{tally}");
    println!("the page is {}", options.report.display());
    Ok(tally.is_right())
}
