//! What is published does not arrive.

use std::io::{Read, Write};
use std::net::TcpStream;

use redis::Value;

use crate::{expect, raw, start};

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
fn messages_of_the_older_protocol_are_dropped_too() {
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

fn read_until(stream: &mut TcpStream, end: &str) {
    let mut bytes = Vec::new();
    while !bytes.ends_with(end.as_bytes()) {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        bytes.push(byte[0]);
    }
}
