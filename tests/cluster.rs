//! Several processes and one server, and their faults.

mod support;

mod cluster {
    mod crash;
    mod dead_waiters;
    mod deadlock;
    mod fairness;
    mod faults;
    #[cfg(target_os = "linux")]
    mod held;
    mod many_waiters;
    mod soak;
}
