//! Connections that are closed at a chosen point.

use std::io::{Read, Write};

use redis::Value;
use testkit::{Cut, Direction, eventually};

use crate::{DELAY, LIMIT, connect, counter, incr, is, ping, raw, start};

#[test]
fn a_connection_cut_now_is_closed_and_the_next_one_works() {
    let (_server, proxy) = start();
    let mut connection = connect(&proxy);
    proxy.cut(Cut::Now);
    ping(&mut connection).unwrap_err();
    eventually(LIMIT, "the connection is gone", || proxy.connections() == 0);
    ping(&mut connect(&proxy)).unwrap();
}

#[test]
fn a_request_cut_before_it_applies_fails_and_does_nothing() {
    let (server, proxy) = start();
    let mut connection = connect(&proxy);
    proxy.cut(Cut::BeforeApply);
    incr(&mut connection).unwrap_err();
    assert_eq!(counter(&server), Value::Nil);
    assert_eq!(incr(&mut connect(&proxy)), Ok(1));
}

#[test]
fn a_request_cut_after_it_applied_fails_and_is_done() {
    let (server, proxy) = start();
    let mut connection = connect(&proxy);
    proxy.cut(Cut::AfterApply);
    incr(&mut connection).unwrap_err();
    assert_eq!(counter(&server), is("1"));
    assert_eq!(incr(&mut connect(&proxy)), Ok(2));
}

#[test]
fn replies_to_earlier_requests_pass_before_the_cut() {
    let (server, proxy) = start();
    let mut stream = raw(&proxy);
    proxy.delay(Direction::ToClient, DELAY);
    stream.write_all(b"INCR n\r\nINCR n\r\n").unwrap();
    eventually(LIMIT, "both are applied", || counter(&server) == is("2"));
    proxy.cut(Cut::AfterApply);
    stream.write_all(b"INCR n\r\nINCR n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert_eq!(text, ":1\r\n:2\r\n");
}

#[test]
fn a_reply_cut_in_its_middle_arrives_in_half() {
    let (server, proxy) = start();
    server.command(&["SET", "n", "12345678"]);
    let mut stream = raw(&proxy);
    eventually(LIMIT, "the proxy knows it", || proxy.connections() == 1);
    proxy.cut(Cut::MidFrame);
    stream.write_all(b"GET n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert_eq!(text, "$8\r\n123");
}

#[test]
fn a_cut_that_was_healed_does_not_happen() {
    let (_server, proxy) = start();
    let mut connection = connect(&proxy);
    for cut in [Cut::BeforeApply, Cut::AfterApply, Cut::MidFrame] {
        proxy.cut(cut);
        proxy.heal();
        ping(&mut connection).unwrap();
    }
}

#[test]
fn a_cut_can_wait_for_a_certain_request() {
    let (server, proxy) = start();
    for cut in [Cut::BeforeApply, Cut::AfterApply, Cut::MidFrame] {
        let mut connection = connect(&proxy);
        proxy.cut_at(cut, "INCR");
        ping(&mut connection).unwrap();
        incr(&mut connection).unwrap_err();
    }
    assert_eq!(counter(&server), is("2"));
}
