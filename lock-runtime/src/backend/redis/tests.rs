//! The settings of sockets, and the Redis backend against random and malicious replies.

mod fake_server;
mod node;
mod random;

use std::io::ErrorKind;
use std::net::TcpListener;

use socket2::SockRef;

use super::*;
use crate::backend::socket::Stream;

#[test]
fn a_tcp_socket_sends_small_commands_at_once_and_notices_a_dead_network() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("redis://{}/", listener.local_addr().unwrap());
    let endpoint = url::parse(&address).unwrap();
    let space = Keyspace::new("lock:".to_owned());
    let server =
        RedisServer::new(endpoint, None, None, Certificates::default(), None, space).unwrap();
    let limit = Limit::of(GREETING);
    let stop = Signal::new().unwrap();
    let dialogue = Dialogue::open(&server.endpoint, &server.certificates, &limit, &stop);
    let transport = dialogue.map_err(drop).unwrap().transport;
    let Stream::Tcp(tcp) = &**transport.stream() else { panic!("it is TCP") };
    assert!(tcp.nodelay().unwrap());
    let socket = SockRef::from(tcp);
    assert!(socket.keepalive().unwrap());
    #[cfg(target_os = "linux")]
    {
        assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(15));
        assert_eq!(socket.tcp_keepalive_interval().unwrap(), Duration::from_secs(5));
        assert_eq!(socket.tcp_keepalive_retries().unwrap(), 3);
    }
    // It never blocks.
    let mut byte = [0];
    let error = std::io::Read::read(&mut &**transport.stream(), &mut byte).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
}
