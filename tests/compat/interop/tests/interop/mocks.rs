use async_trait::async_trait;
use distlock::distributed_lock;
use mockall::automock;

use super::support::{Error, assert_released, held, support};

// `automock` copies attributes of methods to functions of its own, so ours is in the
// implementation.
#[automock]
trait Store {
    fn load(&self, id: u32) -> Result<u32, Error>;

    fn twice(&self, id: u32) -> Result<(u32, Option<String>), Error>
    where
        Self: Sized,
    {
        twice(self, id)
    }
}

#[distributed_lock("mock:twice:{id}")]
fn twice(store: &impl Store, id: u32) -> Result<(u32, Option<String>), Error> {
    Ok((store.load(id)? * 2, held()))
}

struct Shop;

impl Store for Shop {
    #[distributed_lock("mock:impl:{id}")]
    fn load(&self, id: u32) -> Result<u32, Error> {
        assert_eq!(held(), Some(format!("mock:impl:{id}")));
        Ok(id)
    }
}

#[cfg_attr(test, automock)]
#[async_trait]
trait Remote: Send + Sync {
    async fn load(&self, id: u32) -> Result<u32, Error>;
}

#[distributed_lock("mock:user:{id}")]
async fn total(remote: &dyn Remote, id: u32) -> Result<(u32, Option<String>), Error> {
    let loaded = remote.load(id).await?;
    Ok((loaded + 1, held()))
}

#[test]
fn the_implementation_of_a_mocked_trait_is_locked_and_its_mock_is_not() {
    support();
    let (value, inside) = Shop.twice(2).expect("free");
    assert_eq!((value, inside.as_deref()), (4, Some("mock:twice:2")));
    assert_released("mock:impl:2");
    assert_released("mock:twice:2");
    let mut mock = MockStore::new();
    mock.expect_load().returning(Ok);
    assert_eq!(twice(&mock, 3).expect("free").0, 6);
    mock.expect_twice().returning(|id| Ok((id, held())));
    assert_eq!(mock.twice(2).expect("the mock returns what was set"), (2, None));
}

#[tokio::test]
async fn a_mock_is_called_under_the_lock_of_the_function_that_uses_it() {
    support();
    let mut mock = MockRemote::new();
    mock.expect_load().returning(|id| {
        assert_eq!(held().as_deref(), Some("mock:user:3"));
        Ok(id)
    });
    let (value, inside) = total(&mock, 3).await.expect("free");
    assert_eq!((value, inside.as_deref()), (4, Some("mock:user:3")));
    assert_released("mock:user:3");
}
