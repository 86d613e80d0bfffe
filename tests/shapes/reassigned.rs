use std::mem;

use distlock::distributed_lock;

use super::support::{Error, support};

// 164
#[distributed_lock("reassigned:{}", rest.len(), on_error = panic)]
fn fill(mut rest: &mut [u8], with: &[u8]) {
    for part in with {
        let (first, others) = rest.split_at_mut(1);
        first[0] = *part;
        rest = others;
    }
}

#[test]
fn a_unique_argument_is_assigned_a_part_of_itself() {
    support();
    let mut bytes = [0; 3];
    fill(&mut bytes, &[1, 2]);
    assert_eq!(bytes, [1, 2, 0]);
}

#[derive(Default)]
struct Node {
    value: u32,
    next: Option<Box<Node>>,
}

impl Node {
    #[distributed_lock("reassigned:last:{}", self.value)]
    fn last(mut self: &mut Self) -> Result<&mut Self, Error> {
        while self.next.is_some() {
            self = self.next.as_mut().ok_or(Error::Own("just seen"))?;
        }
        Ok(self)
    }

    #[distributed_lock("reassigned:count")]
    async fn count(mut self: &Self) -> Result<u32, Error> {
        let mut nodes = 1;
        while let Some(next) = &self.next {
            self = next;
            nodes += 1;
            tokio::task::yield_now().await;
        }
        Ok(nodes)
    }
}

#[distributed_lock("reassigned:push:{value}", hold = _hold)]
fn push(mut node: &mut Node, value: u32) -> Result<&mut Node, Error> {
    while node.next.is_some() {
        node = node.next.as_mut().ok_or(Error::Own("just seen"))?;
    }
    Ok(node.next.insert(Box::new(Node { value, next: None })))
}

#[distributed_lock("reassigned:sum", on_error = panic)]
fn sum(mut node: Option<&mut Node>) -> u32 {
    let mut sum = 0;
    while let Some(Node { value, next }) = node {
        sum += mem::take(value);
        node = next.as_deref_mut();
    }
    sum
}

#[tokio::test]
async fn a_cursor_walks_along_a_list() {
    support();
    let mut list = Node { value: 1, next: None };
    push(&mut list, 2).expect("free").value += 1;
    push(&mut list, 4).expect("free");
    assert_eq!(list.last().expect("free").value, 4);
    assert_eq!(list.count().await.expect("free"), 3);
    assert_eq!(sum(Some(&mut list)), 8);
}

#[distributed_lock("reassigned:larger", on_error = panic)]
fn larger<'a>(mut a: &'a mut u32, mut b: &'a mut u32) -> &'a mut u32 {
    if *a < *b {
        mem::swap(&mut a, &mut b);
    }
    a
}

#[distributed_lock("reassigned:ordered", on_error = panic)]
async fn ordered((mut a, mut b): (&u32, &u32), on: bool) -> (u32, u32) {
    if on && a > b {
        mem::swap(&mut a, &mut b);
    }
    (*a, *b)
}

#[tokio::test]
async fn two_references_change_places() {
    support();
    let (mut one, mut two) = (1, 2);
    *larger(&mut one, &mut two) = 5;
    assert_eq!(ordered((&two, &one), true).await, (1, 5));
}

// 165
#[distributed_lock("reassigned:local:{name}")]
async fn without_spaces(mut name: &str) -> Result<usize, Error> {
    let cleaned;
    if name.contains(' ') {
        cleaned = name.replace(' ', "");
        name = &cleaned;
    }
    tokio::task::yield_now().await;
    Ok(name.len())
}

#[tokio::test]
async fn an_argument_is_assigned_a_borrow_of_a_local() {
    support();
    assert_eq!(without_spaces("a b").await.expect("free"), 2);
    assert_eq!(without_spaces("abc").await.expect("free"), 3);
}

#[distributed_lock("reassigned:kept", wait = "0s", on_error = |_| rest.len())]
fn kept(mut rest: &mut [u8]) -> usize {
    if !rest.is_empty() {
        rest = &mut [];
    }
    rest.len()
}

#[test]
fn a_handler_of_failures_sees_the_argument_as_it_came() {
    support();
    assert_eq!(kept(&mut [1, 2]), 0);
    let manager = distlock::global().expect("set above");
    let _guard = manager.mutex("reassigned:kept").acquire_blocking().expect("free");
    assert_eq!(kept(&mut [1, 2]), 2);
}
