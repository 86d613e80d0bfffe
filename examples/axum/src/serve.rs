//! One process of the service: it ends when it is asked to, once its requests are answered.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use distlock::LockManager;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::{select, signal, time};

use crate::accounts::{self, Accounts};
use crate::http::{self, Service};

/// How long requests may take once the process has been asked to end, and how long the releases
/// take after that. Together shorter than the 30 s of Kubernetes and the 10 s of Docker.
const DRAIN_LIMIT: Duration = Duration::from_secs(6);
const RELEASE_LIMIT: Duration = Duration::from_secs(2);

#[derive(Args)]
pub struct Settings {
    /// Where to listen; port 0 is a free one, which is printed
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// The server of the locks
    #[arg(long, env = "DISTLOCK_URL", hide_env_values = true)]
    redis: String,
    /// The file of the accounts
    #[arg(long, default_value = "accounts.db")]
    database: PathBuf,
    /// How many accounts a new database has
    #[arg(long, default_value_t = 8)]
    accounts: i64,
    /// How much each of them has
    #[arg(long, default_value_t = 100)]
    balance: i64,
    /// How many milliseconds the service takes that approves withdrawals
    #[arg(long, default_value_t = 5)]
    approval: u64,
}

#[tokio::main]
pub async fn serve(settings: &Settings) -> anyhow::Result<()> {
    let locks = LockManager::builder().url(&settings.redis).client_name("accounts").build()?;
    let database = accounts::open(&settings.database, settings.accounts, settings.balance)
        .with_context(|| format!("cannot open {}", settings.database.display()))?;
    let accounts = Accounts::new(locks.clone(), database, Duration::from_millis(settings.approval));

    let (stop, stopping) = watch::channel(false);
    let app = http::routes(Service { accounts, stopping: stopping.clone() });
    let listener = TcpListener::bind(settings.listen).await?;
    println!("listening on {}", listener.local_addr()?);
    std::io::stdout().flush()?;

    let server = axum::serve(listener, app).with_graceful_shutdown(is_set(stopping));
    let limit = async {
        asked_to_end().await;
        stop.send_replace(true);
        time::sleep(DRAIN_LIMIT).await;
    };
    select! {
        end = server => end?,
        () = limit => tracing::warn!("some requests take longer than {DRAIN_LIMIT:?}"),
    }
    // Sections that still run are cancelled, and other processes get their locks at once.
    if !locks.shutdown_within(RELEASE_LIMIT).await {
        tracing::warn!("the lock server has not confirmed all releases");
    }
    Ok(())
}

async fn is_set(mut stopping: watch::Receiver<bool>) {
    // An error means that the sender is gone, which ends the process too.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

/// Ctrl-C, and what `kill`, Docker and Kubernetes send.
async fn asked_to_end() {
    let interrupt = async { signal::ctrl_c().await.expect("a handler can be installed") };
    #[cfg(unix)]
    let terminate = async {
        let mut signals = signal::unix::signal(signal::unix::SignalKind::terminate())
            .expect("a handler can be installed");
        signals.recv().await;
    };
    #[cfg(not(unix))]
    let terminate = std::future::pending::<()>();
    select! {
        () = interrupt => {}
        () = terminate => {}
    }
}
