//! Prints the speed of the checker.
//!
//! `cargo test --release -p checker --test pace -- --nocapture`

mod reference;

use std::hint::black_box;
use std::time::{Duration, Instant};

use checker::{Event, check};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use reference::{history, rules, steps};

#[test]
fn throughput_of_many_small_histories() {
    let mut runner = TestRunner::deterministic();
    for (size, number) in [(10..20, 50), (40..80, 20), (150..180, 20), (5_000..5_001, 1)] {
        let histories: Vec<Vec<Event>> = (0..number)
            .map(|_| steps(size.clone()).new_tree(&mut runner).unwrap().current())
            .map(|steps| history(&steps))
            .collect();
        let (mut checked, start) = (0, Instant::now());
        while start.elapsed() < Duration::from_millis(200) {
            for events in &histories {
                assert!(black_box(check(events, &rules())).is_right());
                checked += u32::try_from(events.len()).unwrap();
            }
        }
        let millions = f64::from(checked) / start.elapsed().as_secs_f64() / 1e6;
        let mean = histories.iter().map(Vec::len).sum::<usize>() / histories.len();
        println!("histories of about {mean:>6} events: {millions:.1} million events/s");
    }
}
