//! One leader among three processes: `cargo run --example leader`
//!
//! The first leader is killed, the second one loses the lock, the third one resigns. Each time
//! another process leads, with a higher token.

#[path = "support/children.rs"]
mod children;
#[path = "support/mod.rs"]
mod support;

use std::io::{Read as _, stdin};
use std::time::{Duration, Instant};
use std::{env, process, thread};

use anyhow::{Context as _, bail, ensure};
use children::Children;
use distlock::{Fence, LockError, LockManager, distributed_lock};
use tokio::select;
use tokio::sync::oneshot;
use tokio::time::sleep;

/// How long there is no leader after a crash.
const TTL: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(200);
/// Set in the processes that want to lead.
const CANDIDATE_VARIABLE: &str = "LEADER_EXAMPLE_CANDIDATE";

/// Leads until the lock is lost, which cancels this future and is returned as an error, or until
/// the future is dropped, which releases the lock.
#[distributed_lock("leader", ttl = TTL, hold = hold)]
async fn lead() -> Result<(), LockError> {
    // Runs as soon as the loss is known, also if this body takes long to get to its next `.await`.
    hold.on_lost(|error| eprintln!("process {} has to stop: {error}", process::id()));
    println!("leads {}", hold.fence());
    loop {
        // The work of the leader goes here. What it writes has the token, so that the storage can
        // reject a leader that was paused and does not know of the next one.
        sleep(PAUSE).await;
    }
}

#[tokio::main]
async fn campaign() -> anyhow::Result<()> {
    let mut resigned = on_closed_input();
    loop {
        // A process that does not lead waits here for its turn.
        let led = select! {
            led = lead() => led,
            _ = &mut resigned => break,
        };
        match led {
            Err(LockError::Lost(_)) => println!("lost"),
            // Without a server there is no leader, and no reason to end.
            Err(LockError::Unavailable(_) | LockError::DataLoss(_)) => sleep(PAUSE).await,
            led => return Ok(led?),
        }
    }
    // The lock is released before the process ends.
    distlock::global()?.shutdown().await;
    println!("resigned");
    Ok(())
}

/// A service would wait for SIGTERM instead.
fn on_closed_input() -> oneshot::Receiver<()> {
    let (sender, closed) = oneshot::channel();
    thread::spawn(move || {
        let _ = stdin().read_to_end(&mut Vec::new());
        let _ = sender.send(());
    });
    closed
}

fn main() -> anyhow::Result<()> {
    if env::var_os(CANDIDATE_VARIABLE).is_some() {
        return campaign();
    }
    let server = support::Server::find()?;
    println!("server: {server}");
    if server.url().starts_with("memory://") {
        println!("this example needs a Redis server: install redis-server or set DISTLOCK_URL");
        return Ok(());
    }
    let locks = LockManager::connect(server.url())?;
    let variables =
        [(CANDIDATE_VARIABLE, "1".as_ref()), (support::URL_VARIABLE, server.url().as_ref())];
    let mut processes = Children::start(3, &variables)?;

    let first = next_leader(&processes)?;
    println!("process {} leads with token {}", first.id, first.token);

    let start = Instant::now();
    processes.kill(first.id)?;
    let second = next_leader(&processes)?;
    println!("it is killed; process {} leads after {:.1?}", second.id, start.elapsed());
    ensure!(second.id != first.id && second.token > first.token);
    ensure!(start.elapsed() < TTL * 2, "no process took over in time");

    // What an operator does to a leader that hangs: `distlock release`.
    let start = Instant::now();
    ensure!(locks.force_release_blocking("leader", second.token)?, "it has lost it before");
    let third = next_leader(&processes)?;
    println!("it loses the lock; process {} leads after {:.1?}", third.id, start.elapsed());
    ensure!(third.id != second.id && third.token > second.token);

    let start = Instant::now();
    let status = processes.close(third.id)?;
    ensure!(status.success(), "it ended with {status}");
    let fourth = next_leader(&processes)?;
    println!("it resigns; process {} leads again after {:.1?}", fourth.id, start.elapsed());
    ensure!(fourth.id == second.id && fourth.token > third.token);
    ensure!(start.elapsed() < TTL, "it did not release the lock");
    ensure!(processes.close(fourth.id)?.success());
    Ok(())
}

struct Leader {
    id: u32,
    token: Fence,
}

fn next_leader(processes: &Children) -> anyhow::Result<Leader> {
    while let Some((id, line)) = processes.next_line()? {
        if let Some(token) = line.strip_prefix("leads ") {
            let token = token.parse::<i64>().context("the token is a number")?;
            return Ok(Leader { id, token: Fence::try_from(token)? });
        }
        println!("process {id}: {line}");
    }
    bail!("all processes have ended")
}
