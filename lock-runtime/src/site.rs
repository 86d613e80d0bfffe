//! A call site of the attribute.

use std::time::Duration;

use crate::options::Options;

/// What is known of an annotated function when it is compiled: the attribute makes one as a `static`.
#[derive(Debug)]
pub struct Site {
    pub(crate) function: &'static str,
    #[expect(dead_code, reason = "shown in `Debug`")]
    template: &'static str,
    #[expect(dead_code, reason = "shown in `Debug`")]
    file: &'static str,
    #[expect(dead_code, reason = "shown in `Debug`")]
    line: u32,
    pub(crate) options: Options,
}

impl Site {
    /// A site with default settings: the path of the function, the key as written, and the place.
    #[must_use]
    pub const fn new(
        function: &'static str,
        template: &'static str,
        file: &'static str,
        line: u32,
    ) -> Self {
        Self { function, template, file, line, options: Options::DEFAULT }
    }

    /// `ttl = "…"`
    #[must_use]
    pub const fn ttl(mut self, ttl: Duration) -> Self {
        self.options.ttl = Some(ttl);
        self
    }

    /// `wait = "…"`
    #[must_use]
    pub const fn wait(mut self, wait: Duration) -> Self {
        self.options.wait = Some(wait);
        self
    }

    /// `max_hold = "…"`
    #[must_use]
    pub const fn max_hold(mut self, max_hold: Duration) -> Self {
        self.options.max_hold = Some(max_hold);
        self
    }

    /// `renew = …`
    #[must_use]
    pub const fn renew(mut self, renew: bool) -> Self {
        self.options.renew = renew;
        self
    }

    /// `on_lost = finish`
    #[must_use]
    pub const fn on_lost_finish(mut self) -> Self {
        self.options.finish_when_lost = true;
        self
    }
}
