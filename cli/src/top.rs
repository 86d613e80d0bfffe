//! `distlock top`: the list of locks, live.
//!
//! A thread reads the locks and carries out what the user asks for. The terminal only shows
//! [`view::View`], which decides what each key does.

mod view;

use std::io::{self, IsTerminal as _};
use std::num::NonZeroUsize;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use clap::Args;
use distlock::{Inspection, LockManager};
use globset::GlobMatcher;
use humantime::parse_duration;
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyEventKind};

use crate::list;
use crate::output::as_typed;
use crate::text::plain;
use crate::top::view::{Action, Order, View};

const LONG: &str = "\
Keys:
  Up, Down, j, k, PageUp, PageDown, Home, End   move the cursor
  Enter, i     shows the lock in full; Enter or q goes back
  r            releases the lock in place of its holder, after a question
  s            sorts by the next column
  q, Esc, ^C   ends

The columns are those of `distlock ls --help`.";

#[derive(Args, Debug)]
#[command(after_long_help = LONG)]
pub struct TopArguments {
    /// Shows only keys like this: `*` stands for any characters, `?` for one, `[ab]` for one of
    /// these
    pattern: Option<String>,
    /// How often the locks are read
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = interval)]
    interval: Duration,
    /// What the locks are sorted by
    #[arg(long, value_enum, value_name = "ORDER", default_value_t = Order::Waiters)]
    sort: Order,
    /// Reads at most this many locks, the first that the server has
    #[arg(long, value_name = "COUNT", default_value = "1000")]
    limit: NonZeroUsize,
}

/// A shorter interval would keep the server busy.
const SHORTEST: Duration = Duration::from_millis(10);

fn interval(text: &str) -> Result<Duration, String> {
    let interval = parse_duration(text).map_err(|error| error.to_string())?;
    if interval < SHORTEST { Err("the shortest is 10ms".to_owned()) } else { Ok(interval) }
}

/// What the thread that talks to the server has to say.
enum News {
    /// The locks that are listed, and whether there are more.
    Locks(Vec<(String, Inspection)>, bool),
    /// Why they cannot be read.
    NotRead(String),
    Message(String),
}

/// How long a key that is pressed or a list that has arrived may stay unseen.
const REDRAW: Duration = Duration::from_millis(100);

/// Shows the locks until the user has seen enough.
pub fn top(locks: LockManager, arguments: &TopArguments) -> anyhow::Result<()> {
    let pattern = arguments.pattern.as_deref().map(list::matcher).transpose()?;
    if !io::stdout().is_terminal() {
        bail!("top needs a terminal; `distlock ls` prints the locks once");
    }
    let (action_sender, actions) = mpsc::channel();
    let (news_sender, news) = mpsc::channel();
    let (interval, limit) = (arguments.interval, arguments.limit.get());
    // Ends when the terminal does.
    thread::spawn(move || {
        Reader { locks, pattern, limit, news: news_sender }.run(interval, &actions);
    });
    let mut terminal = ratatui::try_init().context("top needs a terminal")?;
    let shown = show(&mut terminal, View::new(arguments.sort), &news, &action_sender);
    ratatui::restore();
    shown
}

fn show(
    terminal: &mut DefaultTerminal,
    mut view: View,
    news: &Receiver<News>,
    actions: &Sender<Action>,
) -> anyhow::Result<()> {
    loop {
        for news in news.try_iter() {
            match news {
                News::Locks(rows, more) => view.show(rows, more),
                News::NotRead(why) => view.fail(why),
                News::Message(text) => view.say(text),
            }
        }
        terminal.draw(|frame| view.draw(frame))?;
        if !event::poll(REDRAW)? {
            continue;
        }
        if let Event::Key(key) = event::read()?
            && key.kind == KeyEventKind::Press
        {
            match view.key(key) {
                Some(Action::Quit) => return Ok(()),
                // Its thread cannot have ended: it ends with this channel.
                Some(action) => actions.send(action)?,
                None => {}
            }
        }
    }
}

struct Reader {
    locks: LockManager,
    pattern: Option<GlobMatcher>,
    limit: usize,
    news: Sender<News>,
}

impl Reader {
    /// Reads the locks at intervals, and at once after a lock was released.
    fn run(&self, interval: Duration, actions: &Receiver<Action>) {
        loop {
            let mut rows = Vec::new();
            let read = list::walk(&self.locks, self.pattern.as_ref(), self.limit, |key, found| {
                rows.push((key, found));
                Ok(())
            });
            let next = Instant::now() + interval;
            let (more, failure) = match read {
                Ok(end) => (end.has_more, None),
                Err(error) => (false, Some(as_typed(&format!("{error:#}")))),
            };
            // Those of other nodes of a cluster are there all the same.
            let locks = (failure.is_none() || !rows.is_empty()).then_some(News::Locks(rows, more));
            for news in locks.into_iter().chain(failure.map(News::NotRead)) {
                if self.news.send(news).is_err() {
                    return;
                }
            }
            match actions.recv_timeout(next.saturating_duration_since(Instant::now())) {
                Ok(Action::Release(key, token)) => {
                    let text = match self.locks.force_release_blocking(&key, token) {
                        Ok(true) => format!("{} is released", plain(&key)),
                        Ok(false) => format!("{} has another holder by now", plain(&key)),
                        Err(error) => as_typed(&error.to_string()),
                    };
                    let _ = self.news.send(News::Message(text));
                }
                Ok(Action::Quit) | Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }
}
