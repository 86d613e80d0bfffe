//! Histories that read well, for tests.

#![allow(dead_code, reason = "each test file uses a part of it")]

use checker::{Event, Nanos, Property, Refusal, Report, Request, Rules, What, check};

/// A millisecond: instants in tests are given in these.
pub const MS: Nanos = 1_000_000;

/// Slack 10 ms, bound 2, takeover within 50 ms.
pub fn rules() -> Rules {
    Rules { lossless: true, slack: 10 * MS, passed_over: Some(2), takeover: Some(50 * MS) }
}

/// The same with faults that lose data.
pub fn lossy() -> Rules {
    Rules { lossless: false, ..rules() }
}

/// A history in the making. Request `n` is made by task `n` of process `n / 100`, for key `n / 10 % 10`; a wait has a
/// deadline in its second second, a hold is valid until then.
#[derive(Clone, Default)]
pub struct History(pub Vec<Event>);

impl History {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn at(mut self, ms: u64, process: u32, what: What) -> Self {
        self.0.push(Event { at: ms * MS, process, task: 0, what });
        self
    }

    fn of(mut self, ms: u64, request: Request, what: What) -> Self {
        let number = u32::try_from(request).unwrap();
        self.0.push(Event { at: ms * MS, process: number / 100, task: number, what });
        self
    }

    pub fn asks(self, ms: u64, request: Request) -> Self {
        self.asks_until(ms, request, Some(1_500))
    }

    pub fn asks_until(self, ms: u64, request: Request, deadline: Option<u64>) -> Self {
        let deadline = deadline.map(|ms| ms * MS);
        self.of(ms, request, What::Asked { request, key: key(request), deadline, surely: false })
    }

    pub fn asks_surely(self, ms: u64, request: Request) -> Self {
        let deadline = Some(1_500 * MS);
        self.of(ms, request, What::Asked { request, key: key(request), deadline, surely: true })
    }

    pub fn queued(self, ms: u64, request: Request) -> Self {
        self.of(ms, request, What::Queued { request })
    }

    pub fn enters(self, ms: u64, request: Request, fence: u64) -> Self {
        self.enters_until(ms, request, fence, 2_000)
    }

    pub fn enters_until(self, ms: u64, request: Request, fence: u64, until: u64) -> Self {
        let valid_until = until * MS;
        self.of(ms, request, What::Entered { request, fence, valid_until, within: None })
    }

    pub fn enters_within(self, ms: u64, request: Request, fence: u64, outer: Request) -> Self {
        let valid_until = 2_000 * MS;
        self.of(ms, request, What::Entered { request, fence, valid_until, within: Some(outer) })
    }

    pub fn valid(self, ms: u64, request: Request, until: u64) -> Self {
        self.of(ms, request, What::Valid { request, until: until * MS })
    }

    pub fn lost(self, ms: u64, request: Request) -> Self {
        self.of(ms, request, What::Lost { request })
    }

    pub fn leaves(self, ms: u64, request: Request) -> Self {
        self.of(ms, request, What::Left { request })
    }

    pub fn refused(self, ms: u64, request: Request) -> Self {
        self.of(ms, request, What::Refused { request, why: Refusal::Busy })
    }

    pub fn cancelled(self, ms: u64, request: Request) -> Self {
        self.of(ms, request, What::Cancelled { request })
    }

    pub fn wrote(self, ms: u64, request: Request) -> Self {
        self.of(ms, request, What::Wrote { request, accepted: true })
    }

    pub fn write_refused(self, ms: u64, request: Request) -> Self {
        self.of(ms, request, What::Wrote { request, accepted: false })
    }

    pub fn counted(self, ms: u64, request: Request, read: u64) -> Self {
        self.of(ms, request, What::Counted { request, read })
    }

    pub fn total(self, ms: u64, key: u32, count: u64) -> Self {
        self.at(ms, 0, What::Total { key, count })
    }

    pub fn paused(self, ms: u64, process: u32) -> Self {
        self.at(ms, process, What::Paused(true))
    }

    pub fn resumed(self, ms: u64, process: u32) -> Self {
        self.at(ms, process, What::Paused(false))
    }

    pub fn crashed(self, ms: u64, process: u32) -> Self {
        self.at(ms, process, What::Crashed)
    }

    pub fn fault(self, ms: u64) -> Self {
        self.at(ms, 0, What::Fault("the server forgets all".into()))
    }

    pub fn leftover(self, count: u64) -> Self {
        self.at(3_000, 0, What::Leftover { kind: "keys".into(), count })
    }

    /// One whole section without a wait.
    pub fn section(self, from: u64, to: u64, request: Request, fence: u64) -> Self {
        self.asks(from, request).enters(from, request, fence).leaves(to, request)
    }

    pub fn check(&self, rules: &Rules) -> Report {
        check(&self.0, rules)
    }

    #[track_caller]
    pub fn passes(&self) -> Report {
        self.passes_under(&rules())
    }

    #[track_caller]
    pub fn passes_under(&self, rules: &Rules) -> Report {
        let report = self.check(rules);
        assert!(report.is_right(), "{:#?}", report.violations);
        report
    }

    /// Breaks this property once, and no other.
    #[track_caller]
    pub fn breaks(&self, property: Property) -> Report {
        self.breaks_under(&rules(), property)
    }

    #[track_caller]
    pub fn breaks_under(&self, rules: &Rules, property: Property) -> Report {
        let report = self.check(rules);
        let found: Vec<_> = report.violations.iter().map(|one| one.property).collect();
        assert_eq!(found, [property], "{:#?}", report.violations);
        report
    }
}

fn key(request: Request) -> u32 {
    u32::try_from(request / 10 % 10).unwrap()
}
