//! Each fault of the proxy, as the client and the server see it.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use redis::{Connection, RedisResult, Value};
use testkit::{Cut, Direction, FaultProxy, RedisServer, eventually};

const LIMIT: Duration = Duration::from_secs(10);
const DELAY: Duration = Duration::from_millis(150);
/// Nothing comes within this time where nothing is to come.
const SILENCE: Duration = Duration::from_millis(150);

fn start() -> (RedisServer, FaultProxy) {
    let server = RedisServer::start().unwrap();
    let proxy = FaultProxy::start(&server).unwrap();
    (server, proxy)
}

fn connect(proxy: &FaultProxy) -> Connection {
    let client = redis::Client::open(proxy.url()).unwrap();
    let mut connection = client.get_connection_with_timeout(LIMIT).unwrap();
    connection.set_read_timeout(Some(LIMIT)).unwrap();
    ping(&mut connection).unwrap();
    connection
}

fn raw(proxy: &FaultProxy) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", proxy.port())).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream
}

fn ping(connection: &mut Connection) -> RedisResult<()> {
    redis::cmd("PING").query(connection)
}

fn incr(connection: &mut Connection) -> RedisResult<i64> {
    redis::cmd("INCR").arg("n").query(connection)
}

fn counter(server: &RedisServer) -> Value {
    server.command(&["GET", "n"])
}

fn is(number: &str) -> Value {
    Value::BulkString(number.as_bytes().to_vec())
}

fn expect(stream: &mut TcpStream, text: &str) {
    let mut bytes = vec![0; text.len()];
    stream.read_exact(&mut bytes).unwrap();
    assert_eq!(String::from_utf8_lossy(&bytes), text);
}

fn silent(stream: &mut TcpStream) -> bool {
    stream.set_read_timeout(Some(SILENCE)).unwrap();
    let read = stream.read(&mut [0]);
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    matches!(read, Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
}

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
fn a_connection_cut_now_is_closed_and_the_next_one_is_whole() {
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

#[test]
fn dropped_pushes_leave_confirmations_and_replies() {
    let (server, proxy) = start();
    let mut stream = raw(&proxy);
    stream.write_all(b"HELLO 3\r\nCLIENT REPLY ON\r\n").unwrap();
    read_until(&mut stream, "+OK\r\n");
    proxy.drop_pushes(true);
    stream.write_all(b"SUBSCRIBE news\r\n").unwrap();
    expect(&mut stream, ">3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n");
    assert_eq!(server.command(&["PUBLISH", "news", "lost"]), Value::Int(1));
    stream.write_all(b"PING\r\n").unwrap();
    expect(&mut stream, "+PONG\r\n");
    proxy.drop_pushes(false);
    server.command(&["PUBLISH", "news", "kept"]);
    expect(&mut stream, ">3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$4\r\nkept\r\n");
}

#[test]
fn messages_of_the_older_protocol_are_dropped_alike() {
    let (server, proxy) = start();
    let mut stream = raw(&proxy);
    proxy.drop_pushes(true);
    stream.write_all(b"SUBSCRIBE news\r\n").unwrap();
    expect(&mut stream, "*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n");
    server.command(&["PUBLISH", "news", "lost"]);
    stream.write_all(b"PING\r\n").unwrap();
    expect(&mut stream, "*2\r\n$4\r\npong\r\n$0\r\n\r\n");
}

#[test]
fn a_list_that_looks_like_a_message_passes() {
    let (_server, proxy) = start();
    let mut stream = raw(&proxy);
    proxy.drop_pushes(true);
    stream.write_all(b"RPUSH list message news text\r\nLRANGE list 0 -1\r\n").unwrap();
    expect(&mut stream, ":3\r\n*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$4\r\ntext\r\n");
}

#[test]
fn a_black_hole_keeps_connections_open_and_forwards_nothing() {
    let (server, proxy) = start();
    let (mut idle, mut old) = (connect(&proxy), raw(&proxy));
    eventually(LIMIT, "the proxy knows both", || proxy.connections() == 2);
    proxy.black_hole(true);
    let mut new = raw(&proxy);
    old.write_all(b"INCR n\r\n").unwrap();
    new.write_all(b"INCR n\r\n").unwrap();
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
    let (_server, proxy) = start();
    let port = proxy.port();
    let mut stream = raw(&proxy);
    drop(proxy);
    assert!(!matches!(stream.read(&mut [0]), Ok(1..)));
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
}

fn read_until(stream: &mut TcpStream, end: &str) {
    let mut bytes = Vec::new();
    while !bytes.ends_with(end.as_bytes()) {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        bytes.push(byte[0]);
    }
}
