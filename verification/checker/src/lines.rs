//! Events as lines of JSON, the format in which worker processes write them.

use std::io::{self, BufRead, Write};

use crate::Event;

/// Writes one event as one line.
pub fn write(out: &mut impl Write, event: &Event) -> io::Result<()> {
    let mut line = serde_json::to_vec(event)?;
    line.push(b'\n');
    // One write, so that a killed process leaves at most one incomplete line.
    out.write_all(&line)
}

/// Reads what [`write()`] wrote. Ignores an incomplete last line, which a killed process leaves.
pub fn read(mut from: impl BufRead) -> io::Result<Vec<Event>> {
    let mut events = Vec::new();
    let mut line = Vec::new();
    while from.read_until(b'\n', &mut line)? > 0 && line.ends_with(b"\n") {
        events.push(serde_json::from_slice(&line)?);
        line.clear();
    }
    Ok(events)
}
