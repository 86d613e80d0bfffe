//! Requests that wait for one another, each on both sides.

use std::time::Duration;

use crate::backend::memory::tests::commands::{
    KEY, once, owner_info, release, request, request_id,
};
use crate::backend::memory::tests::parity::Both;
use crate::types::request_id::RequestId;
use crate::wire::command::{Acquire, Command, Probe, RegisteredWait, RequestRef, WaitTarget};
use crate::wire::reply::{BlockedWait, ProbeReply, Reply};

const FIRST: &str = "first key";
const SECOND: &str = "second {key}\nof two lines";
const THIRD: &str = "}third key";

/// A request made inside the section of request id `inside`, with a number above those of the
/// sections.
fn waiting(number: u8, inside: u8, key: &str) -> Probe {
    Probe {
        id: request_id(number),
        chain: vec![request_id(inside)],
        target: WaitTarget::Key,
        key: key.to_owned(),
        waited: Duration::ZERO,
        owner: owner_info(request_id(number)),
    }
}

impl Both {
    fn hold(&mut self, number: u8, key: &str) {
        let request = RequestRef { key: key.into(), ..request(request_id(number)) };
        self.granted(Acquire { request, ttl: Duration::from_mins(1), ..once(request_id(number)) });
    }

    fn probe(&mut self, probe: Probe) -> ProbeReply {
        match self.same(Command::Probe(probe)) {
            Reply::Probed(probed) => probed,
            other => panic!("a probe was answered by {other:?}"),
        }
    }

    fn cycle(&mut self, probe: Probe) -> Vec<RequestId> {
        self.probe(probe).cycle.iter().map(|member| member.id).collect()
    }

    /// The sections 1 and 2 hold a key each; request 11, made inside 1, waits for the key of 2.
    fn half_a_cycle() -> Self {
        let mut both = Self::new();
        both.hold(1, FIRST);
        both.hold(2, SECOND);
        assert_eq!(both.cycle(waiting(11, 1, SECOND)), []);
        both
    }
}

#[test]
fn two_that_took_two_keys_in_opposite_orders_are_found_by_the_younger() {
    let mut both = Both::half_a_cycle();
    let found = both.probe(waiting(12, 2, FIRST));
    let seen: Vec<_> =
        found.cycle.iter().map(|member| (member.id, member.key.as_str(), &member.owner)).collect();
    let (younger, older) = (owner_info(request_id(12)), owner_info(request_id(11)));
    assert_eq!(seen, [(request_id(12), FIRST, &younger), (request_id(11), SECOND, &older)]);
    assert_eq!(found.cycle[0].refreshed_us, found.at_us);
    assert!(found.cycle[1].refreshed_us < found.at_us);
}

#[test]
fn a_cycle_is_found_by_the_names_of_all_kinds_of_keys() {
    for key in [KEY, "", THIRD, SECOND, "{}b", "{}a{{}", "a{{}", "{}a}"] {
        let mut both = Both::new();
        both.hold(1, FIRST);
        both.hold(2, key);
        assert_eq!(both.cycle(waiting(11, 1, key)), []);
        assert_eq!(both.cycle(waiting(12, 2, FIRST)), [request_id(12), request_id(11)], "{key}");
    }
}

#[test]
fn the_older_one_does_not_see_the_cycle_and_stays_the_older_however_often_it_asks() {
    let mut both = Both::half_a_cycle();
    for _ in 0..3 {
        assert_eq!(both.cycle(waiting(12, 2, FIRST)), [request_id(12), request_id(11)]);
        both.advance(Duration::from_millis(300));
        assert_eq!(both.cycle(waiting(11, 1, SECOND)), []);
    }
}

