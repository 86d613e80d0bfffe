use super::*;

const FIRST: Timestamp = Timestamp::ZERO;

fn second() -> Timestamp {
    FIRST.plus(std::time::Duration::from_secs(1))
}

/// Which node it scans next, and where it goes on there on the first connection.
fn scans(listing: &mut Listing<u32>, nodes: &[u32]) -> (u32, u64) {
    match listing.step(nodes) {
        ListStep::Scan(node, cursor) => (node, cursor.on(second())),
        step => panic!("{step:?}"),
    }
}

fn page(next: u64) -> Option<ScanCursor> {
    ScanCursor::new(second(), next)
}

#[test]
fn a_server_is_walked_over_once_from_page_to_page() {
    let mut listing = Listing::of_server();
    assert_eq!(scans(&mut listing, &[1]), (1, 0));
    listing.scanned(1, page(17));
    assert_eq!(scans(&mut listing, &[1]), (1, 17));
    assert_eq!(scans(&mut listing, &[1]), (1, 17), "it was not answered");
    listing.scanned(1, page(0));
    assert_eq!(listing.step(&[1]), ListStep::Done);
    assert_eq!(listing.step(&[1]), ListStep::Done);
}

#[test]
fn a_walk_starts_over_on_another_connection() {
    let cursor = page(17).expect("there is more");
    assert_eq!(cursor.on(second()), 17);
    assert_eq!(cursor.on(second().plus(std::time::Duration::from_secs(1))), 0);
    assert_eq!(ScanCursor::START.on(FIRST), 0);
}

#[test]
fn all_nodes_are_walked_over_twice_and_discovered_before_each_round() {
    let mut listing = Listing::of_cluster();
    for _ in 0..2 {
        assert_eq!(listing.step(&[1, 2]), ListStep::Discover);
        listing.discovered();
        for node in [1, 2] {
            assert_eq!(scans(&mut listing, &[1, 2]), (node, 0));
            listing.scanned(node, page(9));
            assert_eq!(scans(&mut listing, &[1, 2]), (node, 9));
            listing.scanned(node, None);
        }
    }
    assert_eq!(listing.step(&[1, 2]), ListStep::Done);
}

#[test]
fn a_node_that_takes_over_is_walked_over_from_the_beginning() {
    let mut listing = Listing::of_cluster();
    assert_eq!(listing.step(&[1, 2]), ListStep::Discover);
    listing.discovered();
    assert_eq!(scans(&mut listing, &[1, 2]), (1, 0));
    listing.scanned(1, page(9));
    assert_eq!(scans(&mut listing, &[2, 3]), (2, 0));
    listing.scanned(2, page(0));
    assert_eq!(scans(&mut listing, &[2, 3]), (3, 0));
    listing.scanned(3, page(0));
    assert_eq!(scans(&mut listing, &[1, 2, 3]), (1, 0), "it is back, and was not done");
    listing.scanned(1, page(0));
    assert_eq!(listing.step(&[1, 2, 3]), ListStep::Discover);
}

#[test]
fn a_node_that_cannot_be_asked_comes_after_the_others() {
    let mut listing = Listing::of_cluster();
    assert_eq!(listing.step(&[1, 2, 3, 4]), ListStep::Discover);
    listing.discovered();
    assert_eq!(scans(&mut listing, &[1, 2, 3, 4]), (1, 0));
    listing.scanned(1, page(17));
    listing.failed();
    for node in [2, 3] {
        assert_eq!(scans(&mut listing, &[1, 2, 3, 4]), (node, 0));
        listing.scanned(node, page(0));
    }
    assert_eq!(scans(&mut listing, &[1, 2, 3, 4]), (4, 0));
    listing.failed();
    // Each in its turn, where it was.
    for _ in 0..2 {
        assert_eq!(scans(&mut listing, &[1, 2, 3, 4]), (1, 17));
        listing.failed();
        assert_eq!(scans(&mut listing, &[1, 2, 3, 4]), (4, 0));
        listing.failed();
    }
    // Another one has taken over from it.
    assert_eq!(scans(&mut listing, &[2, 3, 4]), (4, 0));
    listing.scanned(4, page(0));
    assert_eq!(listing.step(&[2, 3, 4]), ListStep::Discover);
}

#[test]
fn a_server_that_could_not_be_asked_goes_on_where_it_was() {
    let mut listing = Listing::of_server();
    assert_eq!(scans(&mut listing, &[1]), (1, 0));
    listing.scanned(1, page(17));
    assert_eq!(scans(&mut listing, &[1]), (1, 17));
    listing.failed();
    assert_eq!(scans(&mut listing, &[1]), (1, 17));
}
