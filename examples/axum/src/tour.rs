//! What clients of the service see: a busy account, a client that disconnects, a process that ends,
//! and a lock server that is gone.

use std::io::Write as _;
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use distlock::{Holder, LockManager};
use serde_json::{Value, json};
use ureq::Agent;

use crate::processes::Process;
use crate::support;

/// How long the approval of a withdrawal takes: far longer than all that must happen meanwhile.
const APPROVAL: Duration = Duration::from_secs(2);
const LIMIT: Duration = Duration::from_secs(10);

struct Reply {
    status: u16,
    retry_after: Option<u64>,
    body: Value,
}

pub fn run() -> anyhow::Result<()> {
    let server = support::Server::find()?;
    println!("server: {server}");
    if server.url().starts_with("memory://") {
        println!("this example needs a Redis server: install redis-server or set DISTLOCK_URL");
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let database = folder.path().join("accounts.db");
    let approval = APPROVAL.as_millis().to_string();
    let start = || Process::start(server.url(), &database, &["--approval", &approval]);
    let (mut first, second) = (start()?, start()?);
    let locks = LockManager::connect(server.url())?;
    for process in [&first, &second] {
        until_ready_is(process, 200)?;
    }

    println!("\none client withdraws 30, and another one from the same account meanwhile");
    let url = first.url("/accounts/1/withdrawals");
    let withdrawal = thread::spawn(move || post(&url, 30));
    let holder = until_held(&locks, "account:1")?;
    ensure!(holder.pid == first.id(), "another process has the lock: {holder}");
    let busy = withdraw(&second, 1, 30)?;
    show("second process", &busy);
    ensure!(busy.status == 409 && busy.body["holder"]["pid"] == first.id());
    ensure!(busy.retry_after.is_some_and(|after| (1..=6).contains(&after)));
    let booked = withdrawal.join().expect("a client does not panic")?;
    show("first process", &booked);
    ensure!(booked.status == 200 && booked.body["balance"] == 70);

    println!("\na client disconnects while its withdrawal is approved");
    let asked = Instant::now();
    let mut client = TcpStream::connect(first.address)?;
    client.write_all(
        b"POST /accounts/2/withdrawals HTTP/1.1\r\nHost: accounts\r\n\
        Content-Type: application/json\r\nContent-Length: 14\r\n\r\n{\"amount\": 30}",
    )?;
    until_held(&locks, "account:2")?;
    drop(client);
    while locks.inspect_blocking("account:2")?.holder.is_some() {
        ensure!(asked.elapsed() < APPROVAL, "the lock is still held");
    }
    let left = get(&second, "/accounts/2")?;
    println!("the lock is free after {:.1?}, and the balance is unchanged", asked.elapsed());
    ensure!(left.body["balance"] == 100, "the withdrawal was booked");

    println!("\nthe first process is asked to end while it has a request");
    let url = first.url("/accounts/1/withdrawals");
    let withdrawal = thread::spawn(move || post(&url, 30));
    until_held(&locks, "account:1")?;
    first.ask_to_end()?;
    let booked = withdrawal.join().expect("a client does not panic")?;
    show("first process", &booked);
    ensure!(booked.status == 200 && booked.body["balance"] == 40);
    let status = first.wait()?;
    ensure!(status.success(), "it ended with {status}");
    let held = locks.inspect_blocking("account:1")?.holder;
    println!("it has ended with {status} and holds nothing");
    ensure!(held.is_none(), "the lock was not released");

    if server.is_private() {
        println!("\nthe lock server is stopped");
        drop(server);
        show("readiness", &until_ready_is(&second, 503)?);
        let refused = withdraw(&second, 1, 30)?;
        show("second process", &refused);
        ensure!(refused.status == 503);
        ensure!(refused.retry_after == Some(1), "no time to retry after");
        let left = get(&second, "/accounts/1")?;
        show("a read needs no lock", &left);
        ensure!(left.status == 200 && left.body["balance"] == 40);
    }
    Ok(())
}

fn until_ready_is(process: &Process, status: u16) -> anyhow::Result<Reply> {
    let start = Instant::now();
    loop {
        let ready = get(process, "/ready")?;
        if ready.status == status {
            return Ok(ready);
        }
        ensure!(start.elapsed() < LIMIT, "readiness is {}: {}", ready.status, ready.body);
    }
}

fn until_held(locks: &LockManager, key: &str) -> anyhow::Result<Holder> {
    let start = Instant::now();
    while start.elapsed() < LIMIT {
        if let Some(holder) = locks.inspect_blocking(key)?.holder {
            return Ok(holder);
        }
    }
    bail!("no request has locked {key}")
}

fn client() -> Agent {
    let config = Agent::config_builder();
    config.http_status_as_error(false).timeout_global(Some(LIMIT)).build().into()
}

fn get(process: &Process, path: &str) -> anyhow::Result<Reply> {
    reply(client().get(process.url(path)).call())
}

fn withdraw(process: &Process, account: i64, amount: i64) -> anyhow::Result<Reply> {
    post(&process.url(&format!("/accounts/{account}/withdrawals")), amount)
}

fn post(url: &str, amount: i64) -> anyhow::Result<Reply> {
    reply(client().post(url).send_json(json!({ "amount": amount })))
}

fn reply(answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> anyhow::Result<Reply> {
    let mut answer = answer.context("a request had no reply")?;
    let retry_after = answer.headers().get("retry-after");
    let retry_after = retry_after.map(|after| after.to_str()?.parse().context("not a number"));
    let text = answer.body_mut().read_to_string()?;
    let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
    Ok(Reply { status: answer.status().as_u16(), retry_after: retry_after.transpose()?, body })
}

fn show(from: &str, reply: &Reply) {
    let after = reply.retry_after.map_or_else(String::new, |s| format!(", Retry-After: {s}"));
    println!("{from}: {}{after}, {}", reply.status, reply.body);
}
