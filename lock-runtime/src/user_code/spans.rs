//! Spans of `tracing`: one for the wait of a call, and one for each hold.
//!
//! A subscriber is called on the thread of the caller with nothing locked, as for events. No span
//! is made, and nothing is formatted or allocated, unless one wants it. What a subscriber does with
//! locks of its own while it is called has no spans: it would be called for these too, without end.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;
use std::mem;
use std::sync::{Arc, OnceLock};
use std::thread;

use tracing::field::{Empty, display};
use tracing::{Level, Span};

use crate::types::fence::Fence;
use crate::types::owner_info::KeyPattern;
use crate::types::text::printable;
use crate::user_code::{Helpers, ask, is_wanted, off_this_thread};

thread_local! {
    /// Whether a subscriber is called for a span on this thread.
    static IN_SUBSCRIBER: Cell<bool> = const { Cell::new(false) };
}

/// Whether a subscriber may want spans. Calls no code of users.
#[inline]
pub(crate) fn are_wanted() -> bool {
    is_wanted(Level::DEBUG) && !is_in_subscriber()
}

fn is_in_subscriber() -> bool {
    IN_SUBSCRIBER.try_with(Cell::get) == Ok(true)
}

/// `None` if the subscriber panics.
fn call_subscriber<R>(call: impl FnOnce() -> R) -> Option<R> {
    let outer = IN_SUBSCRIBER.try_with(|inside| inside.replace(true)).unwrap_or_default();
    let result = ask(call);
    let _ = IN_SUBSCRIBER.try_with(|inside| inside.set(outer));
    result
}

/// A new span, if a subscriber wants it.
fn create(make: impl FnOnce() -> Span) -> Option<Span> {
    call_subscriber(make).filter(|span| !span.is_disabled())
}

fn enter(span: &Span) {
    call_subscriber(|| span.with_subscriber(|(id, subscriber)| subscriber.enter(id)));
}

fn exit(span: &Span) {
    call_subscriber(|| span.with_subscriber(|(id, subscriber)| subscriber.exit(id)));
}

/// In two calls: a panic of both would end the program.
fn close(span: Span, record: impl FnOnce(&Span)) {
    call_subscriber(|| record(&span));
    call_subscriber(|| drop(span));
}

/// The wait of a call for its lock, until its outcome is known.
pub(crate) struct WaitSpan(Option<Box<OpenWait>>);

struct OpenWait {
    span: Span,
    tries_once: bool,
}

impl WaitSpan {
    /// Of a call that does not wait, or that nobody traces.
    pub(crate) const NONE: Self = Self(None);

    /// `key`: makes a text of the key, or of several.
    #[cold]
    pub(crate) fn open<'a>(
        template: KeyPattern,
        key: impl FnOnce() -> Cow<'a, str>,
        tries_once: bool,
    ) -> Self {
        let span = create(|| {
            tracing::span!(
                target: "distlock",
                Level::DEBUG,
                "distlock.wait",
                template = &*template.text(),
                key = &*printable(&key()),
                fence = Empty,
                outcome = Empty,
                error = Empty,
            )
        });
        Self(span.map(|span| Box::new(OpenWait { span, tries_once })))
    }

    /// The call has its lock. `fence`: unless it has several.
    #[inline]
    pub(crate) fn succeeded(&mut self, outcome: &'static str, fence: Option<Fence>) {
        self.end(outcome, |span| {
            if let Some(fence) = fence {
                span.record("fence", fence.get());
            }
        });
    }

    /// Whether the call was to wait. False if it has no span.
    pub(crate) fn may_wait(&self) -> bool {
        self.0.as_ref().is_some_and(|waiting| !waiting.tries_once)
    }

    pub(crate) fn failed(&mut self, outcome: &'static str, error: &dyn fmt::Display) {
        self.end(outcome, |span| {
            span.record("error", display(error));
        });
    }

    #[inline]
    fn end(&mut self, outcome: &'static str, record: impl FnOnce(&Span)) {
        if let Some(waiting) = self.0.take() {
            close(waiting.span, |span| {
                span.record("outcome", outcome);
                record(span);
            });
        }
    }
}

impl Drop for WaitSpan {
    fn drop(&mut self) {
        self.end("cancelled", |_| ());
    }
}

/// The span of a hold, until its drop.
#[derive(Debug)]
pub(crate) struct HoldSpan {
    span: Span,
    /// What came of it, and why: unless it was simply released.
    end: OnceLock<(&'static str, String)>,
    /// How the code that ran under it ended, unless it returned.
    interrupted: OnceLock<&'static str>,
    /// Its thread was unwinding already.
    opened_in_panic: bool,
}

impl HoldSpan {
    /// `around`: the span of another key of the same call.
    #[cold]
    pub(crate) fn open(
        template: KeyPattern,
        key: &str,
        fence: Fence,
        around: Option<&Self>,
    ) -> Option<Arc<Self>> {
        let make = || {
            tracing::span!(
                target: "distlock",
                Level::DEBUG,
                "distlock.hold",
                template = &*template.text(),
                key = &*printable(key),
                fence = fence.get(),
                outcome = Empty,
                reason = Empty,
            )
        };
        if let Some(around) = around {
            enter(&around.span);
        }
        let span = create(make);
        if let Some(around) = around {
            exit(&around.span);
        }
        let span = span?;
        let opened_in_panic = thread::panicking();
        let (end, interrupted) = (OnceLock::new(), OnceLock::new());
        Some(Arc::new(Self { span, end, interrupted, opened_in_panic }))
    }

    /// Makes it the current span of this thread.
    pub(crate) fn enter(self: Arc<Self>) -> Option<EnteredSpan> {
        if is_in_subscriber() {
            return None;
        }
        enter(&self.span);
        Some(EnteredSpan { hold: self, entered_in_panic: thread::panicking() })
    }

    /// What the span ends with. Only the first one counts.
    pub(crate) fn set_end(&self, outcome: &'static str, reason: impl fmt::Display) {
        let _ = self.end.set((outcome, reason.to_string()));
    }

    /// Its code was dropped before it had completed.
    pub(crate) fn set_cancelled(&self) {
        let _ = self.interrupted.set("cancelled");
    }
}

impl Drop for HoldSpan {
    fn drop(&mut self) {
        if thread::panicking() && !self.opened_in_panic {
            let _ = self.interrupted.set("panicked");
        }
        let span = mem::replace(&mut self.span, Span::none());
        let end = self.end.take();
        let interrupted = self.interrupted.take();
        let close = move || {
            close(span, |span| {
                match end {
                    Some((outcome, reason)) => {
                        span.record("outcome", outcome).record("reason", display(reason))
                    }
                    None => span.record("outcome", interrupted.unwrap_or("released")),
                };
            });
        };
        off_this_thread(close, Helpers::call);
    }
}

/// The span of a hold while it is the current one of its thread.
pub(crate) struct EnteredSpan {
    hold: Arc<HoldSpan>,
    entered_in_panic: bool,
}

impl Drop for EnteredSpan {
    fn drop(&mut self) {
        if thread::panicking() && !self.entered_in_panic {
            let _ = self.hold.interrupted.set("panicked");
        }
        exit(&self.hold.span);
    }
}
