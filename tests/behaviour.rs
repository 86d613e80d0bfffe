//! Locked calls on one server, mostly in one process.

mod support;

mod behaviour {
    mod bounds;
    mod cancel;
    mod cluster;
    mod connecting;
    mod credentials;
    mod deadlock;
    mod depth;
    mod durations;
    mod errors;
    mod failover;
    mod force_release;
    mod foreign_tasks;
    mod handoff;
    mod inspect;
    mod key_conflict;
    mod lease;
    mod linger;
    mod list;
    mod logs;
    mod loss;
    mod messages;
    mod min_hold;
    mod multi_key;
    mod nesting;
    mod outcome;
    mod paused_clock;
    mod permissions;
    mod preflight;
    mod reenter;
    mod refusals;
    mod released;
    mod renewal;
    mod replicas;
    mod sentinel;
    mod servers;
    mod settings;
    mod sharing;
    mod short_holds;
    mod siblings;
    #[cfg(unix)]
    mod sockets;
    mod stalled_reader;
    mod status;
    mod subscribers;
    mod sync_in_task;
    mod thread_ends;
    mod tokio_runtimes;
    mod unpolled;
    mod unreachable;
    mod visible;
    mod wakers;
}
