use super::*;

fn event(at: u64, process: u32, kind: EventKind) -> Event {
    Event { at, process, task: 0, kind }
}

fn entered(at: u64, process: u32, valid_until: u64) -> Event {
    let request = u64::from(process);
    event(at, process, EventKind::Acquired { request, fence: request, valid_until, outer: None })
}

#[test]
fn a_round_counts_the_overlap_and_the_late_writes() {
    let wrote = |at, request, accepted| {
        event(at, u32::try_from(request).unwrap(), EventKind::RegisterWrite { request, accepted })
    };
    let history = [
        entered(1, 1, 90),
        event(10, 1, EventKind::Extended { request: 1, until: 100 }),
        wrote(20, 1, true),
        entered(60, 2, 200),
        wrote(61, 2, true),
        event(80, 1, EventKind::LossReported { request: 1 }),
        wrote(82, 1, false),
    ];
    let mut losses = Losses::none(LossKind::Delete, Arrival::AfterLoss);
    losses.add(&history);
    assert_eq!((losses.double_holds, losses.spans[0].as_nanos()), (1, 20));
    assert_eq!((losses.late, losses.accepted), (1, 0));
    assert!(losses.is_right());
    assert!(
        Table(&[losses])
            .to_string()
            .contains("| DEL of the hold | after the loss | 1 | 1 | 100.0 %")
    );
}
