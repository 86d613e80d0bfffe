use super::*;

#[test]
fn the_wait_of_one_thread_counts() {
    let waits = |all: &[(&str, Nanos)]| {
        all.iter().map(|&(thread, wait)| (thread.to_owned(), wait)).collect::<BTreeMap<_, _>>()
    };
    let before = waits(&[("1", 500), ("2", 70), ("3", 9_000)]);
    assert_eq!(longest_wait(&before, &before), 0);
    assert_eq!(longest_wait(&before, &waits(&[("1", 510), ("2", 100)])), 30);
    assert_eq!(longest_wait(&before, &waits(&[("1", 510), ("4", 40)])), 40);
    // The number of one that has ended is used again.
    assert_eq!(longest_wait(&before, &waits(&[("3", 8)])), 0);
}

#[test]
fn each_thread_is_counted() {
    let ends = std::sync::Barrier::new(2);
    let threads = || waits().unwrap().len();
    thread::scope(|scope| {
        let before = threads();
        scope.spawn(|| ends.wait());
        testkit::eventually(Duration::from_secs(10), "one more thread", || threads() > before);
        ends.wait();
    });
}
