//! Workers without an async runtime: `cargo run --example worker`
//!
//! Three processes do the jobs of a folder, a file each. The one that does the longest job is
//! killed in the middle of it, and another one does that job.

#[path = "support/children.rs"]
mod children;
#[path = "support/mod.rs"]
mod support;

use std::collections::HashMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fs, io, process, thread};

use anyhow::{Context as _, ensure};
use children::Children;
use distlock::{LockError, distributed_lock};
use tempfile::NamedTempFile;

const JOBS: u64 = 24;
const LONGEST: u64 = 0;
const FOLDER_VARIABLE: &str = "WORKER_EXAMPLE_FOLDER";

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Does one job, unless another worker is at it or has done it. The lease is renewed meanwhile, so
/// a job may take longer than the `ttl`, which is how long a crash delays it.
#[distributed_lock("job:{number}", if_busy = skip, ttl = "1s", hold = hold)]
fn run(folder: &Path, number: u64) -> Result<(), Error> {
    let job = folder.join(format!("{number}.job"));
    let input: u64 = match fs::read_to_string(&job) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()), // done meanwhile
        input => input?.trim().parse().map_err(io::Error::other)?,
    };
    println!("starts {number}");
    let duration = if number == LONGEST { 1500 } else { 100 };
    thread::sleep(Duration::from_millis(duration)); // the work
    let output = input * input;

    // A sync function goes on after a loss. It looks before it writes, and a worker that is paused
    // right here does not overwrite the result of the one that has the job by then.
    hold.check()?;
    let mut result = NamedTempFile::new_in(folder)?;
    writeln!(result, "{output} {}", process::id())?;
    match result.persist_noclobber(folder.join(format!("{number}.result"))) {
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {}
        written => drop(written.map_err(|error| error.error)?),
    }
    fs::remove_file(job)?;
    Ok(())
}

/// Does jobs until there are none.
fn work(folder: &Path) -> anyhow::Result<()> {
    loop {
        let jobs = jobs(folder)?;
        if jobs.is_empty() {
            return Ok(());
        }
        for number in jobs {
            // Without the lock a job does not run. It is still there in the next round.
            if let Err(error) = run(folder, number) {
                eprintln!("worker {}: job {number}: {error}", process::id());
            }
        }
        // The others have the jobs that are left.
        thread::sleep(Duration::from_millis(50));
    }
}

fn jobs(folder: &Path) -> io::Result<Vec<u64>> {
    let mut jobs = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "job") {
            jobs.extend(path.file_stem().and_then(|stem| stem.to_str()?.parse::<u64>().ok()));
        }
    }
    Ok(jobs)
}

fn main() -> anyhow::Result<()> {
    if let Some(folder) = env::var_os(FOLDER_VARIABLE) {
        return work(&PathBuf::from(folder));
    }
    let server = support::Server::find()?;
    println!("server: {server}");
    if server.url().starts_with("memory://") {
        println!("this example needs a Redis server: install redis-server or set DISTLOCK_URL");
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    for number in 0..JOBS {
        fs::write(folder.path().join(format!("{number}.job")), number.to_string())?;
    }
    let variables = [
        (FOLDER_VARIABLE, folder.path().as_os_str()),
        (support::URL_VARIABLE, server.url().as_ref()),
    ];
    let mut workers = Children::start(3, &variables)?;

    let mut starts: HashMap<u64, Vec<u32>> = HashMap::new();
    while let Some((id, line)) = workers.next_line()? {
        let number = line.strip_prefix("starts ").context("another line than expected")?.parse()?;
        let started = starts.entry(number).or_default();
        started.push(id);
        if number == LONGEST && started.len() == 1 {
            workers.kill(id)?;
            println!("worker {id} starts job {number}, and is killed");
        } else if number == LONGEST {
            println!("worker {id} starts it again");
        }
    }
    for number in 0..JOBS {
        let result = fs::read_to_string(folder.path().join(format!("{number}.result")))?;
        let output = result.split_whitespace().next().unwrap_or_default();
        ensure!(output == (number * number).to_string(), "job {number} has the result {result}");
        let (by, expected) = (&starts[&number], 1 + usize::from(number == LONGEST));
        ensure!(by.len() == expected, "job {number} was started by the workers {by:?}");
    }
    println!("all other jobs of the {JOBS} were started once, and all have their result");
    Ok(())
}
