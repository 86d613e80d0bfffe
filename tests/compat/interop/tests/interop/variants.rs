//! Attributes on traits and enums that rewrite or hand on the methods inside.

use auto_impl::auto_impl;
use delegate::delegate;
use distlock::distributed_lock;
use enum_dispatch::enum_dispatch;

use super::support::{Error, assert_released, held, support};

type Held = Result<Option<String>, Error>;

#[trait_variant::make(Shared: Send)]
trait Local {
    fn id(&self) -> u32;

    async fn read(&self, name: &str) -> Held;
}

#[trait_variant::make(Send)]
trait Rewritten: Sync {
    #[distributed_lock("variants:rewritten:{id}")]
    async fn by_default(&self, id: u32) -> Held {
        async move {
            tokio::task::yield_now().await;
            Ok(held())
        }
    }
}

struct Shop(u32);

impl Shared for Shop {
    fn id(&self) -> u32 {
        self.0
    }

    #[distributed_lock("variants:{}:{name}", self.0)]
    async fn read(&self, name: &str) -> Held {
        tokio::task::yield_now().await;
        Ok(held())
    }
}

impl Rewritten for Shop {}

async fn spawned<S: Shared + Sync + 'static>(shop: S) -> (u32, Held) {
    let task = tokio::spawn(async move { (shop.id(), shop.read("a").await) });
    task.await.expect("no panic")
}

#[tokio::test]
async fn methods_of_a_send_variant_are_locked() {
    support();
    let (id, inside) = spawned(Shop(3)).await;
    assert_eq!((id, inside.expect("free").as_deref()), (3, Some("variants:3:a")));
    let shop = Shop(4);
    let local = Local::read(&shop, "b").await.expect("free");
    assert_eq!((Local::id(&shop), local.as_deref()), (4, Some("variants:4:b")));
    let task = tokio::spawn(async { Shop(1).by_default(5).await });
    let inside = task.await.expect("no panic").expect("free");
    assert_eq!(inside.as_deref(), Some("variants:rewritten:5"));
    assert_released("variants:rewritten:5");
}

#[auto_impl(&, Box, Arc)]
trait Keyed {
    fn id(&self) -> u32;

    #[distributed_lock("variants:keyed:{}", self.id())]
    fn locked(&self) -> Held {
        Ok(held())
    }
}

impl Keyed for Shop {
    fn id(&self) -> u32 {
        self.0
    }
}

#[test]
fn a_default_method_is_locked_through_references_and_boxes() {
    support();
    let boxed: Box<dyn Keyed> = Box::new(Shop(6));
    assert_eq!(boxed.locked().expect("free").as_deref(), Some("variants:keyed:6"));
    assert_eq!(
        std::sync::Arc::new(Shop(7)).locked().expect("free").as_deref(),
        Some("variants:keyed:7")
    );
    assert_released("variants:keyed:7");
}

struct Outer {
    inner: Shop,
}

impl Outer {
    delegate! {
        to self.inner {
            #[distributed_lock("variants:delegate:{}", self.inner.0)]
            fn locked(&self) -> Held;
        }
    }
}

#[test]
fn a_delegated_method_is_locked() {
    support();
    let outer = Outer { inner: Shop(8) };
    assert_eq!(outer.locked().expect("free").as_deref(), Some("variants:keyed:8"));
    assert_released("variants:delegate:8");
}

#[enum_dispatch]
trait Shape {
    fn area(&self, factor: u32) -> Result<(u32, Option<String>), Error>;
}

struct Square(u32);

impl Shape for Square {
    #[distributed_lock("variants:shape:{factor}")]
    fn area(&self, factor: u32) -> Result<(u32, Option<String>), Error> {
        Ok((self.0 * self.0 * factor, held()))
    }
}

#[enum_dispatch(Shape)]
enum AnyShape {
    Square,
}

#[test]
fn a_variant_behind_an_enum_is_locked() {
    support();
    let shape = AnyShape::from(Square(3));
    let (area, inside) = shape.area(2).expect("free");
    assert_eq!((area, inside.as_deref()), (18, Some("variants:shape:2")));
    assert_released("variants:shape:2");
}
