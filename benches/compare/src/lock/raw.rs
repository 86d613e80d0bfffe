//! The baseline: the commands of a lock without queue, renewal or token.

use redis::{Cmd, Script, ScriptInvocation};

use super::TTL;

/// Deletes the key if it has our token.
const COMPARE_AND_DELETE: &str =
    "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0";
/// As long as the tokens of the libraries.
const TOKEN: &str = "0123456789abcdef";

pub fn acquire(key: &str) -> Cmd {
    let millis = u64::try_from(TTL.as_millis()).expect("a short ttl");
    let mut set = redis::cmd("SET");
    set.arg(key).arg(TOKEN).arg("NX").arg("PX").arg(millis);
    set
}

pub fn script() -> Script {
    Script::new(COMPARE_AND_DELETE)
}

pub fn release<'a>(script: &'a Script, key: &str) -> ScriptInvocation<'a> {
    let mut call = script.key(key);
    call.arg(TOKEN);
    call
}
