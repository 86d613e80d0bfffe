use distlock::distributed_lock;
use proptest::prelude::{ProptestConfig, prop_assert_eq, proptest};
use proptest::test_runner::TestCaseError;

use super::support::{Error, assert_released, held, locks, support};

#[distributed_lock("proptest:sum:{left}")]
fn sum(left: u32, right: u32) -> Result<(u64, Option<String>), Error> {
    Ok((u64::from(left) + u64::from(right), held()))
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 20,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn random_arguments_stand_in_the_key(left: u32, right: u32) {
        support();
        let (value, inside) = sum(left, right).expect("free");
        prop_assert_eq!(value, u64::from(left) + u64::from(right));
        prop_assert_eq!(inside, Some(format!("proptest:sum:{left}")));
        assert_released(&format!("proptest:sum:{left}"));
    }

    // The attribute is on the test that `proptest!` writes, around all its cases.
    #[test]
    #[distributed_lock("proptest:test", manager = locks(), on_error = panic)]
    fn a_property_test_runs_under_one_hold(number in 0_u32..9) {
        prop_assert_eq!(held(), Some("proptest:test".to_owned()));
        check(number)?;
    }
}

#[distributed_lock(
    "proptest:check",
    on_error = |error| Err(TestCaseError::fail(error.to_string()))
)]
fn check(number: u32) -> Result<(), TestCaseError> {
    prop_assert_eq!(held(), Some("proptest:check".to_owned()));
    prop_assert_eq!(number / 9, 0);
    Ok(())
}
