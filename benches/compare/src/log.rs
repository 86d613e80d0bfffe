//! The log of one worker, and its text form.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context as _, ensure};

/// A section, with readings of [`clock::now`](crate::clock::now).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Section {
    pub asked: u64,
    pub entered: u64,
    /// When the call that released it returned.
    pub left: u64,
    /// The fencing token, if the library issues one.
    pub fence: Option<u64>,
}

/// The log of one worker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Log {
    pub errors: u64,
    /// The time of the last request, if it was not granted before the end.
    pub unserved: Option<u64>,
    pub sections: Vec<Section>,
}

impl fmt::Display for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "log {} {}", self.errors, OptionalNumber(self.unserved))?;
        for Section { asked, entered, left, fence } in &self.sections {
            write!(f, " {asked},{entered},{left},{}", OptionalNumber(*fence))?;
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
pub struct OptionalNumber(pub Option<u64>);

impl fmt::Display for OptionalNumber {
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
mod tests;
