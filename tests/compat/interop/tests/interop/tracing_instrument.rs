use std::pin::Pin;

use async_trait::async_trait;
use distlock::distributed_lock;
use tracing::Instrument as _;
use tracing::instrument::WithSubscriber as _;

use super::journal::Journal;
use super::support::{Error, assert_released, locks, support};

#[distributed_lock("trace:above:{id}")]
#[tracing::instrument(ret, err)]
fn sync_below(id: u32, fail: bool) -> Result<u32, Error> {
    tracing::info!("inside");
    if fail { Err(Error::Own("on purpose")) } else { Ok(id + 1) }
}

#[tracing::instrument(ret, err)]
#[distributed_lock("trace:below:{id}")]
fn sync_above(id: u32, fail: bool) -> Result<u32, Error> {
    tracing::info!("inside");
    if fail { Err(Error::Own("on purpose")) } else { Ok(id + 1) }
}

#[test]
fn the_attribute_nearest_the_function_is_the_outer_one() {
    support();
    let journal = Journal::default();
    let (below, above) = tracing::subscriber::with_default(journal.subscriber(), || {
        (sync_below(1, false), sync_above(1, false))
    });
    assert_eq!((below.expect("free"), above.expect("free")), (2, 2));
    assert_eq!(
        journal.entries(),
        [
            "span sync_below id=1 fail=false | free",
            "event inside in sync_below | held trace:above:1",
            "event return=2 in sync_below | free",
            "span sync_above id=1 fail=false | held trace:below:1",
            "event inside in sync_above | held trace:below:1",
            "event return=2 in sync_above | held trace:below:1",
        ]
    );
    assert_released("trace:above:1");
    assert_released("trace:below:1");
}

#[test]
fn an_error_is_recorded_in_both_orders() {
    support();
    let journal = Journal::default();
    tracing::subscriber::with_default(journal.subscriber(), || {
        assert!(sync_below(2, true).is_err());
        assert!(sync_above(2, true).is_err());
    });
    let errors: Vec<_> =
        journal.entries().into_iter().filter(|entry| entry.contains("error=")).collect();
    assert_eq!(
        errors,
        [
            "event error=on purpose in sync_below | free",
            "event error=on purpose in sync_above | held trace:below:2",
        ]
    );
}

#[distributed_lock("trace:async:above:{id}")]
#[tracing::instrument(skip(secret), fields(kind = "demo"), err)]
async fn async_below(id: u32, secret: &str) -> Result<usize, Error> {
    tokio::task::yield_now().await;
    tracing::info!("inside");
    Ok(secret.len())
}

#[tracing::instrument(skip(secret), fields(kind = "demo"), err)]
#[distributed_lock("trace:async:below:{id}")]
async fn async_above(id: u32, secret: &str) -> Result<usize, Error> {
    tokio::task::yield_now().await;
    tracing::info!("inside");
    Ok(secret.len())
}

#[tokio::test]
async fn a_span_covers_the_awaits_of_a_locked_body() {
    support();
    let journal = Journal::default();
    let both = async { (async_below(1, "abc").await, async_above(1, "abc").await) };
    let (below, above) = both.with_subscriber(journal.subscriber()).await;
    assert_eq!((below.expect("free"), above.expect("free")), (3, 3));
    assert_eq!(
        journal.entries(),
        [
            "span async_below id=1 kind=demo | free",
            "event inside in async_below | held trace:async:above:1",
            "span async_above id=1 kind=demo | held trace:async:below:1",
            "event inside in async_above | held trace:async:below:1",
        ]
    );
    assert_released("trace:async:above:1");
    assert_released("trace:async:below:1");
}

#[async_trait]
trait Work: Send + Sync {
    async fn below(&self, id: u32) -> Result<u32, Error>;
    async fn above(&self, id: u32) -> Result<u32, Error>;
}

struct Worker;

#[async_trait]
impl Work for Worker {
    #[distributed_lock("trace:method:above:{id}")]
    #[tracing::instrument(skip(self))]
    async fn below(&self, id: u32) -> Result<u32, Error> {
        tokio::task::yield_now().await;
        tracing::info!("inside");
        Ok(id)
    }

    #[tracing::instrument(skip(self))]
    #[distributed_lock("trace:method:below:{id}")]
    async fn above(&self, id: u32) -> Result<u32, Error> {
        tokio::task::yield_now().await;
        tracing::info!("inside");
        Ok(id)
    }
}

// Both see a plain function that returns a boxed future, and each has to find its async block in
// the other's output.
#[tokio::test]
async fn a_span_covers_the_awaits_of_a_locked_method_under_async_trait() {
    support();
    let journal = Journal::default();
    let worker: &dyn Work = &Worker;
    let both = async { (worker.below(1).await, worker.above(2).await) };
    let (below, above) = both.with_subscriber(journal.subscriber()).await;
    assert_eq!((below.expect("free"), above.expect("free")), (1, 2));
    assert_eq!(
        journal.entries(),
        [
            "span below id=1 | free",
            "event inside in below | held trace:method:above:1",
            "span above id=2 | held trace:method:below:2",
            "event inside in above | held trace:method:below:2",
        ]
    );
}

