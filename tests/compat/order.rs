//! Each function twice, under the lock and without it, from the same tokens: what they drop, and
//! when. The orders differ between editions, so each crate says which ones it expects. The body
//! follows the edition of the crate it is written in, although the attribute around it is of 2024.

use std::sync::Mutex;

pub type Log = Mutex<Vec<&'static str>>;

/// Writes its name when it is dropped.
pub struct Noisy<'a>(pub &'static str, pub &'a Log);

impl Noisy<'_> {
    pub fn some(&self) -> Option<usize> {
        Some(self.0.len())
    }

    pub fn none(&self) -> Option<usize> {
        None
    }
}

impl Drop for Noisy<'_> {
    fn drop(&mut self) {
        note(self.1, self.0);
    }
}

pub fn note(log: &Log, text: &'static str) {
    log.lock().expect("nothing panics while it writes").push(text);
}

/// What a run writes.
pub fn noted<T>(run: impl FnOnce(&Log) -> T) -> Vec<&'static str> {
    let log = Log::default();
    run(&log);
    log.into_inner().expect("nothing panics while it writes")
}

/// Lets a future run to its end.
pub fn block_on<T>(future: impl std::future::Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.expect("a runtime without I/O needs nothing").block_on(future)
}

macro_rules! locked_and_plain {
    ($($name:ident: #[distributed_lock($($args:tt)*)] { $($function:tt)* })*) => {$(
        pub mod $name {
            pub mod locked {
                #[allow(unused_imports)]
                use super::super::{Log, Noisy, note};

                #[distlock::distributed_lock($($args)*)]
                $($function)*
            }
            pub mod plain {
                #[allow(unused_imports)]
                use super::super::{Log, Noisy, note};

                $($function)*
            }
        }
    )*};
}

locked_and_plain! {
    tail: #[distributed_lock("order:tail", on_error = panic)] {
        pub fn run(log: &Log) -> Option<usize> {
            let _local = Noisy("local", log);
            Noisy("temporary", log).some()
        }
    }

    tail_async: #[distributed_lock("order:tail:async", on_error = panic)] {
        pub async fn run(log: &Log) -> Option<usize> {
            let _local = Noisy("local", log);
            tokio::task::yield_now().await;
            Noisy("temporary", log).some()
        }
    }

    tail_future: #[distributed_lock("order:tail:future", on_error = panic)] {
        pub fn run(log: &Log) -> impl std::future::Future<Output = Option<usize>> + '_ {
            let _local = Noisy("local", log);
            std::future::ready(Noisy("temporary", log).some())
        }
    }

    tail_boxed: #[distributed_lock("order:tail:boxed", on_error = panic)] {
        pub fn run(
            log: &Log,
        ) -> std::pin::Pin<Box<dyn std::future::Future<Output = Option<usize>> + '_>> {
            Box::pin(async move {
                let _local = Noisy("local", log);
                tokio::task::yield_now().await;
                Noisy("temporary", log).some()
            })
        }
    }

    rescope: #[distributed_lock("order:rescope", on_error = panic)] {
        pub fn run(log: &Log) -> Option<usize> {
            if let Some(length) = Noisy("scrutinee", log).none() {
                Some(length)
            } else {
                note(log, "else");
                None
            }
        }
    }

    rescope_async: #[distributed_lock("order:rescope:async", on_error = panic)] {
        pub async fn run(log: &Log) -> Option<usize> {
            if let Some(length) = Noisy("scrutinee", log).none() {
                Some(length)
            } else {
                tokio::task::yield_now().await;
                note(log, "else");
                None
            }
        }
    }

    capture: #[distributed_lock("order:capture", on_error = panic)] {
        pub fn run<'a>(pair: (Noisy<'a>, Noisy<'a>), log: &'a Log) -> Option<usize> {
            let length = {
                let left = move || pair.0.some();
                left()
            };
            note(log, "after");
            length
        }
    }

    capture_async: #[distributed_lock("order:capture:async", on_error = panic)] {
        pub async fn run<'a>(pair: (Noisy<'a>, Noisy<'a>), log: &'a Log) -> Option<usize> {
            let length = {
                let left = move || pair.0.some();
                left()
            };
            tokio::task::yield_now().await;
            note(log, "after");
            length
        }
    }

    arguments: #[distributed_lock("order:arguments", on_error = panic)] {
        pub fn run<'a>(_ignored: Noisy<'a>, kept: Noisy<'a>, moved: Noisy<'a>) -> Option<usize> {
            drop(moved);
            kept.some()
        }
    }
}

/// The output of the locked function, which equals that of the plain one.
macro_rules! same {
    ($name:ident, |$log:ident| $call:expr) => {{
        let locked = {
            use $name::locked::run;
            noted(|$log| $call)
        };
        use $name::plain::run;
        assert_eq!(locked, noted(|$log| $call), stringify!($name));
        locked
    }};
}

#[test]
fn temporaries_of_the_last_expression_go_when_the_edition_says() {
    crate::support();
    assert_eq!(same!(tail, |log| run(log)), crate::TAIL);
    assert_eq!(same!(tail_async, |log| block_on(run(log))), crate::TAIL);
    assert_eq!(same!(tail_future, |log| block_on(run(log))), crate::TAIL);
    assert_eq!(same!(tail_boxed, |log| block_on(run(log))), crate::TAIL);
}

#[test]
fn temporaries_of_an_if_let_go_when_the_edition_says() {
    crate::support();
    assert_eq!(same!(rescope, |log| run(log)), crate::RESCOPE);
    assert_eq!(same!(rescope_async, |log| block_on(run(log))), crate::RESCOPE);
}

#[test]
fn a_closure_in_the_body_captures_what_the_edition_says() {
    crate::support();
    assert_eq!(same!(capture, |log| run(pair(log), log)), crate::CAPTURE);
    assert_eq!(same!(capture_async, |log| block_on(run(pair(log), log))), crate::CAPTURE);
}

fn pair(log: &Log) -> (Noisy<'_>, Noisy<'_>) {
    (Noisy("left", log), Noisy("right", log))
}

#[test]
fn arguments_go_in_the_order_of_the_plain_function() {
    crate::support();
    let order =
        same!(arguments, |log| run(Noisy("ignored", log), Noisy("kept", log), Noisy("moved", log)));
    assert_eq!(order, ["moved", "kept", "ignored"]);
}
