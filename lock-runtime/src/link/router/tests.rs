//! The timers of a link without a keeper and a connection.

use std::task::{Context, Waker};

use super::*;
use crate::link::handle::LinkHandle;
use crate::local::key_queue::{QueueContext, QueueTable};
use crate::local::queue::AcquireParams;
use crate::protocol::timing::Timing;
use crate::types::owner_info::ProcessInfo;
use crate::types::replicas::Replicas;
use crate::types::time;

const TTL: Duration = Duration::from_secs(30);

fn link() -> LinkHandle {
    LinkHandle::new(Timing::default(), "inbox".to_owned(), TTL).expect("two signals")
}

fn timers(link: &LinkHandle) -> usize {
    link.link().submit(|router, _| router.timers.len()).expect("the link is open")
}

#[test]
fn dropping_the_future_cancels_its_timer() {
    let link = link();
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..100 {
        let mut timer = Box::pin(link.sleep_until(Some(time::now().plus(TTL))));
        assert!(timer.as_mut().poll(&mut context).is_pending());
        assert_eq!(timers(&link), 1);
        drop(timer);
        assert_eq!(timers(&link), 0);
    }
}

#[test]
fn the_timers_of_a_queue_are_cancelled_with_it() {
    let link = link();
    let process = Arc::new(ProcessInfo::of_this_process());
    let queues = QueueTable::new(QueueContext {
        max_handoffs: 8,
        process,
        replicas: Replicas::None,
        metrics_by_key: false,
        counts: Arc::default(),
        io: link.io_handle(),
    });
    let params = AcquireParams::with_ttl(TTL);
    for number in 0..100 {
        let key = format!("key:{number}");
        let waits: Vec<_> = (0..3).map(|_| queues.join(&key, params)).collect();
        assert!(timers(&link) > 0, "those behind the first wait");
        drop(waits);
        assert_eq!(timers(&link), 0);
    }
}
