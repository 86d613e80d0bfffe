use std::fmt;
use std::process::ExitCode;
use std::time::Duration;

use crate::ledger::Total;
use crate::options::Options;
use crate::processes::rate;
use crate::tally::Counts;

pub struct Report<'a> {
    pub options: &'a Options,
    pub before: i64,
    pub after: Total,
    /// One for each process.
    pub counts: Vec<Counts>,
    pub elapsed: Duration,
}

impl Report<'_> {
    /// Lost money is a failure, unless the locks were off. So is a transfer that was not written,
    /// and a token that is too low, unless there was a failover, which the storage makes up for.
    pub fn exit_code(&self) -> ExitCode {
        let in_order = self.total().out_of_order == 0 || self.options.fails_over();
        let sound = self.before == self.after.money && self.are_written() && in_order;
        if sound || self.options.no_lock { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    fn total(&self) -> Counts {
        self.counts.iter().copied().sum()
    }

    /// One that has lost its lock may have been written before.
    fn are_written(&self) -> bool {
        let Counts { transfers, interrupted, .. } = self.total();
        (transfers..=transfers + interrupted).contains(&self.after.transfers)
    }

    /// The smallest and largest share. Waiters are served in order, so the shares are similar.
    fn shares(&self) -> String {
        let transfers = || self.counts.iter().map(|counts| counts.transfers);
        let (least, most) = (transfers().min(), transfers().max());
        format!("{} to {}", least.unwrap_or(0), most.unwrap_or(0))
    }

    fn verdict(&self) -> String {
        match self.after.money - self.before {
            0 => "intact".to_owned(),
            lost @ ..0 => format!("NOT INTACT, {} lost", -lost),
            made => format!("NOT INTACT, {made} created"),
        }
    }

    fn fences(&self) -> String {
        match self.total().out_of_order {
            0 => "increase with every acquisition".to_owned(),
            count => format!("OUT OF ORDER in {count} calls"),
        }
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = self.total();
        let per_second = |count| rate(count, self.elapsed);
        writeln!(f, "time          {:.1?}", self.elapsed)?;
        writeln!(f, "transfers     {}, {:.0}/s", counts.transfers, per_second(counts.transfers))?;
        writeln!(f, "per process   {}", self.shares())?;
        if !self.options.no_lock {
            writeln!(f, "acquisitions  {}, {:.0}/s", counts.acquired, per_second(counts.acquired))?;
            writeln!(f, "re-entered    {} calls", counts.reentered)?;
            writeln!(f, "fences        {}", self.fences())?;
        }
        if self.options.fails_over() {
            writeln!(f, "interrupted   {} transfers", counts.interrupted)?;
        }
        let written = if self.are_written() { "all" } else { "NOT ALL" };
        writeln!(f, "written       {} transfers: {written}", self.after.transfers)?;
        writeln!(f, "sum before    {}", self.before)?;
        write!(f, "sum after     {}: {}", self.after.money, self.verdict())
    }
}
