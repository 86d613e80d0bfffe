mod max_lease;

use super::*;

#[test]
fn all_keys_of_a_lock_share_its_hash_tag_and_no_lock_can_take_a_companions_name() {
    let space = Keyspace::new("lock:");
    let names = space.names("order:7");
    let companions =
        [names.queue().to_string(), names.waiters().to_string(), names.cancelled().to_string()];
    for name in companions {
        assert!(name.starts_with("lock:{order:7}:"));
        assert!(!name.ends_with('}'), "every hold ends in a brace, no companion does");
    }
    assert_eq!(names.hold(), "lock:{order:7}");
}
