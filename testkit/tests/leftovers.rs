//! What a proxy leaves behind when it is dropped: nothing. Alone in its process, because it counts
//! threads.
#![cfg(target_os = "linux")]

use std::io::Write;
use std::net::TcpStream;
use std::process;
use std::time::Duration;

use testkit::{Direction, FaultProxy, RedisServer, Resources, eventually};

const LIMIT: Duration = Duration::from_secs(10);

fn connect(proxy: &FaultProxy) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", proxy.port())).unwrap();
    stream.write_all(b"PING\r\n").unwrap();
    stream
}

#[test]
fn a_dropped_proxy_ends_its_threads_and_sockets() {
    let server = RedisServer::start().unwrap();
    let before = Resources::of(process::id()).unwrap();
    let proxy = FaultProxy::start(&server).unwrap();
    let mut clients = vec![connect(&proxy)];
    proxy.delay(Direction::ToServer, Duration::from_secs(3600));
    clients.push(connect(&proxy));
    eventually(LIMIT, "both have sent", || proxy.requests() == 2);
    proxy.freeze(true);
    proxy.black_hole(true);
    clients.push(connect(&proxy));
    eventually(LIMIT, "all have sent", || proxy.requests() == 3);
    assert_ne!(Resources::of(process::id()).unwrap(), before);
    drop((proxy, clients));
    eventually(LIMIT, "all is as before", || Resources::of(process::id()).unwrap() == before);
    eventually(LIMIT, "the server is alone", || server.clients() == 0);
}
