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
    let this_thread = || {
        let link = fs::read_link("/proc/thread-self").unwrap();
        link.file_name().unwrap().to_string_lossy().into_owned()
    };
    let first = this_thread();
    let second = thread::spawn(move || {
        let waits = waits().unwrap();
        assert!(waits.contains_key(&first), "{first} is not in {waits:?}");
        assert!(waits.contains_key(&this_thread()), "{} is not in {waits:?}", this_thread());
    });
    second.join().unwrap();
}
