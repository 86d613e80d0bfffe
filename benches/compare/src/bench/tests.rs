use super::*;

#[test]
fn workers_are_distributed_evenly() {
    assert_eq!(shares(64, 4).collect::<Vec<_>>(), [16, 16, 16, 16]);
    assert_eq!(shares(2, 4).collect::<Vec<_>>(), [1, 1]);
    assert_eq!(shares(7, 3).sum::<usize>(), 7);
}
