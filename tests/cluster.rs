//! Several processes and one server, and what can happen to either.

mod support;

mod cluster {
    mod crash;
    mod crowd;
    mod dead_waiters;
    mod deadlock;
    mod faults;
    #[cfg(target_os = "linux")]
    mod held;
    mod soak;
    mod turns;
}
