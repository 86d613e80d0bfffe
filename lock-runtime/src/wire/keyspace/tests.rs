mod max_lease;

use super::*;

#[test]
fn a_key_cannot_take_the_name_of_another_key_of_a_lock() {
    let space = Keyspace::new("lock:");
    assert_eq!(space.hold("order:7"), "lock:{order:7}");
    assert!(space.hold("order:7}:queue").ends_with('}'), "every hold ends in a brace");
}
