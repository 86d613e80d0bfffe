//! A writer that was paused past its lease is refused by its fencing token:
//! `cargo run --example fenced_write`
//!
//! The storage is a Redis hash that keeps the highest token beside the value; a script compares and
//! writes in one step.

#[path = "support/mod.rs"]
mod support;

use anyhow::ensure;
use distlock::{Fence, LockManager};
use redis::Script;

/// Writes ARGV[2] unless a higher token than ARGV[1] has written; answers whether it did.
const FENCED_SET: &str = "
    local highest = tonumber(redis.call('HGET', KEYS[1], 'fence') or '0')
    if tonumber(ARGV[1]) < highest then return 0 end
    redis.call('HSET', KEYS[1], 'fence', ARGV[1], 'value', ARGV[2])
    return 1";

fn main() -> anyhow::Result<()> {
    let server = support::Server::find()?;
    println!("server: {server}");
    if server.url().starts_with("memory://") {
        println!("the storage of this example is a Redis server: install one, or set DISTLOCK_URL");
        return Ok(());
    }
    let locks = LockManager::connect(server.url())?;
    let mut storage = redis::Client::open(server.url())?.get_connection()?;

    // Its lock is gone, as after a pause past the lease; the writer itself does not know.
    let paused = locks.mutex("fenced").acquire_blocking()?.fence();
    let current = locks.mutex("fenced").acquire_blocking()?;

    let written = write(&mut storage, current.fence(), "by the holder")?;
    let late = write(&mut storage, paused, "by the late writer")?;
    println!("token {} writes: {written}; token {paused} comes late: {late}", current.fence());
    let value: String = redis::cmd("HGET").arg("fenced:value").arg("value").query(&mut storage)?;
    redis::cmd("DEL").arg("fenced:value").exec(&mut storage)?;
    ensure!(value == "by the holder", "the late writer got through");
    println!("the storage holds what was written {value}");
    Ok(())
}

fn write(storage: &mut redis::Connection, fence: Fence, value: &str) -> redis::RedisResult<bool> {
    Script::new(FENCED_SET).key("fenced:value").arg(fence.get()).arg(value).invoke(storage)
}