#[test]
fn how_long_it_waited_counts_at_the_first_registration_alone() {
    let mut both = Both::half_a_cycle();
    let waited = Duration::from_secs(9);
    assert_eq!(both.cycle(Probe { waited, ..waiting(12, 2, FIRST) }), [], "the older one");
    assert_eq!(both.cycle(waiting(12, 2, FIRST)), []);
    let late = Probe { waited: Duration::from_secs(60), ..waiting(11, 1, SECOND) };
    assert_eq!(both.cycle(late), [request_id(11), request_id(12)]);
}

#[test]
fn of_two_that_began_at_the_same_instant_the_smaller_id_is_the_older() {
    let mut both = Both::new();
    both.hold(1, FIRST);
    both.hold(2, SECOND);
    let waited = Duration::MAX;
    assert_eq!(both.cycle(Probe { waited, ..waiting(12, 2, FIRST) }), []);
    assert_eq!(both.cycle(Probe { waited, ..waiting(11, 1, SECOND) }), []);
    assert_eq!(
        both.cycle(Probe { waited, ..waiting(12, 2, FIRST) }),
        [request_id(12), request_id(11)]
    );
}

#[test]
fn three_in_a_ring_are_found_in_their_order() {
    let mut both = Both::half_a_cycle();
    both.hold(3, THIRD);
    assert_eq!(both.cycle(waiting(12, 2, THIRD)), []);
    assert_eq!(both.cycle(waiting(13, 3, FIRST)), [request_id(13), request_id(11), request_id(12)]);
}

#[test]
fn a_request_inside_several_sections_waits_for_all_of_them() {
    let mut both = Both::new();
    both.hold(1, FIRST);
    both.hold(2, SECOND);
    let chain = vec![request_id(7), request_id(1), request_id(8)];
    assert_eq!(both.cycle(Probe { chain, ..waiting(11, 1, SECOND) }), []);
    let chain = vec![request_id(9), request_id(2)];
    assert_eq!(
        both.cycle(Probe { chain, ..waiting(12, 2, FIRST) }),
        [request_id(12), request_id(11)]
    );
}

#[test]
fn a_request_may_wait_for_a_section_that_holds_no_key() {
    let mut both = Both::half_a_cycle();
    let section = |number| WaitTarget::Section(request_id(number));
    let turn = Probe { target: section(7), ..waiting(12, 2, KEY) };
    assert_eq!(both.cycle(turn), []);
    let inside = Probe { target: section(1), ..waiting(13, 7, KEY) };
    assert_eq!(both.cycle(inside), [request_id(13), request_id(11), request_id(12)]);
}

#[test]
fn a_dead_end_on_the_way_is_left_again() {
    let mut both = Both::half_a_cycle();
    both.hold(3, THIRD);
    assert_eq!(both.cycle(waiting(10, 1, THIRD)), [], "nobody waits inside the third section");
    assert_eq!(both.cycle(waiting(12, 2, FIRST)), [request_id(12), request_id(11)]);
}

#[test]
fn a_ring_of_others_neither_counts_nor_keeps_the_search_busy() {
    let mut both = Both::half_a_cycle();
    assert_eq!(both.cycle(waiting(12, 2, FIRST)), [request_id(12), request_id(11)]);
    assert_eq!(both.cycle(waiting(13, 3, FIRST)), []);
}

#[test]
fn a_request_for_what_its_own_section_holds_waits_for_itself() {
    let mut both = Both::new();
    both.hold(1, FIRST);
    assert_eq!(both.cycle(waiting(11, 1, FIRST)), [request_id(11)]);
}

#[test]
fn a_request_without_sections_is_in_no_cycle_and_leaves_nothing() {
    let mut both = Both::half_a_cycle();
    assert_eq!(both.cycle(Probe { chain: Vec::new(), ..waiting(12, 2, FIRST) }), []);
    assert_eq!(both.cycle(waiting(13, 2, FIRST)), [request_id(13), request_id(11)]);
}