#[tracing::instrument]
#[distributed_lock("trace:future:below")]
fn future_above(id: u32) -> impl Future<Output = Result<u32, Error>> {
    async move {
        tokio::task::yield_now().await;
        tracing::info!("inside");
        Ok(id)
    }
}

#[distributed_lock("trace:future:above")]
#[tracing::instrument]
fn future_below(id: u32) -> impl Future<Output = Result<u32, Error>> {
    async move {
        tokio::task::yield_now().await;
        tracing::info!("inside");
        Ok(id)
    }
}

#[tokio::test]
async fn a_span_covers_a_future_that_is_returned() {
    support();
    let journal = Journal::default();
    let both = async { (future_below(1).await, future_above(2).await) };
    let (below, above) = both.with_subscriber(journal.subscriber()).await;
    assert_eq!((below.expect("free"), above.expect("free")), (1, 2));
    assert_eq!(
        journal.entries(),
        [
            "span future_below id=1 | free",
            "event inside in future_below | held trace:future:above",
            "span future_above id=2 | held trace:future:below",
            "event inside in future_above | held trace:future:below",
        ]
    );
}

#[distributed_lock("trace:by_hand")]
async fn by_hand() -> Result<(), Error> {
    tracing::info!("inside");
    Ok(())
}

#[tokio::test]
async fn a_locked_future_can_be_instrumented_by_hand() {
    support();
    let journal = Journal::default();
    let work = async { by_hand().instrument(tracing::info_span!("hand")).await };
    work.with_subscriber(journal.subscriber()).await.expect("free");
    assert_eq!(
        journal.entries(),
        ["span hand | free", "event inside in hand | held trace:by_hand"]
    );
}

struct Account(u32);

impl Account {
    #[distributed_lock("trace:self:{}", self.0)]
    #[tracing::instrument(skip_all, fields(account = self.0))]
    fn below(&mut self, by: u32) -> Result<u32, Error> {
        self.0 += by;
        Ok(self.0)
    }

    #[tracing::instrument(skip_all, fields(account = self.0), parent = None, level = "warn")]
    #[distributed_lock("trace:self:{}", self.0, manager = locks())]
    async fn above(&mut self, by: u32) -> Result<u32, Error> {
        tokio::task::yield_now().await;
        self.0 += by;
        Ok(self.0)
    }
}

#[tokio::test]
async fn fields_and_key_can_both_name_self() {
    support();
    let journal = Journal::default();
    let mut account = Account(1);
    let sum = async {
        account.below(1)?;
        account.above(1).await
    };
    assert_eq!(sum.with_subscriber(journal.subscriber()).await.expect("free"), 3);
    assert_eq!(
        journal.entries(),
        ["span below account=1 | free", "span above account=2 | held trace:self:2",]
    );
}

struct Recorded;

// `err` and `ret` put variables of theirs into the future that they find below them.
#[async_trait]
impl Work for Recorded {
    #[distributed_lock("trace:recorded:above:{id}")]
    #[tracing::instrument(skip(self), ret, err)]
    async fn below(&self, id: u32) -> Result<u32, Error> {
        tokio::task::yield_now().await;
        if id == 0 { Err(Error::Own("zero")) } else { Ok(id) }
    }

    #[tracing::instrument(skip(self), ret, err)]
    #[distributed_lock("trace:recorded:below:{id}")]
    async fn above(&self, id: u32) -> Result<u32, Error> {
        tokio::task::yield_now().await;
        if id == 0 { Err(Error::Own("zero")) } else { Ok(id) }
    }
}

#[distributed_lock("trace:recorded:future")]
#[tracing::instrument(ret, err)]
fn recorded_future(id: u32) -> impl Future<Output = Result<u32, Error>> {
    async move { Ok(id) }
}

#[distributed_lock("trace:recorded:boxed")]
#[tracing::instrument(ret, err)]
fn recorded_boxed(id: u32) -> Pin<Box<dyn Future<Output = Result<u32, Error>> + Send>> {
    Box::pin(async move { Ok(id) })
}

#[tokio::test]
async fn a_value_and_an_error_of_a_returned_future_are_recorded() {
    support();
    let journal = Journal::default();
    let worker: &dyn Work = &Recorded;
    let all = async {
        assert!(worker.below(0).await.is_err() && worker.above(0).await.is_err());
        worker.below(1).await?;
        worker.above(2).await?;
        recorded_future(3).await?;
        recorded_boxed(4).await
    };
    assert_eq!(all.with_subscriber(journal.subscriber()).await.expect("free"), 4);
    let events: Vec<_> =
        journal.entries().into_iter().filter(|entry| entry.starts_with("event")).collect();
    assert_eq!(
        events,
        [
            "event error=zero in below | free",
            "event error=zero in above | held trace:recorded:below:0",
            "event return=1 in below | free",
            "event return=2 in above | held trace:recorded:below:2",
            "event return=3 in recorded_future | free",
            "event return=4 in recorded_boxed | free",
        ]
    );
}
