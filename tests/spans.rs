//! The `tracing` spans of waits and holds.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, Once, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use distlock::{LockError, LockManager, LockManagerBuilder, current, distributed_lock};
use testkit::{RedisServer, Replicated, eventually};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber, info, info_span};
use tracing_subscriber::layer::{Context as LayerContext, Layer, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;

const LIMIT: Duration = Duration::from_secs(20);

#[derive(Clone, Debug, Default)]
struct Span {
    name: &'static str,
    parent: Option<usize>,
    fields: BTreeMap<&'static str, String>,
    /// The texts of the events inside of it.
    events: Vec<String>,
    entered: u32,
    exited: u32,
    threads: BTreeSet<String>,
    closed: bool,
}

impl Span {
    fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }

    fn key(&self) -> &str {
        self.field("key")
    }

    fn outcome(&self) -> &str {
        assert!(self.closed, "{self:?}");
        assert_eq!(self.entered, self.exited, "{self:?}");
        self.field("outcome")
    }
}

impl Visit for Span {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.fields.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.fields.insert(field.name(), format!("{value:?}"));
    }
}

static SPANS: Mutex<Vec<Span>> = Mutex::new(Vec::new());

fn spans() -> MutexGuard<'static, Vec<Span>> {
    SPANS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Records all spans, in the order in which they begin.
struct Records;

/// Among the spans. The ids of the registry are used again.
struct Index(usize);

