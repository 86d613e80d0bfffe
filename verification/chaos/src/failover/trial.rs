//! One failover under load.

use std::io;
use std::path::Path;
use std::thread;
use std::time::Duration;

use checker::{Event, Property, Report, Rules, Violation};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::FailoverKind;
use super::findings::Findings;
use super::servers::FailoverServers;
use crate::clock;
use crate::options::Failover;
use crate::settings::{FailoverPause, Settings};
use crate::workers::{Orders, WorkerProcess, Workers};
use crate::workload::Workload;

/// Long enough for a hold to outlive the failover without a renewal.
const TTL: Duration = Duration::from_secs(4);
const PROCESSES: usize = 3;
/// The longest that a failover may take.
const LONGEST: Duration = Duration::from_secs(60);
/// How long the workers go on after the pause.
const AFTERWARDS: Duration = Duration::from_secs(2);
/// How much later than its wait a call may end, and than its lease a loss may be reported.
const MARGIN: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub(super) struct FailoverOutcome {
    pub(super) seed: u64,
    pub(super) report: Report,
    pub(super) findings: Findings,
    pub(super) history: Vec<Event>,
}

pub(super) fn run(
    kind: FailoverKind,
    pause: FailoverPause,
    seed: u64,
    options: &Failover,
    program: &Path,
) -> io::Result<FailoverOutcome> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut servers = FailoverServers::start(kind)?;
    let settings = settings(pause, options.replicas);
    let orders = Orders { seed, workload: Workload::Failover, settings };
    let mut workers = Workers::start(orders, &vec![servers.url(); PROCESSES], program)?;
    let start = clock::now();
    workers.begin(start + clock::nanos(LONGEST))?;
    thread::sleep(Duration::from_millis(rng.random_range(700..1_500)));
    let pids: Vec<_> = workers.processes.iter().map(WorkerProcess::pid).collect();
    let switch = servers.fail_over(kind, &pids, &mut rng);
    let stop = switch.named.max(clock::now()) + clock::nanos(pause.at_most(TTL) + AFTERWARDS);
    workers.begin(stop)?;
    clock::sleep_until(stop);
    workers.end();
    workers.acquire_all(&servers.url(), TTL * 2);
    let history = workers.history()?;
    let resumes_within = pause.at_most(TTL) + *options.resumption;
    let findings = Findings::of(kind, resumes_within, &switch, &history);
    Ok(FailoverOutcome::of(kind, seed, findings, history))
}

fn settings(pause: FailoverPause, replicas: u8) -> Settings {
    Settings {
        ttl: TTL,
        server_ttl_slack: Settings::default_server_ttl_slack(TTL),
        outage_timeout: Duration::from_secs(5),
        max_handoffs: 8,
        linger: Duration::ZERO,
        strict_fifo: false,
        wait_for_release: false,
        data_loss_grace: true,
        after_failover: pause,
        replicas,
    }
}

impl FailoverOutcome {
    fn of(kind: FailoverKind, seed: u64, findings: Findings, history: Vec<Event>) -> Self {
        let slack = clock::nanos(MARGIN);
        let rules = Rules { lossless: kind.is_lossless(), slack, max_bypass: None, takeover: None };
        let mut report = checker::check(&history, &rules);
        // The old primary may go on to grant: below the tokens of the new one, and so refused.
        let is_known = |violation: &Violation| {
            let later = violation.requests.last();
            violation.property == Property::TokensRise
                && later.is_some_and(|later| findings.is_stale(*later))
        };
        if !kind.is_lossless() {
            report.violations.retain(|violation| !is_known(violation));
        }
        Self { seed, report, findings, history }
    }

    /// Whether nothing was violated that has to hold.
    pub(super) fn is_right(&self) -> bool {
        self.report.is_right() && self.findings.wrong.is_empty()
    }
}
