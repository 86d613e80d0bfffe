//! What a locked call does, on one server and mostly in one process.

mod support;

mod behaviour {
    mod bounds;
    mod cancel;
    mod connecting;
    mod deadlock;
    mod depth;
    mod durations;
    mod errors;
    mod failover;
    mod foreign;
    mod hand_over;
    mod inspect;
    mod lease;
    mod linger;
    mod logs;
    mod loss;
    mod many;
    mod messages;
    mod nesting;
    mod outcome;
    mod preflight;
    mod reenter;
    mod released;
    mod renewal;
    mod rights;
    mod servers;
    mod settings;
    mod sharing;
    mod short_holds;
    mod siblings;
    mod strangers;
    mod subscribers;
    mod sync_in_task;
    mod thread_ends;
    mod unpolled;
    mod unreachable;
    mod visible;
    mod wakers;
}
