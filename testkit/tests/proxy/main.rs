//! Each fault of the proxy, as the client and the server see it.

mod cuts;
mod delays;
mod passage;
mod pushes;
mod silence;

use std::io::Read;
use std::net::TcpStream;
use std::time::Duration;

use redis::{Connection, RedisResult, Value};
use testkit::{FaultProxy, RedisServer};

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
