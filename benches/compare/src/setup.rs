//! Describes the setup: versions, tunings and the machine.

use std::thread;

use testkit::RedisServer;

use crate::lock::settings::LINGER;
use crate::python::Python;

const LOCK_FILE: &str = include_str!("../Cargo.lock");

pub fn describe(server: &RedisServer, python: &anyhow::Result<Python>) -> anyhow::Result<String> {
    let cores = thread::available_parallelism()?;
    let redis = server_version(server)?;
    let python = match python {
        Ok(python) => python.version.clone(),
        Err(error) => format!("(not measured: {error:#})"),
    };
    let linger = LINGER;
    let peers = ["rlock", "rslock", "redis"].map(version);
    let [rlock, redlock, client] = &peers;
    Ok(format!(
        "\
{cores} cores, everything over loopback, redis-server {redis}, crate `redis` {client}. Trust the \
ratios of one run.

- **raw baseline**: `SET NX PX` and a compare-and-delete script by EVALSHA, each worker on its \
own key; threads have a
  connection each, tasks share a multiplexed one. Not a lock: no waiting, no renewal, no token.
- **distlock**: its defaults (ttl 30 s, renewal, a fencing token, releases that are sent and not \
waited for). \"strict\":
  `strict_fifo()`. \"linger\": `linger({linger:?})`.
- **rlock** {rlock}: its defaults (ttl 10 s, a try every 100 ms, renewal by a thread or a task for \
each hold). \"tuned\": a
  try every 1 ms, no renewal, ttl 30 s, a pool with a connection for each thread.
- **rslock** {redlock}: its defaults (three tries, up to 200 ms between two, then over again); ttl \
30 s, no renewal. \"tuned\":
  1,000,000 tries with 0 or 1 ms between two (its setting of 2 ms). \"spinning\": its setting of 1 \
  ms, which is a loop without
  any pause. It has no synchronous API.
- **redis-py** {python}: `lock(timeout=30)`, a try every 100 ms, blocking, no renewal. \"tuned\": \
`sleep=0.001`. Its threads
  share one interpreter.

Tasks run on a tokio runtime with two threads. All peers poll: releases are confirmed, and the \
next one comes when it tries.
"
    ))
}

fn server_version(server: &RedisServer) -> anyhow::Result<String> {
    let info: String = redis::cmd("INFO").arg("server").query(&mut server.connection())?;
    let version = info.lines().find_map(|line| line.strip_prefix("redis_version:"));
    Ok(version.unwrap_or("of an unknown version").to_owned())
}

/// The version of a package that this program is built with.
fn version(package: &str) -> String {
    let mut lines = LOCK_FILE.lines().skip_while(|line| *line != format!("name = \"{package}\""));
    let line = lines.nth(1).and_then(|line| line.strip_prefix("version = "));
    line.unwrap_or("of an unknown version").trim_matches('"').to_owned()
}

#[cfg(test)]
mod tests;
