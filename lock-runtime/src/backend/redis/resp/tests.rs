//! The decoder against that of the `redis` crate, whole and byte by byte.

use redis::parse_redis_value;

use crate::backend::redis::resp::{NOT_RESP, ReceiveBuffer, TLS_ALERT};
use crate::backend::redis::value::WireError;
use crate::backend::redis::value::tests::value_of;

const FRAMES: [&[u8]; 25] = [
    b":12\r\n",
    b":-3\r\n",
    b"+OK\r\n",
    b"+PONG\r\n",
    b"_\r\n",
    b"$-1\r\n",
    b"$5\r\na\r\nbc\r\n",
    b"*-1\r\n",
    b"*0\r\n",
    b"*3\r\n:1\r\n$1\r\nx\r\n*1\r\n_\r\n",
    b"%1\r\n$3\r\nkey\r\n:7\r\n",
    b">3\r\n$7\r\nmessage\r\n$5\r\ninbox\r\n$3\r\nhey\r\n",
    b"-NOSCRIPT No matching script\r\n",
    b"*2\r\n:1\r\n-ERR inside\r\n",
    b"#t\r\n",
    b"#f\r\n",
    b",1.5\r\n",
    b",-1e3\r\n",
    b",inf\r\n",
    b"(3492890328409238509324850943850943825024385\r\n",
    b"!12\r\nSYNTAX a\r\nb!\r\n",
    b"=7\r\ntxt:a:b\r\n",
    b"~2\r\n:1\r\n+x\r\n",
    b"|1\r\n+ttl\r\n:3600\r\n*1\r\n:1\r\n",
    b"*1\r\n|1\r\n+ttl\r\n:3600\r\n:1\r\n",
];

#[test]
fn what_listens_in_place_of_a_server_is_told_apart() {
    let rows: [(&[u8], _); 3] = [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", NOT_RESP),
        (b"SSH-2.0-OpenSSH_9.2\r\n", NOT_RESP),
        (b"\x15\x03\x03\0\x02\x02\x46", TLS_ALERT),
    ];
    for (bytes, expected) in rows {
        let mut buffer = ReceiveBuffer::default();
        buffer.extend(bytes);
        assert!(matches!(buffer.next(), Err(WireError::Unexpected(what)) if what == expected));
    }
}

#[test]
fn decodes_as_the_redis_crate_does_however_the_bytes_arrive() {
    for frame in FRAMES {
        let expected = value_of(parse_redis_value(frame).expect("a frame"));
        let mut whole = ReceiveBuffer::default();
        whole.extend(frame);
        whole.extend(b":1");
        assert_eq!(whole.next().expect("valid"), Some(expected.clone()));
        assert_eq!(whole.next().expect("valid"), None);
        let mut slow = ReceiveBuffer::default();
        for (number, &byte) in frame.iter().enumerate() {
            slow.extend(&[byte]);
            let found = slow.next().expect("valid");
            assert_eq!(found.is_some(), number + 1 == frame.len(), "{number} of {frame:?}");
            assert!(found.is_none_or(|found| found == expected));
        }
    }
}

#[test]
fn refuses_what_is_no_resp() {
    let deep = b"*1\r\n".repeat(100);
    let wrong: [&[u8]; 11] = [
        b"HTTP/1.1",
        b":x\r\n",
        b"$2\r\nabc\r\n",
        b"$-2\r\n",
        b">0\r\n",
        b"+a\rb",
        b"#x\r\n",
        b",x\r\n",
        b"=3\r\ntxt\r\n",
        b"|1\r\n:1\r\n:1\r\n?",
        &deep,
    ];
    for bytes in wrong {
        let mut buffer = ReceiveBuffer::default();
        buffer.extend(bytes);
        assert!(buffer.next().is_err(), "{:?}", String::from_utf8_lossy(bytes));
    }
}
