//! Starts the processes and shows their progress.

use std::env;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, ensure};
use indicatif::{ProgressBar, ProgressStyle};

use crate::ledger::Ledger;
use crate::options::Options;
use crate::servers::Servers;
use crate::support::URL_VARIABLE;
use crate::tally::Counts;
use crate::worker;

/// Where a process that was started finds the accounts.
pub const ACCOUNTS_VARIABLE: &str = "BANK_ACCOUNTS_URL";

const REFRESH_INTERVAL: Duration = Duration::from_millis(100);
/// The longest that a process may transfer nothing. A failover costs a few seconds.
const STANDSTILL_LIMIT: Duration = Duration::from_secs(60);

/// Runs all processes, and what happens to their servers meanwhile. Returns their counts and the
/// elapsed time. If the balances are in the memory of this process, groups of threads replace the
/// processes.
pub fn run(
    options: &Options,
    ledger: &Ledger,
    servers: &Servers,
) -> anyhow::Result<(Vec<Counts>, Duration)> {
    let counts_by_process = CountsByProcess::new(options.processes);
    let progress = progress_line(options)?;
    let start = Instant::now();
    thread::scope(|scope| {
        let monitor = |index| {
            let counts_by_process = &counts_by_process;
            let show = move |counts| counts_by_process.show(index, counts);
            scope.spawn(move || {
                if ledger.is_shared_by_processes() {
                    Process::start(options, servers)?.monitor(show)
                } else {
                    worker::run(options, ledger, show)
                }
            })
        };
        let monitors: Vec<_> = (0..options.processes).map(monitor).collect();
        // Until then, or the limit, or until a process has ended with an error.
        let wait = |limit, is_done: &dyn Fn() -> bool| {
            let from = Instant::now();
            while from.elapsed() < limit
                && !is_done()
                && !monitors.iter().any(thread::ScopedJoinHandle::is_finished)
            {
                thread::sleep(REFRESH_INTERVAL);
                refresh(&progress, counts_by_process.total());
            }
            is_done()
        };
        let events = servers.events();
        let share = options.duration() / (1 + u32::try_from(events.len())?);
        // Whether each process transfers.
        let go_on = || {
            let before = counts_by_process.counts().clone();
            let each_goes_on = wait(STANDSTILL_LIMIT, &|| counts_by_process.all_exceed(&before));
            wait(share, &|| false);
            each_goes_on
        };
        let mut events = events.into_iter();
        let all_go_on = go_on()
            && events.all(|event| {
                let before = counts_by_process.restart_longest();
                // Panics if what it waits for does not happen.
                let happened = scope.spawn(|| progress.suspend(event)).join().is_ok();
                let each_goes_on = happened && go_on();
                let after = counts_by_process.total();
                progress.suspend(|| {
                    println!(
                        "              the longest transfer took {:.1?}, {} were interrupted",
                        Duration::from_micros(after.longest_micros),
                        after.interrupted - before.interrupted
                    );
                });
                each_goes_on
            });
        worker::stop();
        progress.finish_and_clear();
        for monitor in monitors {
            monitor.join().map_err(|_| anyhow!("a thread panicked"))??;
        }
        ensure!(all_go_on, "not each process transferred all the time");
        let counts = counts_by_process.counts().clone();
        Ok((counts, start.elapsed()))
    })
}

struct Process(Child);

impl Process {
    /// Starts this program again, with the same options.
    fn start(options: &Options, servers: &Servers) -> anyhow::Result<Self> {
        let mut command = Command::new(env::current_exe()?);
        command.args(env::args_os().skip(1));
        command.arg("--child-of").arg(std::process::id().to_string());
        command.env(URL_VARIABLE, servers.locks_url());
        command.env(ACCOUNTS_VARIABLE, servers.accounts_url());
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let child =
            command.spawn().with_context(|| format!("could not start a process for {options}"))?;
        Ok(Self(child))
    }

    /// Forwards the counts that the process prints, until it ends. It stops at the end of its
    /// input.
    fn monitor(mut self, show: impl Fn(Counts) -> anyhow::Result<()>) -> anyhow::Result<()> {
        let output = self.0.stdout.take().context("the output is a pipe")?;
        for line in BufReader::new(output).lines() {
            show(line?.parse()?)?;
            if worker::is_over() {
                drop(self.0.stdin.take());
            }
        }
        let status = self.0.wait()?;
        ensure!(status.success(), "a process ended with {status}");
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only if the process has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The latest counts of each process.
struct CountsByProcess(Mutex<Vec<Counts>>);

impl CountsByProcess {
    fn new(processes: usize) -> Self {
        Self(Mutex::new(vec![Counts::default(); processes]))
    }

    #[expect(
        clippy::unnecessary_wraps,
        reason = "a child's report to its parent, of the same type, can fail"
    )]
    fn show(&self, process: usize, mut counts: Counts) -> anyhow::Result<()> {
        let shown = &mut self.counts()[process];
        counts.longest_micros = counts.longest_micros.max(shown.longest_micros);
        *shown = counts;
        Ok(())
    }

    /// The longest transfer will be that from now on. Returns the total so far.
    fn restart_longest(&self) -> Counts {
        let total = self.total();
        self.counts().iter_mut().for_each(|counts| counts.longest_micros = 0);
        total
    }

    fn total(&self) -> Counts {
        self.counts().iter().copied().sum()
    }

    /// Whether each process has made transfers since.
    fn all_exceed(&self, before: &[Counts]) -> bool {
        let counts = self.counts();
        counts.iter().zip(before).all(|(now, before)| now.transfers > before.transfers)
    }

    fn counts(&self) -> MutexGuard<'_, Vec<Counts>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn progress_line(options: &Options) -> anyhow::Result<ProgressBar> {
    let style = ProgressStyle::with_template("{bar:30} {elapsed}  {msg}")?;
    Ok(ProgressBar::new(millis(options.duration())).with_style(style))
}

fn refresh(progress: &ProgressBar, counts: Counts) {
    let elapsed = progress.elapsed();
    progress.set_position(millis(elapsed));
    progress.set_message(format!(
        "{} transfers, {:.0}/s",
        counts.transfers,
        rate(counts.transfers, elapsed)
    ));
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "shown without decimals")]
pub fn rate(count: u64, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}
