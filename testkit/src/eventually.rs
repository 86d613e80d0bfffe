//! Waits for a condition, with a limit.

use std::thread;
use std::time::{Duration, Instant};

/// Long enough to leave the processor to other threads, short enough not to slow down a test.
const POLL: Duration = Duration::from_millis(2);

/// Polls `condition` until it is true.
///
/// # Panics
///
/// With `what` if that does not happen within `limit`.
#[track_caller]
pub fn eventually(limit: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < limit, "not within {limit:?}: {what}");
        thread::sleep(POLL);
    }
}

/// [`eventually`] for async tests: the condition may await, and so does the pause between two
/// polls.
///
/// # Panics
///
/// With `what` if the condition does not become true within `limit`.
pub async fn eventually_async(
    limit: Duration,
    what: &str,
    mut condition: impl AsyncFnMut() -> bool,
) {
    let start = Instant::now();
    while !condition().await {
        assert!(start.elapsed() < limit, "not within {limit:?}: {what}");
        async_io::Timer::after(POLL).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_that_becomes_true_ends_the_wait() {
        let mut polls = 0;
        eventually(Duration::from_secs(5), "the third poll", || {
            polls += 1;
            polls == 3
        });
        assert_eq!(polls, 3);
    }

    #[test]
    #[should_panic(expected = "not within 5ms: pigs fly")]
    fn a_condition_that_stays_false_panics_with_its_name() {
        eventually(Duration::from_millis(5), "pigs fly", || false);
    }

    #[test]
    fn the_async_twin_polls_the_same_way() {
        let mut polls = 0;
        async_io::block_on(eventually_async(
            Duration::from_secs(5),
            "the third poll",
            async || {
                polls += 1;
                polls == 3
            },
        ));
        assert_eq!(polls, 3);
    }
}
