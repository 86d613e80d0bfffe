//! The storage rejects a writer whose lease has expired: `cargo run --example fenced_write`
//!
//! The storage is a Redis hash that contains the highest token and the value. A script compares the
//! tokens and writes in one step.

#[path = "support/mod.rs"]
mod support;

use anyhow::ensure;
use distlock::{Fence, LockManager};
use redis::Script;

/// Writes ARGV[2] unless a token higher than ARGV[1] has written. Returns whether it wrote.
const FENCED_SET: &str = "
    local highest = tonumber(redis.call('HGET', KEYS[1], 'fence') or '0')
    if tonumber(ARGV[1]) < highest then return 0 end
    redis.call('HSET', KEYS[1], 'fence', ARGV[1], 'value', ARGV[2])
    return 1";

fn main() -> anyhow::Result<()> {
    let server = support::Server::find()?;
    println!("server: {server}");
    if server.url().starts_with("memory://") {
        println!("this example needs a Redis server: install redis-server or set DISTLOCK_URL");
        return Ok(());
    }
    let locks = LockManager::connect(server.url())?;
    let mut storage = redis::Client::open(server.url())?.get_connection()?;

    // The lock is released, as after a pause beyond the lease, but the writer still has its token.
    let paused = locks.mutex("fenced").acquire_blocking()?.fence();
    let current = locks.mutex("fenced").acquire_blocking()?;

    let written = write(&mut storage, current.fence(), "by the holder")?;
    let late = write(&mut storage, paused, "by the late writer")?;
    println!("token {} accepted: {written}; late token {paused} accepted: {late}", current.fence());
    let value: String = redis::cmd("HGET").arg("fenced:value").arg("value").query(&mut storage)?;
    redis::cmd("DEL").arg("fenced:value").exec(&mut storage)?;
    ensure!(value == "by the holder", "the late write was accepted");
    println!("the storage has the value written {value}");
    Ok(())
}

fn write(storage: &mut redis::Connection, fence: Fence, value: &str) -> redis::RedisResult<bool> {
    Script::new(FENCED_SET).key("fenced:value").arg(fence.get()).arg(value).invoke(storage)
}
