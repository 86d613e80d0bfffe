//! Events as lines of JSON, as processes of a trial hand them over.

use std::io::{self, BufRead, Write};

use crate::Event;

/// Writes one event as one line.
pub fn write(out: &mut impl Write, event: &Event) -> io::Result<()> {
    let mut line = serde_json::to_vec(event)?;
    line.push(b'\n');
    // In one piece, so that a process that is killed cuts a line only where the system does.
    out.write_all(&line)
}

/// Reads what [`write()`] wrote. A last line without its end is that of a process that was killed, and is left out.
pub fn read(mut from: impl BufRead) -> io::Result<Vec<Event>> {
    let mut events = Vec::new();
    let mut line = Vec::new();
    while from.read_until(b'\n', &mut line)? > 0 && line.ends_with(b"\n") {
        events.push(serde_json::from_slice(&line)?);
        line.clear();
    }
    Ok(events)
}
