//! Serves metrics of a few locked functions to Prometheus, and whether the process is ready:
//! `cargo run --example observed --features metrics`, then `curl http://127.0.0.1:9464/metrics`.
//! With `-- --spans` it also logs each wait and each hold.

#[path = "support/mod.rs"]
mod support;

use std::net::SocketAddr;
use std::time::Duration;

use clap::Parser;
use distlock::{LockError, LockManager, distributed_lock};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};
use tokio::time::sleep;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::{fmt, prelude::*};

/// Bounds in seconds for `distlock_wait_seconds`, `distlock_hold_seconds` and
/// `distlock_outage_seconds`.
const BUCKETS: [f64; 12] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 1.0, 5.0, 30.0, 300.0];

#[derive(Parser)]
struct Options {
    /// Where to serve /metrics.
    #[arg(long, default_value = "127.0.0.1:9464")]
    listen: SocketAddr,
    /// How long to run.
    #[arg(long, default_value_t = 600)]
    seconds: u64,
    /// Log how long each call waited for which lock, and how long it held it.
    #[arg(long)]
    spans: bool,
}

/// Re-enters by the nested call.
#[distributed_lock("account:{id}", wait = "10s")]
async fn withdraw(id: u64) -> Result<(), LockError> {
    sleep(Duration::from_millis(5)).await;
    balance(id).await
}

#[distributed_lock("account:{id}")]
async fn balance(id: u64) -> Result<(), LockError> {
    Ok(())
}

/// Often busy, which is an error of kind `busy`.
#[distributed_lock("report", wait = "20ms")]
async fn report() -> Result<(), LockError> {
    sleep(Duration::from_millis(60)).await;
    Ok(())
}

/// Takes longer than it may, and so loses its lock.
#[distributed_lock("import", max_hold = "100ms")]
async fn import() -> Result<(), LockError> {
    sleep(Duration::from_secs(1)).await;
    Ok(())
}

/// A mistake: waits for itself.
#[distributed_lock("stock")]
async fn count_stock() -> Result<(), LockError> {
    recount().await
}

#[distributed_lock("stock", reenter = false)]
async fn recount() -> Result<(), LockError> {
    Ok(())
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Options { listen, seconds, spans } = Options::parse();
    let level = if spans { LevelFilter::DEBUG } else { LevelFilter::INFO };
    let levels = Targets::new().with_default(LevelFilter::INFO).with_target("distlock", level);
    // A line when a span ends, with the time that it took.
    let lines = fmt::layer().with_target(false).with_span_events(FmtSpan::CLOSE);
    tracing_subscriber::registry().with(lines).with(levels).init();
    // Before the manager is created, which describes its metrics.
    PrometheusBuilder::new()
        .with_http_listener(listen)
        .set_buckets_for_metric(Matcher::Prefix("distlock_".to_owned()), &BUCKETS)?
        .install()?;
    let server = support::Server::find()?;
    println!("server: {server}");
    println!("serving http://{listen}/metrics for {seconds} s");
    let ttl = Duration::from_secs(2);
    distlock::init(LockManager::builder().url(server.url()).ttl(ttl).build()?)?;

    // A readiness probe would read what this notes.
    let mut watch = distlock::global()?.watch();
    let readiness = tokio::spawn(async move {
        while let Some(status) = watch.next().await {
            println!("{status}");
        }
    });
    for worker in 0..6 {
        tokio::spawn(async move {
            // Until the manager is shut down.
            while !matches!(withdraw(worker % 2).await, Err(LockError::Closed(_))) {
                drop(report().await);
            }
        });
    }
    tokio::spawn(async {
        while !matches!(import().await, Err(LockError::Closed(_))) {
            drop(count_stock().await);
            sleep(Duration::from_millis(200)).await;
        }
    });
    sleep(Duration::from_secs(seconds)).await;
    distlock::global()?.shutdown().await;
    readiness.await?;
    Ok(())
}
