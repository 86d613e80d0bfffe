//! Connections that are open and on which nothing moves: black holes and freezing.

use std::io::{Read, Write};

use redis::Value;
use testkit::{Cut, eventually};

use crate::{LIMIT, connect, counter, expect, incr, is, raw, silent, start};

#[test]
fn a_black_hole_keeps_connections_open_and_forwards_nothing() {
    let (server, proxy) = start();
    let (mut idle, mut old) = (connect(&proxy), raw(&proxy));
    eventually(LIMIT, "the proxy knows both", || proxy.connections() == 2);
    proxy.black_hole(true);
    let mut new = raw(&proxy);
    old.write_all(b"INCR n\r\n").unwrap();
    new.write_all(b"INCR n\r\n").unwrap();
    eventually(LIMIT, "the proxy has both", || proxy.commands("INCR") == 2);
    assert!(silent(&mut old) && silent(&mut new));
    assert_eq!(counter(&server), Value::Nil);
    assert_eq!(proxy.connections(), 3);
    proxy.black_hole(false);
    assert_eq!((old.read(&mut [0]).unwrap(), new.read(&mut [0]).unwrap()), (0, 0));
    assert_eq!(incr(&mut idle), Ok(1));
}

#[test]
fn a_server_that_ends_behind_a_black_hole_is_not_noticed() {
    let (server, proxy) = start();
    let mut stream = raw(&proxy);
    eventually(LIMIT, "the proxy knows it", || proxy.connections() == 1);
    proxy.black_hole(true);
    server.kill();
    assert!(silent(&mut stream));
    proxy.heal();
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
}

#[test]
fn a_frozen_connection_delivers_on_thaw_and_others_pass() {
    let (server, proxy) = start();
    let mut stream = raw(&proxy);
    eventually(LIMIT, "the proxy knows it", || proxy.connections() == 1);
    proxy.freeze(true);
    stream.write_all(b"INCR n\r\nINCR n\r\n").unwrap();
    eventually(LIMIT, "both are held", || proxy.commands("incr") == 2);
    assert_eq!(incr(&mut connect(&proxy)), Ok(1));
    assert!(silent(&mut stream));
    proxy.freeze(false);
    expect(&mut stream, ":2\r\n:3\r\n");
    assert_eq!(counter(&server), is("3"));
}

#[test]
fn a_request_of_a_client_that_has_gone_arrives_late() {
    let (server, proxy) = start();
    let mut stream = raw(&proxy);
    eventually(LIMIT, "the proxy knows it", || proxy.connections() == 1);
    proxy.freeze(true);
    stream.write_all(b"INCR n\r\n").unwrap();
    drop(stream);
    eventually(LIMIT, "the client has gone", || proxy.connections() == 0);
    assert_eq!(counter(&server), Value::Nil);
    proxy.freeze(false);
    eventually(LIMIT, "the request has arrived", || counter(&server) == is("1"));
}

#[test]
fn a_request_frozen_and_cut_arrives_late() {
    let (server, proxy) = start();
    let mut stream = raw(&proxy);
    eventually(LIMIT, "the proxy knows it", || proxy.connections() == 1);
    proxy.freeze(true);
    stream.write_all(b"INCR n\r\n").unwrap();
    eventually(LIMIT, "it is held", || proxy.requests() == 1);
    proxy.cut(Cut::Now);
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    assert_eq!(counter(&server), Value::Nil);
    proxy.heal();
    eventually(LIMIT, "the request has arrived", || counter(&server) == is("1"));
}
