//! The protocol as bytes: commands in, values out.

use std::fmt::Write as _;
use std::io::{self, BufRead, Read};

use redis::{PushKind, Value};

/// The words of the next command.
pub(crate) fn command(reader: &mut impl BufRead) -> io::Result<Vec<String>> {
    let words = number(reader)?;
    (0..words).map(|_| word(reader)).collect()
}

fn word(reader: &mut impl BufRead) -> io::Result<String> {
    let mut bytes = vec![0; number(reader)? + 2];
    reader.read_exact(&mut bytes)?;
    bytes.truncate(bytes.len() - 2);
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn number(reader: &mut impl BufRead) -> io::Result<usize> {
    let mut line = String::new();
    reader.take(32).read_line(&mut line)?;
    let digits = line.trim_end().get(1..).unwrap_or_default();
    digits.parse().map_err(|_| io::Error::from(io::ErrorKind::UnexpectedEof))
}

/// A value in RESP3.
pub(crate) fn bytes(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    put(value, &mut out);
    out
}

fn put(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Int(number) => line(out, ':', number),
        Value::BulkString(bytes) => {
            line(out, '$', bytes.len());
            out.extend_from_slice(bytes);
            out.extend_from_slice(b"\r\n");
        }
        Value::Array(items) => list(out, '*', items),
        Value::Set(items) => list(out, '~', items),
        Value::Push { kind, data } => {
            line(out, '>', data.len() + 1);
            put(&Value::BulkString(word_of(kind).as_bytes().to_vec()), out);
            put_all(data, out);
        }
        Value::Map(pairs) => {
            line(out, '%', pairs.len());
            for (key, value) in pairs {
                put(key, out);
                put(value, out);
            }
        }
        Value::SimpleString(text) => line(out, '+', text.replace(['\r', '\n'], " ")),
        Value::Okay => line(out, '+', "OK"),
        Value::Double(number) => line(out, ',', number),
        Value::Boolean(yes) => line(out, '#', if *yes { 't' } else { 'f' }),
        Value::ServerError(error) => {
            line(out, '-', format!("{} {}", error.code(), error.details().unwrap_or_default()));
        }
        Value::VerbatimString { text, .. } => {
            let text = format!("txt:{text}");
            line(out, '=', text.len());
            out.extend_from_slice(text.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        Value::BigNumber(digits) => {
            line(out, '(', String::from_utf8_lossy(digits).replace(['\r', '\n'], " "));
        }
        Value::Attribute { data, attributes } => {
            line(out, '|', attributes.len());
            for (name, value) in attributes {
                put(name, out);
                put(value, out);
            }
            put(data, out);
        }
        _ => line(out, '_', ""),
    }
}

fn word_of(kind: &PushKind) -> &str {
    match kind {
        PushKind::Message => "message",
        PushKind::PMessage => "pmessage",
        PushKind::Invalidate => "invalidate",
        PushKind::Subscribe => "subscribe",
        PushKind::SMessage => "smessage",
        PushKind::SSubscribe => "ssubscribe",
        PushKind::SUnsubscribe => "sunsubscribe",
        _ => "something",
    }
}

fn list(out: &mut Vec<u8>, tag: char, items: &[Value]) {
    line(out, tag, items.len());
    put_all(items, out);
}

fn put_all(items: &[Value], out: &mut Vec<u8>) {
    for item in items {
        put(item, out);
    }
}

fn line(out: &mut Vec<u8>, tag: char, text: impl std::fmt::Display) {
    let mut line = String::new();
    write!(line, "{tag}{text}\r\n").expect("writing to a String cannot fail");
    out.extend_from_slice(line.as_bytes());
}
