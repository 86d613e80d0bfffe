mod preflight;
mod server_info;

use std::collections::BTreeSet;

use super::*;
use crate::backend::redis::value::ServerError;
use crate::wire::script::Script;

/// The commands that a script calls by name.
fn commands(script: Script) -> BTreeSet<&'static str> {
    let calls = ["call('", "try('", "{'"];
    let behind = |call| script.text().split(call).skip(1);
    let names = calls.into_iter().flat_map(behind).filter_map(|rest| rest.split('\'').next());
    names.filter(|name| name.chars().all(|c| c.is_ascii_uppercase())).collect()
}

#[test]
fn what_scripts_run_is_what_is_checked_and_granted() {
    let (checks, others): (Vec<_>, Vec<_>) =
        Script::ALL.into_iter().partition(|&script| script == Script::Check);
    let mut run: BTreeSet<_> = others.into_iter().flat_map(commands).collect();
    // What a user may do without.
    assert!(run.remove("INFO"));
    assert_eq!(commands(checks[0]), run);
    for command in run {
        let rule = format!("+{}", command.to_lowercase());
        let of_it = |granted: &&str| granted.split('|').next() == Some(&rule);
        assert!(COMMANDS.iter().any(of_it), "{rule}");
    }
}

#[test]
fn the_documented_rules_are_these() {
    let docs = include_str!("../../../../../docs/server.md");
    let shown: String = docs.split_whitespace().collect::<Vec<_>>().join(" ");
    for space in [Keyspace::new("lock:"), Keyspace::new("lock:").sharded()] {
        let rules = rules(&space);
        assert!(shown.contains(&rules), "docs/server.md does not show: {rules}");
    }
}

#[test]
fn patterns_are_granted_only_to_a_user_who_lacks_them() {
    let space = Keyspace::new("lock:");
    let refused = |words: &str| Value::ServerError(ServerError::new(format!("NOPERM {words}")));
    let [no_command, no_key, no_channel] = [
        "this user has no permissions to run the 'x' command",
        "No permissions to access a key",
        "No permissions to access a channel",
    ]
    .map(refused);
    let done = Value::Okay;
    let (keys, channels) = ("~lock:*", "&lock:inbox:*");
    for (watched, subscribed, granted, unknown) in [
        (&no_key, &no_channel, &[keys, channels][..], &[][..]),
        (&no_key, &done, &[keys], &[]),
        (&done, &no_channel, &[channels], &[]),
        (&done, &no_command, &[], &[channels]),
        (&no_command, &no_command, &[], &[keys, channels]),
    ] {
        let mut denied = Denied::none(&space);
        denied.note_answer("watch", watched);
        denied.note_answer("subscribe", subscribed);
        denied.note_answer("evalsha", &no_command);
        let (rules, may_lack) = denied.to_grant();
        assert_eq!(rules, [granted, &super::commands(&space)].concat());
        assert_eq!(may_lack, unknown);
    }
}

#[test]
fn a_prefix_is_no_pattern() {
    let rules = rules(&Keyspace::new("a*[b]?:"));
    assert!(rules.starts_with(r"~a\*\[b\]\?:* &a\*\[b\]\?:inbox:* +"), "{rules}");
}
