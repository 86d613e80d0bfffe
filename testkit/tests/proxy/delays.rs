//! Frames that arrive later.

use std::io::Write;
use std::time::{Duration, Instant};

use testkit::{Direction, eventually};

use crate::{DELAY, LIMIT, connect, expect, incr, raw, start};

#[test]
fn a_delay_holds_for_each_direction_and_not_for_each_frame() {
    let (_server, proxy) = start();
    let mut connection = connect(&proxy);
    for direction in [Direction::ToServer, Direction::ToClient] {
        proxy.delay(direction, DELAY);
        let start = Instant::now();
        let mut ten = redis::pipe();
        (0..10).for_each(|_| {
            ten.cmd("INCR").arg("n");
        });
        ten.query::<Vec<i64>>(&mut connection).unwrap();
        assert!(start.elapsed() >= DELAY, "{:?}", start.elapsed());
        assert!(start.elapsed() < DELAY * 5, "{:?}", start.elapsed());
        proxy.delay(direction, Duration::ZERO);
    }
    assert_eq!(incr(&mut connection), Ok(21));
}

#[test]
fn a_delayed_direction_keeps_the_order() {
    let (_server, proxy) = start();
    let mut stream = raw(&proxy);
    proxy.delay(Direction::ToServer, DELAY);
    stream.write_all(b"ECHO a\r\n").unwrap();
    eventually(LIMIT, "the first is on its way", || proxy.requests() == 1);
    proxy.delay(Direction::ToServer, Duration::ZERO);
    stream.write_all(b"ECHO b\r\n").unwrap();
    expect(&mut stream, "$1\r\na\r\n$1\r\nb\r\n");
}
