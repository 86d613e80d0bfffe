//! What a proxy without faults does.

use std::io::{Read, Write};
use std::net::Shutdown;

use crate::{LIMIT, connect, counter, expect, incr, is, ping, raw, start};

#[test]
fn without_faults_everything_passes() {
    let (server, proxy) = start();
    let mut connection = connect(&proxy);
    assert_eq!(incr(&mut connection), Ok(1));
    let large = "x".repeat(3_000_000);
    redis::cmd("SET").arg("large").arg(&large).exec(&mut connection).unwrap();
    let back: String = redis::cmd("GET").arg("large").query(&mut connection).unwrap();
    assert!(back == large);
    assert_eq!(counter(&server), is("1"));
}

#[test]
fn a_restarted_server_is_reached_through_the_same_proxy() {
    let (server, proxy) = start();
    let mut old = connect(&proxy);
    server.restart().unwrap();
    ping(&mut old).unwrap_err();
    ping(&mut connect(&proxy)).unwrap();
}

#[test]
fn without_a_server_connections_are_closed() {
    let (server, proxy) = start();
    server.kill();
    assert_eq!(raw(&proxy).read(&mut [0]).unwrap(), 0);
}

#[test]
fn requests_are_counted_by_command() {
    let (_server, proxy) = start();
    let mut connection = connect(&proxy);
    let (all, pings) = (proxy.requests(), proxy.commands("PING"));
    incr(&mut connection).unwrap();
    ping(&mut connection).unwrap();
    assert_eq!(proxy.requests(), all + 2);
    assert_eq!((proxy.commands("PING"), proxy.commands("incr")), (pings + 1, 1));
}

#[test]
fn garbage_passes_as_it_is() {
    let (_server, proxy) = start();
    let mut stream = raw(&proxy);
    stream.write_all(b"*1\r\n!nonsense\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert!(text.contains("Protocol error"), "{text}");
}

#[test]
fn the_last_reply_reaches_a_client_that_has_closed_its_writing_side() {
    let (_server, proxy) = start();
    let mut stream = raw(&proxy);
    stream.write_all(b"PING\r\n").unwrap();
    expect(&mut stream, "+PONG\r\n");
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
}

#[test]
fn a_dropped_proxy_closes_its_connections_and_its_port() {
    let (server, proxy) = start();
    let port = proxy.port();
    let mut stream = raw(&proxy);
    drop(proxy);
    assert!(!matches!(stream.read(&mut [0]), Ok(1..)));
    // The system may have given the port to another test by now: what answers there must be
    // another server.
    server.command(&["SET", "served", "here"]);
    let url = format!("redis://127.0.0.1:{port}/");
    let connection = redis::Client::open(url).unwrap().get_connection_with_timeout(LIMIT);
    let answer = connection.and_then(|mut connection| {
        connection.set_read_timeout(Some(LIMIT))?;
        redis::cmd("GET").arg("served").query::<Option<String>>(&mut connection)
    });
    assert_ne!(answer.ok().flatten().as_deref(), Some("here"));
}
