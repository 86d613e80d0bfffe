//! Re-entry by the holder.

use crate::bench::{self, Bench, PATIENCE};
use crate::candidate::Candidate;
use crate::child::Reentry;
use crate::report::Report;
use crate::table::{Table, number};

pub fn run(bench: &Bench) -> anyhow::Result<Report> {
    bench.at("re-entry");
    let server = bench::server()?;
    let reentry = Reentry { url: server.url() };
    let mut child = bench.child(Candidate::DISTLOCK_THREADS, &reentry.arguments())?;
    let before = server.commands_processed();
    child.tell(&bench.options.time().as_millis().to_string())?;
    let [thread, task] = child.numbers::<f64, 2>(bench.options.time() + PATIENCE)?;
    let sent = server.commands_processed() - before;

    let mut table = Table::new(&["candidate", "thread, ns a call", "task, ns a call"]);
    table.add(vec!["distlock".to_owned(), number(thread), number(task)]);
    for peer in ["rslock", "rlock", "redis-py"] {
        table.add(vec![peer.to_owned(), "no".to_owned(), "no".to_owned()]);
    }
    let notes = vec![format!(
        "A call of an annotated function inside another of the same key. Commands at the server \
         for the two holds and all calls inside, scripts' own included: {sent}. With the peers a \
         second request for the same key waits for the first."
    )];
    let title = "Re-entry".to_owned();
    Ok(Report { title, notes, tables: vec![table], chart: None })
}