impl Records {
    fn index<S>(id: &Id, context: &LayerContext<'_, S>) -> usize
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        context.span(id).expect("it is open").extensions().get::<Index>().expect("it has one").0
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Records {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: LayerContext<'_, S>) {
        let opened = context.span(id).expect("it is open");
        let parent = opened.parent().map(|parent| Self::index(&parent.id(), &context));
        let mut span = Span { name: opened.name(), parent, ..Span::default() };
        attributes.record(&mut span);
        let mut spans = spans();
        opened.extensions_mut().insert(Index(spans.len()));
        spans.push(span);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: LayerContext<'_, S>) {
        values.record(&mut spans()[Self::index(id, &context)]);
    }

    fn on_event(&self, event: &Event<'_>, context: LayerContext<'_, S>) {
        let Some(around) = context.event_span(event) else { return };
        let mut text = Span::default();
        event.record(&mut text);
        spans()[Self::index(&around.id(), &context)].events.push(text.field("message").to_owned());
    }

    fn on_enter(&self, id: &Id, context: LayerContext<'_, S>) {
        let span = &mut spans()[Self::index(id, &context)];
        span.entered += 1;
        span.threads.insert(format!("{:?}", thread::current().id()));
    }

    fn on_exit(&self, id: &Id, context: LayerContext<'_, S>) {
        spans()[Self::index(id, &context)].exited += 1;
    }

    fn on_close(&self, id: Id, context: LayerContext<'_, S>) {
        spans()[Self::index(&id, &context)].closed = true;
    }
}

/// A manager of its own, and all spans are recorded.
fn manager() -> LockManager {
    manager_of("memory://").build().expect("a valid URL")
}

fn manager_of(url: impl Into<String>) -> LockManagerBuilder {
    static RECORD: Once = Once::new();
    RECORD.call_once(|| {
        let records = tracing_subscriber::registry().with(Records);
        tracing::subscriber::set_global_default(records).expect("nobody else sets one");
    });
    LockManager::builder().url(url)
}

/// The spans with this name of a key, each with its index.
fn of(name: &str, key: &str) -> Vec<(usize, Span)> {
    let matches = |span: &Span| span.name == name && span.key() == key;
    spans().iter().cloned().enumerate().filter(|(_, span)| matches(span)).collect()
}

fn waits(key: &str) -> Vec<(usize, Span)> {
    of("distlock.wait", key)
}

fn holds(key: &str) -> Vec<(usize, Span)> {
    of("distlock.hold", key)
}

#[track_caller]
fn only(found: Vec<(usize, Span)>) -> (usize, Span) {
    let [found] = <[_; 1]>::try_from(found).expect("one span");
    found
}

/// What came of each wait for a key.
fn wait_outcomes(key: &str) -> Vec<String> {
    waits(key).into_iter().map(|(_, span)| span.outcome().to_owned()).collect()
}

fn hold_outcomes(key: &str) -> Vec<String> {
    holds(key).into_iter().map(|(_, span)| span.outcome().to_owned()).collect()
}

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Yields once.
async fn pause() {
    let mut paused = false;
    std::future::poll_fn(|_| {
        if std::mem::replace(&mut paused, true) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

#[distributed_lock("{name}:{id}", manager = locks)]
fn locked<R>(
    locks: &LockManager,
    name: &str,
    id: u32,
    body: impl FnOnce() -> R,
) -> Result<R, LockError> {
    Ok(body())
}

#[distributed_lock("{key}", manager = locks)]
async fn locked_async<F: Future>(
    locks: &LockManager,
    key: &str,
    body: F,
) -> Result<F::Output, LockError> {
    Ok(body.await)
}

#[test]
fn a_call_has_a_span_of_its_wait_and_one_of_its_hold() {
    let locks = manager();
    let request = info_span!("request", key = "sync's caller");
    let fence = request.in_scope(|| {
        locked(&locks, "sync", 7, || {
            info!("in the body");
            info_span!("inner", key = "sync's inner").in_scope(|| ());
            current().expect("a hold").fence()
        })
        .expect("it is free")
    });
    let (request, _) = only(of("request", "sync's caller"));
    let (wait_index, wait) = only(waits("sync:7"));
    let (hold_index, hold) = only(holds("sync:7"));
    let (_, inner) = only(of("inner", "sync's inner"));
    assert!(wait_index < hold_index);
    assert_eq!(
        (wait.parent, hold.parent, inner.parent),
        (Some(request), Some(request), Some(hold_index))
    );
    assert_eq!((wait.outcome(), hold.outcome()), ("granted", "released"));
    for span in [&wait, &hold] {
        assert_eq!(span.field("template"), "{name}:{id}");
        assert_eq!(span.field("fence"), fence.to_string());
    }
    assert_eq!(hold.events, ["in the body"]);
    assert_eq!((wait.field("error"), hold.field("reason")), ("", ""));
}

#[test]
fn an_async_hold_is_the_current_span_only_while_its_body_is_polled() {
    let locks = manager();
    let body = async {
        for _ in 0..3 {
            info!("in the body");
            pause().await;
        }
    };
    let mut call = Box::pin(locked_async(&locks, "async", body));
    for _ in 0..3 {
        let poll_here = || {
            let polled = poll(call.as_mut());
            info!("outside");
            polled.is_pending()
        };
        let pending = thread::scope(|threads| threads.spawn(poll_here).join().unwrap());
        assert!(pending && !only(holds("async")).1.closed);
    }
    assert!(poll(call.as_mut()).is_ready());
    drop(call);
    let (_, hold) = only(holds("async"));
    assert_eq!(hold.outcome(), "released");
    assert_eq!(hold.events, ["in the body"; 3]);
    assert_eq!(hold.threads.len(), 4, "{hold:?}");
    assert_eq!(wait_outcomes("async"), ["granted"]);
}

#[test]
fn tasks_of_a_runtime_do_not_see_each_others_holds() {
    let locks = manager();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(3).build().unwrap();
    let tasks = (0..8).map(|number| {
        let locks = locks.clone();
        runtime.spawn(async move {
            let key = format!("task:{}", number % 4);
            let body = async {
                for _ in 0..20 {
                    info!("in {key}");
                    tokio::task::yield_now().await;
                }
            };
            locked_async(&locks, &key, body).await.expect("it is granted");
        })
    });
    let tasks: Vec<_> = tasks.collect();
    for task in tasks {
        runtime.block_on(task).unwrap();
    }
    for number in 0..4 {
        let key = format!("task:{number}");
        assert_eq!(hold_outcomes(&key), ["released"; 2]);
        for (_, hold) in holds(&key) {
            assert_eq!(hold.events, vec![format!("in {key}"); 20]);
            assert_eq!(hold.parent, None);
        }
    }
}

#[test]
fn a_wait_ends_with_what_came_of_it() {
    let locks = manager();
    let holder = locks.mutex("wanted").acquire_blocking().expect("it is free");
    assert!(locks.mutex("wanted").try_acquire_blocking().expect("it works").is_none());
    let short = locks.mutex("wanted").wait(Duration::from_millis(20));
    short.acquire_blocking().unwrap_err();
    run(async { short.acquire().await.unwrap_err() });
    let deadlock = || locks.mutex("wanted").reenter(false).acquire_blocking().unwrap_err();
    holder.enter(deadlock);
    run(holder.scope(async { locks.mutex("wanted").reenter(false).acquire().await.unwrap_err() }))
        .expect("it is held");
    let request = locks.mutex("wanted");
    let mut cancelled = Box::pin(request.acquire());
    assert!(poll(cancelled.as_mut()).is_pending());
    assert!(!waits("wanted").last().expect("it waits").1.closed);
    drop(cancelled);
    let mut unpolled = Box::pin(locked_async(&locks, "wanted", async {}));
    assert!(poll(unpolled.as_mut()).is_pending());
    drop(unpolled);
    let invalid = locks.mutex("wanted").ttl(Duration::ZERO).acquire_blocking().unwrap_err();
    locks.shutdown_blocking();
    locks.mutex("wanted").acquire_blocking().unwrap_err();

    let errors: Vec<_> = waits("wanted").into_iter().map(|(_, wait)| wait).collect();
    let outcomes: Vec<_> = errors.iter().map(Span::outcome).collect();
    let expected = [
        "granted",
        "busy",
        "timed_out",
        "timed_out",
        "deadlock",
        "deadlock",
        "cancelled",
        "cancelled",
        "config",
        "closed",
    ];
    assert_eq!(outcomes, expected);
    assert!(errors[1].field("error").contains("spans.rs"), "it names the holder: {:?}", errors[1]);
    assert_eq!(errors[8].field("error"), invalid.to_string());
    let without_fence = errors.iter().skip(1).filter(|wait| wait.field("fence").is_empty());
    assert_eq!(without_fence.count(), expected.len() - 1);
}

#[test]
fn a_hold_ends_with_what_came_of_it() {
    let locks = manager();
    let panics = || panic!("a bug in a body");
    thread::scope(|threads| {
        let call = || locked(&locks, "ends", 0, panics);
        threads.spawn(call).join().unwrap_err();
        let held = || {
            let _guard = locks.mutex("ends:0").acquire_blocking().expect("it is free");
            panic!("a bug under a guard");
        };
        threads.spawn(held).join().unwrap_err();
        let call = || run(locked_async(&locks, "ends:0", async { panics() }));
        threads.spawn(call).join().unwrap_err();
        let later = || {
            let body = async {
                pause().await;
                panic!("a bug in a later poll")
            };
            let mut call = Box::pin(locked_async(&locks, "ends:0", body));
            assert!(poll(call.as_mut()).is_pending());
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| poll(call.as_mut())))
        };
        threads.spawn(later).join().unwrap().unwrap_err();
    });
    let mut cancelled = Box::pin(locked_async(&locks, "ends:0", std::future::pending::<()>()));
    assert!(poll(cancelled.as_mut()).is_pending());
    drop(cancelled);
    run(locked_async(&locks, "ends:0", async {})).expect("it is free");
    let expected = ["panicked", "panicked", "panicked", "panicked", "cancelled", "released"];
    assert_eq!(hold_outcomes("ends:0"), expected);
}

#[distributed_lock("lost:{id}", manager = locks, max_hold = "30ms")]
async fn outlives_its_lock(locks: &LockManager, id: u32) -> Result<(), LockError> {
    std::future::pending().await
}

#[test]
fn a_lost_hold_ends_with_the_reason() {
    let locks = manager();
    run(outlives_its_lock(&locks, 0)).unwrap_err();
    let brief = locks.mutex("lost:0").max_hold(Duration::from_millis(30));
    let guard = brief.acquire_blocking().expect("it is free");
    eventually(LIMIT, "it is lost", || !guard.hold().is_valid());
    assert!(!holds("lost:0")[1].1.closed, "its code runs on");
    drop(guard);
    assert_eq!(hold_outcomes("lost:0"), ["lost", "lost"]);
    assert_eq!(holds("lost:0")[0].1.field("reason"), "it reached its max_hold");
}

#[distributed_lock("{key}", manager = locks, release = confirmed)]
async fn confirmed(locks: &LockManager, key: &str, body: impl FnOnce()) -> Result<(), LockError> {
    body();
    Ok(())
}

#[test]
fn a_confirmed_release_ends_the_span() {
    let locks = manager();
    run(confirmed(&locks, "confirmed", || ())).expect("it is free");
    let guard = locks.mutex("confirmed").wait_for_release().acquire_blocking();
    guard.expect("it is free").release_blocking().expect("it was held");
    assert_eq!(hold_outcomes("confirmed"), ["released", "released"]);
}

/// The outcome and the reason of the only hold of a key.
fn end_of(key: &str) -> (String, String) {
    let (_, hold) = only(holds(key));
    (hold.outcome().to_owned(), hold.field("reason").to_owned())
}

#[track_caller]
fn assert_lost(key: &str, reason: &str) {
    assert_eq!(end_of(key), ("lost".to_owned(), reason.to_owned()));
}

#[test]
fn a_release_that_is_not_confirmed_ends_the_span_with_the_reason() {
    let server = RedisServer::start().unwrap();
    let outage = Duration::from_millis(300);
    let locks = manager_of(server.url()).ttl(LIMIT * 3).outage_timeout(outage).build().unwrap();
    let held = locks.mutex("doubt:guard").wait_for_release().acquire_blocking().unwrap();
    let keys = ["doubt:a", "doubt:b"];
    let all = locks.mutex_many(keys).wait_for_release().acquire_blocking().unwrap();
    let simple = locks.mutex("doubt:simple").acquire_blocking().unwrap();
    run(confirmed(&locks, "doubt:call", || server.kill())).unwrap_err();
    held.release_blocking().unwrap_err();
    all.release_blocking().unwrap_err();
    simple.release_blocking().expect("it does not wait for the server");
    for key in ["doubt:call", "doubt:guard", "doubt:a", "doubt:b"] {
        assert_lost(key, "the server did not confirm the release");
    }
    assert_eq!(hold_outcomes("doubt:simple"), ["released"]);
}

#[test]
fn a_release_that_the_server_denies_ends_the_span_with_the_reason() {
    let server = RedisServer::start().unwrap();
    server.command(&["ACL", "SETUSER", "app", "on", ">pw", "~*", "&*", "+@all"]);
    let url = format!("redis://app:pw@127.0.0.1:{}/", server.port());
    let locks = manager_of(url).ttl(LIMIT * 3).build().unwrap();
    let [gone, refused] = ["denied:gone", "denied:refused"]
        .map(|key| locks.mutex(key).wait_for_release().acquire_blocking().unwrap());
    server.command(&["DEL", "lock:{denied:gone}"]);
    gone.release_blocking().unwrap_err();
    assert_lost("denied:gone", "the server does not know the hold any more");
    server.command(&["ACL", "SETUSER", "app", "-del"]);
    let error = refused.release_blocking().unwrap_err();
    let (outcome, reason) = end_of("denied:refused");
    assert_eq!(outcome, "lost");
    assert!(reason.starts_with("the server refused the release: NOPERM"), "{reason}");
    assert!(error.to_string().contains(&reason), "{error}");
}

#[test]
fn a_hold_that_no_replica_confirms_any_more_is_lost_before_its_confirmed_release() {
    let all = Replicated::start(1).unwrap();
    let locks = manager_of(all.url()).ttl(Duration::from_secs(3)).confirm(LIMIT).build().unwrap();
    let request = |key: &str| locks.mutex(key).replicas(1).wait_for_release();
    let [held, released] =
        ["replica:held", "replica:released"].map(|key| request(key).acquire_blocking().unwrap());
    all.replicas().for_each(RedisServer::pause);
    // Only grants and renewals wait for replicas.
    released.release_blocking().expect("the server has confirmed it");
    assert_eq!(end_of("replica:released"), ("released".to_owned(), String::new()));
    eventually(LIMIT, "it is lost", || !held.hold().is_valid());
    held.release_blocking().unwrap_err();
    assert_lost("replica:held", "0 of 1 replica confirmed the renewal");
    all.replicas().for_each(RedisServer::resume);
}

#[test]
fn a_confirmed_release_whose_answer_is_not_waited_for_ends_the_span() {
    let server = RedisServer::start().unwrap();
    let locks = manager_of(server.url()).build().unwrap();
    let guard = locks.mutex("unanswered").wait_for_release().acquire_blocking().unwrap();
    server.pause();
    let mut release = Box::pin(guard.release());
    assert!(poll(release.as_mut()).is_pending());
    assert!(!only(holds("unanswered")).1.closed);
    drop(release);
    assert_eq!(hold_outcomes("unanswered"), ["released"]);
    server.resume();
}

#[test]
fn a_nested_call_has_no_spans() {
    let locks = manager();
    locked(&locks, "nested", 0, || {
        info_span!("inner", key = "nested's inner").in_scope(|| {
            locked(&locks, "nested", 0, || info!("sync")).expect("it re-enters");
            run(locked_async(&locks, "nested:0", async {
                pause_once_woken().await;
                info!("async");
            }))
            .expect("it re-enters");
            locked(&locks, "other", 0, || {
                locked(&locks, "nested", 0, || info!("under the other")).expect("it re-enters");
            })
            .expect("it is free");
            let guard =
                locks.mutex("nested:0").ttl(LIMIT).acquire_blocking().expect("it re-enters");
            guard.enter(|| info!("by hand"));
        });
        info!("after all");
    })
    .expect("it is free");
    assert_eq!(
        (wait_outcomes("nested:0"), hold_outcomes("nested:0")),
        (vec!["granted".to_owned()], vec!["released".to_owned()])
    );
    let (_, inner) = only(of("inner", "nested's inner"));
    assert_eq!(inner.events, ["sync", "async", "by hand"]);
    assert_eq!(only(holds("other:0")).1.events, ["under the other"]);
    assert_eq!(only(holds("nested:0")).1.events, ["after all"]);
}

/// Yields to the runtime.
async fn pause_once_woken() {
    tokio::task::yield_now().await;
}

#[test]
fn a_nested_call_that_waits_for_a_sibling_has_a_span_of_its_wait() {
    let locks = manager();
    let siblings = async {
        let sibling = || locked_async(&locks, "siblings", pause_once_woken());
        let (first, second) = futures::join!(sibling(), sibling());
        first.and(second)
    };
    run(locked_async(&locks, "siblings", siblings)).expect("it is free").expect("they re-enter");
    assert_eq!(wait_outcomes("siblings"), ["granted", "reentered"]);
    assert_eq!(hold_outcomes("siblings"), ["released"]);
    let parent = waits("siblings")[1].1.parent;
    assert_eq!(parent, Some(only(holds("siblings")).0));
}

#[distributed_lock(["both:b", "both:a"], manager = locks)]
fn both(locks: &LockManager) -> Result<(), LockError> {
    info!("in the body");
    Ok(())
}

#[test]
fn a_call_for_several_keys_has_one_wait_and_a_hold_for_each() {
    let locks = manager();
    both(&locks).expect("they are free");
    let (_, wait) = only(waits(r#"["both:a", "both:b"]"#));
    assert_eq!((wait.outcome(), wait.field("fence")), ("granted", ""));
    let (outer_index, outer) = only(holds("both:a"));
    let (_, inner) = only(holds("both:b"));
    assert_eq!((outer.outcome(), inner.outcome()), ("released", "released"));
    assert_eq!((outer.parent, inner.parent), (None, Some(outer_index)));
    assert_eq!((outer.events.len(), inner.events.len()), (0, 1));

    locked(&locks, "both", 0, || {
        locks.mutex_many(["both:0", "both:1"]).acquire_blocking().expect("one re-enters")
    })
    .map(drop)
    .expect("it is free");
    assert_eq!(wait_outcomes(r#"["both:0", "both:1"]"#), ["granted"]);
    assert_eq!((hold_outcomes("both:0").len(), hold_outcomes("both:1").len()), (1, 1));
}

#[test]
fn a_guard_is_the_current_span_of_what_is_entered() {
    let locks = manager();
    let guard = locks.mutex("guard").acquire_blocking().expect("it is free");
    info!("outside");
    guard.enter(|| {
        info!("entered");
        guard.enter(|| info!("entered again"));
    });
    run(guard.scope(async {
        pause_once_woken().await;
        info!("in its scope");
    }))
    .expect("it is held");
    let shared = guard.hold().share().expect("it is held");
    drop(guard);
    assert!(!only(holds("guard")).1.closed, "it is shared");
    thread::spawn(move || shared.run(|| info!("shared"))).join().unwrap();
    let (_, hold) = only(holds("guard"));
    assert_eq!(hold.outcome(), "released");
    assert_eq!(hold.events, ["entered", "entered again", "in its scope", "shared"]);
    assert_eq!(hold.entered, hold.exited);
    let template = hold.field("template");
    assert!(template.contains("spans.rs:"), "{template}");
    drop(locks.mutex("guard").label("nightly").acquire_blocking().expect("it is free"));
    for (_, labelled) in [waits("guard")[1].clone(), holds("guard")[1].clone()] {
        assert_eq!(labelled.field("template"), "nightly");
    }
}

#[test]
fn each_section_of_a_handoff_has_a_hold_of_its_own() {
    let locks = manager();
    let guard = locks.mutex("handed").linger(LIMIT).acquire_blocking().expect("it is free");
    let next = thread::spawn({
        let locks = locks.clone();
        move || locks.mutex("handed").linger(LIMIT).acquire_blocking().map(drop)
    });
    eventually(LIMIT, "it waits", || waits("handed").len() == 2);
    drop(guard);
    next.join().unwrap().expect("it is handed off");
    drop(locks.mutex("handed").linger(LIMIT).acquire_blocking().expect("it lingers"));
    assert_eq!(wait_outcomes("handed"), ["granted"; 3]);
    assert_eq!(hold_outcomes("handed"), ["released"; 3]);
    let fences = holds("handed").into_iter().map(|(_, hold)| hold.field("fence").to_owned());
    assert_eq!(fences.collect::<BTreeSet<_>>().len(), 3);
}

/// Wants all spans, and does this in each of its methods, or in all but the first.
struct Does {
    does: fn(),
    in_new_span: bool,
}

static CALLS: AtomicUsize = AtomicUsize::new(0);

impl Does {
    fn it(&self) {
        CALLS.fetch_add(1, Ordering::Relaxed);
        (self.does)();
    }
}

impl Subscriber for Does {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "distlock"
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        if self.in_new_span {
            self.it();
        }
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {
        self.it();
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {}

    fn enter(&self, _: &Id) {
        self.it();
    }

    fn exit(&self, _: &Id) {
        self.it();
    }

    fn try_close(&self, _: Id) -> bool {
        self.it();
        true
    }
}

fn all_works_with(does: fn(), in_new_span: bool) -> usize {
    let locks = manager();
    let before = CALLS.load(Ordering::Relaxed);
    tracing::subscriber::with_default(Does { does, in_new_span }, || {
        for _ in 0..2 {
            assert_eq!(locked(&locks, "odd", 0, || 7).expect("it is free"), 7);
            let body = async {
                pause_once_woken().await;
                7
            };
            assert_eq!(run(locked_async(&locks, "odd:0", body)).expect("it is free"), 7);
            let guard = locks.mutex("odd:0").acquire_blocking().expect("it is free");
            assert!(locks.mutex("odd:0").try_acquire_blocking().expect("it works").is_none());
            assert_eq!(guard.enter(|| locked(&locks, "odd", 0, || 7)).expect("it re-enters"), 7);
            guard.release_blocking().expect("it was held");
            both(&locks).expect("they are free");
            let body = || panic!("a bug in a body");
            let call = || locked(&locks, "odd", 0, body);
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(call)).unwrap_err();
        }
    });
    CALLS.load(Ordering::Relaxed) - before
}

static OWN: OnceLock<LockManager> = OnceLock::new();

fn panics() {
    std::panic::resume_unwind(Box::new("a bug in a subscriber"));
}

fn takes_locks() {
    let locks = OWN.get_or_init(manager);
    let guard = locks.mutex("own").acquire_blocking().expect("it is free");
    guard.enter(|| locked(locks, "own's", 0, || ()).expect("it is free"));
}

/// One test, as it counts.
#[test]
fn a_subscriber_that_panics_or_takes_locks_stops_nothing() {
    assert!(all_works_with(panics, true) > 0);
    assert!(all_works_with(panics, false) > 0);
    let calls = all_works_with(takes_locks, true);
    assert!(calls > 0 && calls < 200, "{calls}");
    assert!(holds("own").is_empty(), "the subscriber's own locks are not traced");
}
