//! What one worker did, and the line of text in which it says so.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context as _, ensure};

/// One stay inside the lock, with readings of [`clock::now`](crate::clock::now).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Section {
    pub asked: u64,
    pub entered: u64,
    /// When the call that released it returned.
    pub left: u64,
    /// The fencing token, from those who issue one.
    pub fence: Option<u64>,
}

/// The log of one worker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Log {
    pub errors: u64,
    /// When it asked the last time, if it was not served before the end.
    pub unserved: Option<u64>,
    pub sections: Vec<Section>,
}

impl fmt::Display for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "log {} {}", self.errors, Dash(self.unserved))?;
        for Section { asked, entered, left, fence } in &self.sections {
            write!(f, " {asked},{entered},{left},{}", Dash(*fence))?;
        }
        Ok(())
    }
}

impl FromStr for Log {
    type Err = anyhow::Error;

    fn from_str(line: &str) -> anyhow::Result<Self> {
        let mut words = line.split(' ');
        ensure!(words.next() == Some("log"), "not a log: {line:.60}");
        let errors = words.next().context("the errors are missing")?.parse()?;
        let unserved = undash(words.next().context("the last request is missing")?)?;
        let sections = words.map(section).collect::<anyhow::Result<_>>()?;
        Ok(Self { errors, unserved, sections })
    }
}

fn section(word: &str) -> anyhow::Result<Section> {
    let mut parts = word.split(',');
    let mut part = || parts.next().with_context(|| format!("too few parts: {word}"));
    Ok(Section {
        asked: part()?.parse()?,
        entered: part()?.parse()?,
        left: part()?.parse()?,
        fence: undash(part()?)?,
    })
}

/// A number, or a dash for none.
pub struct Dash(pub Option<u64>);

impl fmt::Display for Dash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(number) => write!(f, "{number}"),
            None => f.write_str("-"),
        }
    }
}

fn undash(word: &str) -> anyhow::Result<Option<u64>> {
    Ok(if word == "-" { None } else { Some(word.parse()?) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_read_as_it_was_written() {
        let sections = vec![
            Section { asked: 1, entered: 2, left: 3, fence: Some(9) },
            Section { asked: 4, entered: 5, left: 6, fence: None },
        ];
        let log = Log { errors: 2, unserved: Some(7), sections };
        assert_eq!(log.to_string(), "log 2 7 1,2,3,9 4,5,6,-");
        assert_eq!(log.to_string().parse::<Log>().unwrap(), log);
    }

    #[test]
    fn another_line_is_rejected() {
        assert!("ready".parse::<Log>().is_err());
        assert!("log 0 - 1,2".parse::<Log>().is_err());
    }
}