#[test]
fn an_entry_that_is_not_refreshed_does_not_count() {
    let mut both = Both::half_a_cycle();
    both.advance(Duration::from_millis(1_200));
    assert_eq!(both.cycle(waiting(12, 2, FIRST)), [request_id(12), request_id(11)]);
    both.advance(Duration::from_millis(500));
    assert_eq!(both.cycle(waiting(12, 2, FIRST)), []);
    // In time to keep its age.
    assert_eq!(both.cycle(waiting(11, 1, SECOND)), []);
    assert_eq!(both.cycle(waiting(12, 2, FIRST)), [request_id(12), request_id(11)]);
}

#[test]
fn an_entry_that_is_over_is_gone_though_others_keep_its_hash() {
    let mut both = Both::half_a_cycle();
    both.advance(Duration::from_millis(1_200));
    assert_eq!(both.cycle(waiting(10, 1, KEY)), []);
    both.advance(Duration::from_millis(1_200));
    assert_eq!(both.cycle(waiting(12, 2, FIRST)), []);
    let name = format!("lock:blocked:{}", request_id(1));
    let fields: Vec<String> = redis::from_redis_value(both.raw(&["HKEYS", &name])).unwrap();
    assert_eq!(fields, [request_id(10).to_string()]);
    // It has lost its age.
    assert_eq!(both.cycle(waiting(11, 1, SECOND)), [request_id(11), request_id(12)]);
}

#[test]
fn a_request_that_was_granted_meanwhile_waits_no_more() {
    let mut both = Both::half_a_cycle();
    let request = RequestRef { key: SECOND.into(), ..request(request_id(2)) };
    assert_eq!(both.same(release(request)), Reply::Released(true));
    both.hold(11, SECOND);
    assert_eq!(both.cycle(waiting(12, 11, SECOND)), [request_id(12)]);
    assert_eq!(both.cycle(waiting(13, 11, FIRST)), [], "the entry of request 11 leads nowhere");
}

#[test]
fn a_free_key_and_a_foreign_one_end_the_way() {
    let mut both = Both::half_a_cycle();
    assert_eq!(both.cycle(waiting(12, 2, THIRD)), []);
    both.put_not_a_lock(FIRST);
    assert_eq!(both.cycle(waiting(12, 2, FIRST)), []);
    let kept = both.raw(&["LLEN", "lock:{first key}"]);
    assert_eq!(kept, redis::Value::Int(1));
}

#[test]
fn a_search_ends_after_as_many_requests_as_it_may_visit() {
    let mut both = Both::new();
    let section = |number: u8| WaitTarget::Section(request_id(number));
    let mut probe = |number: u8, inside: u8, to: u8| {
        both.cycle(Probe { target: section(to), ..waiting(number, inside, KEY) }).len()
    };
    // Section 0 waits for 1, that for 2, and so on.
    for number in 0..65 {
        assert_eq!(probe(100 + number, number, number + 1), 0);
    }
    assert_eq!(probe(200, 64, 0), 65, "64 others");
    assert_eq!(probe(201, 65, 0), 0, "64 others do not reach it");
}

#[test]
fn nothing_is_left_after_two_seconds() {
    let mut both = Both::half_a_cycle();
    both.same(release(RequestRef { key: FIRST.into(), ..request(request_id(1)) }));
    both.same(release(RequestRef { key: SECOND.into(), ..request(request_id(2)) }));
    assert!(!both.memory.is_empty(both.now_us()));
    both.advance(Duration::from_millis(2_100));
    assert!(both.memory.is_empty(both.now_us()));
    let keys: Vec<String> = redis::from_redis_value(both.raw(&["KEYS", "*"])).unwrap();
    assert_eq!(keys, ["lock:tokens"]);
}

impl Both {
    fn register(&mut self, number: u8, inside: u8, wait: Option<RegisteredWait>) {
        let (section, id) = (request_id(inside), request_id(number));
        assert_eq!(self.same(Command::Register { section, id, wait }), Reply::Registered);
    }

    fn inside(&mut self, section: u8) -> Vec<BlockedWait> {
        match self.same(Command::LookAtSection(request_id(section))) {
            Reply::Blocked(waits) => waits,
            other => panic!("a look at a section was answered by {other:?}"),
        }
    }

