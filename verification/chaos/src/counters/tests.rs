use super::*;

#[test]
fn a_counter_that_one_process_writes_is_read_by_another() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("counters");
    let one = Counters::create(&path, 3).unwrap();
    let other = Counters::open(&path).unwrap();
    assert_eq!(other.read(2), Count { number: 0, by: 0 });
    let count = Count { number: u64::MAX - 1, by: 7 };
    one.write(2, count);
    assert_eq!((other.read(2), other.read(1).number), (count, 0));
}
