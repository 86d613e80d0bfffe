use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;

use super::support::held;

/// Writes down spans and events of these tests, each with the lock that was held at that moment.
#[derive(Clone, Default)]
pub(super) struct Journal(Arc<Mutex<Vec<String>>>);

impl Journal {
    pub(super) fn subscriber(&self) -> impl Subscriber + Send + Sync + use<> {
        tracing_subscriber::registry().with(self.clone())
    }

    pub(super) fn entries(&self) -> Vec<String> {
        self.0.lock().expect("no test panics while it writes").clone()
    }

    fn write(&self, entry: &str) {
        let lock = held().map_or_else(|| "free".to_owned(), |key| format!("held {key}"));
        let mut entries = self.0.lock().expect("no test panics while it writes");
        entries.push(format!("{entry} | {lock}"));
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Journal {
    fn on_new_span(&self, attributes: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        if is_ours(attributes.metadata().target()) {
            let mut fields = Fields::default();
            attributes.record(&mut fields);
            self.write(&format!("span {}{}", attributes.metadata().name(), fields.0));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if is_ours(event.metadata().target()) {
            let mut fields = Fields::default();
            event.record(&mut fields);
            let mut around = context.event_scope(event).into_iter().flatten();
            let span = around.find(|span| is_ours(span.metadata().target()));
            let span = span.map_or("none", |span| span.name());
            self.write(&format!("event{} in {span}", fields.0));
        }
    }
}

// The library has events and spans of its own.
fn is_ours(target: &str) -> bool {
    target.starts_with("interop")
}

#[derive(Default)]
struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let written = match field.name() {
            "message" => write!(self.0, " {value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        };
        written.expect("a string takes everything");
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        write!(self.0, " {}={value}", field.name()).expect("a string takes everything");
    }
}