    fn ids_inside(&mut self, section: u8) -> Vec<RequestId> {
        let mut ids: Vec<_> = self.inside(section).iter().map(|wait| wait.request.id).collect();
        ids.sort_unstable();
        ids
    }

    fn holder(&mut self, key: &str) -> Option<RequestId> {
        match self.same(Command::LookAtHold(key.into())) {
            Reply::Holder(holder) => holder,
            other => panic!("a look at a hold was answered by {other:?}"),
        }
    }
}

fn registered(count: u64, key: &str) -> RegisteredWait {
    let owner = owner_info(request_id(1));
    RegisteredWait { count, target: WaitTarget::Key, key: key.into(), owner }
}

#[test]
fn what_is_registered_in_a_cluster_is_read_as_it_was_written() {
    let mut both = Both::new();
    let target = WaitTarget::Section(request_id(7));
    both.register(11, 1, Some(registered(3, SECOND)));
    both.register(12, 1, Some(RegisteredWait { target, ..registered(u64::MAX, "") }));
    let mut waits = both.inside(1);
    waits.sort_by_key(|wait| wait.request.id);
    let seen: Vec<_> = waits.iter().map(|wait| (wait.count, wait.target)).collect();
    assert_eq!(seen, [(3, WaitTarget::Key), (u64::MAX, target)]);
    let requests: Vec<_> = waits.into_iter().map(|wait| wait.request).collect();
    assert_eq!((requests[0].key.as_str(), requests[1].key.as_str()), (SECOND, ""));
    assert!(requests.iter().all(|request| request.owner == owner_info(request_id(1))));
    assert!(requests[0].refreshed_us <= requests[1].refreshed_us);
    assert_eq!(both.ids_inside(2), []);
}

#[test]
fn a_registration_that_is_taken_back_is_gone() {
    let mut both = Both::new();
    both.register(11, 1, Some(registered(1, FIRST)));
    both.register(12, 1, Some(registered(1, FIRST)));
    both.register(11, 1, None);
    both.register(13, 1, None);
    assert_eq!(both.ids_inside(1), [request_id(12)]);
    both.register(12, 1, None);
    assert_eq!(both.ids_inside(1), []);
    let keys: Vec<String> = redis::from_redis_value(both.raw(&["KEYS", "*"])).unwrap();
    assert_eq!(keys, ["lock:tokens"]);
}

#[test]
fn a_registration_that_is_not_repeated_is_dropped_by_the_next_one_or_with_all() {
    let mut both = Both::new();
    both.register(11, 1, Some(registered(1, FIRST)));
    both.advance(Duration::from_millis(1_200));
    both.register(12, 1, Some(registered(1, FIRST)));
    both.advance(Duration::from_millis(1_200));
    assert_eq!(both.ids_inside(1), [request_id(11), request_id(12)]);
    both.register(12, 1, Some(registered(2, FIRST)));
    assert_eq!(both.ids_inside(1), [request_id(12)]);
    both.advance(Duration::from_millis(2_100));
    assert_eq!(both.ids_inside(1), []);
}

#[test]
fn the_holder_of_a_key_is_read_and_nothing_else_is_taken_for_one() {
    let mut both = Both::new();
    both.hold(1, FIRST);
    assert_eq!(both.holder(FIRST), Some(request_id(1)));
    assert_eq!(both.holder(SECOND), None);
    both.put_other_client_lock(SECOND, Duration::from_mins(1));
    both.put_not_a_lock(THIRD);
    assert_eq!([both.holder(SECOND), both.holder(THIRD)], [None, None]);
    let request = RequestRef { key: FIRST.into(), ..request(request_id(1)) };
    let keep = Duration::from_mins(1);
    both.same(Command::Release { request, contended: false, keep });
    assert_eq!(both.holder(FIRST), None, "it is kept, but nobody is inside");
}
