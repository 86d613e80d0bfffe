//! The replies of the service to each error, with constructed errors.

use std::time::Duration;

use distlock::{Fence, LockError, testing};
use service::{Reply, reply};

const SECOND: Duration = Duration::from_secs(1);

fn all() -> [(LockError, u16); 10] {
    [
        (testing::busy("key"), 409),
        (testing::lost("key"), 500),
        (testing::unavailable("key", "connection refused"), 503),
        (testing::no_reply("key", SECOND), 503),
        (testing::refused("key", "NOPERM no permissions"), 500),
        (testing::key_conflict("key", SECOND), 500),
        (testing::data_loss("key", Some(SECOND)), 503),
        (testing::deadlock("key", &["other"]), 500),
        (testing::config("no url is set"), 500),
        (testing::closed("key"), 500),
    ]
}

#[test]
fn an_error_made_by_hand_is_one_as_the_library_makes_it() {
    for (error, status) in all() {
        let is_config = matches!(error, LockError::Config(_));
        assert_eq!(error.key(), (!is_config).then_some("key"), "{error}");
        assert_eq!(error.to_string().contains("'key'"), !is_config, "{error}");
        assert_eq!(reply(&error).0, status, "{error}");
    }
}

#[test]
fn what_an_error_made_by_hand_says_can_be_set() {
    let mut error = testing::busy("key");
    let LockError::Busy(busy) = &mut error else { panic!("{error}") };
    let mut holder = testing::holder("shop::sell");
    holder.host = "web-1".to_owned();
    holder.fence = Fence::try_from(7).unwrap();
    busy.holder = Some(holder);
    busy.ahead = 3;
    let text = error.to_string();
    assert!(text.contains("shop::sell") && text.contains("on web-1 (fence 7)"), "{text}");
    assert_eq!(reply(&error), Reply(409, "held by shop::sell, try again in 31 s".to_owned()));
    assert_eq!(testing::data_loss("key", Some(SECOND)).retry_after(), Some(SECOND));
}
