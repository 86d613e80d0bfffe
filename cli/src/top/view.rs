//! What `distlock top` shows, and what its keys do. It neither reads a terminal nor talks to a
//! server.

use std::cmp::Reverse;
use std::time::{Instant, SystemTime};

use clap::ValueEnum;
use distlock::{Fence, Inspection};
use ratatui::Frame;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Block, Clear, Paragraph, Row, Table, TableState, Wrap};

use crate::text::{plain, short};
use crate::{inspect, list, release};

/// What the locks are sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Order {
    /// Most waiters first
    Waiters,
    /// Longest wait first
    Wait,
    /// Held for longest first
    Held,
    /// By key
    Key,
}

impl Order {
    const fn next(self) -> Self {
        match self {
            Self::Waiters => Self::Wait,
            Self::Wait => Self::Held,
            Self::Held => Self::Key,
            Self::Key => Self::Waiters,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Waiters => "waiters",
            Self::Wait => "wait",
            Self::Held => "hold time",
            Self::Key => "key",
        }
    }

    fn sort(self, rows: &mut [(String, Inspection)]) {
        let held = |found: &Inspection| found.holder.as_ref().map(|holder| holder.held_since);
        rows.sort_by(|(one, _), (other, _)| one.cmp(other));
        match self {
            Self::Waiters => rows.sort_by_key(|(_, found)| Reverse(found.waiting)),
            // Those without come last.
            Self::Wait => rows.sort_by_key(|(_, found)| last_if_none(list::longest_wait(found))),
            Self::Held => rows.sort_by_key(|(_, found)| last_if_none(held(found))),
            Self::Key => {}
        }
    }
}

fn last_if_none(at: Option<SystemTime>) -> (bool, Option<SystemTime>) {
    (at.is_none(), at)
}

/// What a key asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    Quit,
    Release(String, Fence),
}

/// What is shown in front of the list.
enum Dialog {
    None,
    Inspect,
    /// Asks whether the hold with this token is to be released.
    Release(Fence),
}

pub struct View {
    rows: Vec<(String, Inspection)>,
    /// Whether there are more locks than those.
    more: bool,
    order: Order,
    /// The key of the row with the cursor.
    selected: Option<String>,
    dialog: Dialog,
    message: String,
    /// When the locks were read, and why they could not be read again.
    read_at: Option<Instant>,
    failure: Option<String>,
    table: TableState,
}

impl View {
    pub fn new(order: Order) -> Self {
        Self {
            rows: Vec::new(),
            more: false,
            order,
            selected: None,
            dialog: Dialog::None,
            message: String::new(),
            read_at: None,
            failure: None,
            table: TableState::default(),
        }
    }

    /// Shows other locks. The cursor stays at its key, or at its place if that is gone.
    pub fn show(&mut self, mut rows: Vec<(String, Inspection)>, more: bool) {
        let place = self.place().unwrap_or(0);
        self.order.sort(&mut rows);
        self.rows = rows;
        self.more = more;
        (self.read_at, self.failure) = (Some(Instant::now()), None);
        if self.place().is_none() {
            self.move_to(place);
            self.dialog = Dialog::None;
        }
        let holder = self.selected().and_then(|(_, found)| found.holder.as_ref());
        if let Dialog::Release(token) = self.dialog
            && holder.is_none_or(|holder| holder.fence != token)
        {
            self.dialog = Dialog::None;
            self.say("it has another holder by now".to_owned());
        }
    }

    /// The locks cannot be read; those that are shown are old.
    pub fn fail(&mut self, why: String) {
        self.failure = Some(why);
    }

    pub fn say(&mut self, message: String) {
        self.message = message;
    }

    fn place(&self) -> Option<usize> {
        let selected = self.selected.as_deref()?;
        self.rows.iter().position(|(key, _)| key == selected)
    }

    fn move_to(&mut self, place: usize) {
        let last = self.rows.len().saturating_sub(1);
        self.selected = self.rows.get(place.min(last)).map(|(key, _)| key.clone());
    }

    fn selected(&self) -> Option<&(String, Inspection)> {
        self.rows.get(self.place()?)
    }

    /// A key was pressed.
    pub fn key(&mut self, key: KeyEvent) -> Option<Action> {
        self.message.clear();
        if key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c') {
            return Some(Action::Quit);
        }
        match (std::mem::replace(&mut self.dialog, Dialog::None), key.code) {
            (Dialog::Release(token), KeyCode::Char('y' | 'Y')) => {
                return self.selected().map(|(key, _)| Action::Release(key.clone(), token));
            }
            (Dialog::Release(_), _) => self.say("nothing was released".to_owned()),
            (Dialog::Inspect, KeyCode::Char('q') | KeyCode::Esc | KeyCode::Enter) => {}
            (Dialog::None, KeyCode::Char('q') | KeyCode::Esc) => return Some(Action::Quit),
            (Dialog::None, KeyCode::Enter | KeyCode::Char('i')) if self.selected().is_some() => {
                self.dialog = Dialog::Inspect;
            }
            (_, KeyCode::Char('r')) => self.ask_release(),
            (dialog, code) => {
                self.dialog = dialog;
                self.navigate(code);
            }
        }
        None
    }

    fn navigate(&mut self, code: KeyCode) {
        let place = self.place().unwrap_or(0);
        match code {
            KeyCode::Down | KeyCode::Char('j') => self.move_to(place + 1),
            KeyCode::Up | KeyCode::Char('k') => self.move_to(place.saturating_sub(1)),
            KeyCode::PageDown => self.move_to(place + 20),
            KeyCode::PageUp => self.move_to(place.saturating_sub(20)),
            KeyCode::Home => self.move_to(0),
            KeyCode::End => self.move_to(usize::MAX),
            KeyCode::Char('s') => {
                self.order = self.order.next();
                self.order.sort(&mut self.rows);
            }
            _ => {}
        }
    }

    fn ask_release(&mut self) {
        match self.selected().map(|(_, found)| found.holder.as_ref().map(|holder| holder.fence)) {
            Some(Some(token)) => self.dialog = Dialog::Release(token),
            Some(None) => self.say("that one has no holder".to_owned()),
            None => {}
        }
    }

    pub fn draw(&mut self, frame: &mut Frame<'_>) {
        let foot_text = match (self.message.as_str(), &self.failure) {
            ("", None) => "↑↓ select  ⏎ inspect  r release  s sort  q quit".into(),
            ("", Some(why)) => plain(why),
            (message, _) => plain(message),
        };
        let area = frame.area();
        // An error is longer than most terminals are wide.
        let foot_height = height_of(&foot_text, area.width.into()).min(area.height / 2).max(1);
        let layout = [Constraint::Length(1), Constraint::Min(1), Constraint::Length(foot_height)];
        let [head, body, foot] = Layout::vertical(layout).areas(area);
        let foot_text = Paragraph::new(foot_text).wrap(Wrap { trim: true });
        frame.render_widget(foot_text.style(Modifier::DIM), foot);
        frame.render_widget(Line::from(self.summary()), head);
        self.draw_table(frame, body);
        if let Some(text) = self.dialog_text() {
            draw_dialog(frame, body, &text);
        }
    }

    fn summary(&self) -> String {
        let old = match (self.read_at, &self.failure) {
            (None, None) => return "reading the locks …".to_owned(),
            (None, Some(_)) => return "the locks cannot be read".to_owned(),
            (Some(_), None) => String::new(),
            (Some(at), Some(_)) => format!("{} ago: ", short(at.elapsed())),
        };
        let waiting: u64 = self.rows.iter().map(|(_, found)| found.waiting).sum();
        let pause = self.rows.iter().find_map(|(_, found)| found.pause.as_ref());
        let pause = pause.map_or_else(String::new, |pause| format!(", {pause}"));
        let locks = match self.rows.len() {
            1 => "1 lock".to_owned(),
            count => format!("{count} locks"),
        };
        let more = if self.more { " of more, see --limit" } else { "" };
        let waiting = match waiting {
            1 => "1 request waits".to_owned(),
            count => format!("{count} requests wait"),
        };
        format!("{old}{locks}{more}, {waiting}, by {}{pause}", self.order.name())
    }

    fn draw_table(&mut self, frame: &mut Frame<'_>, area: Rect) {
        let shown = columns_within(area.width);
        let pick = |all: [String; 8]| {
            let all = all.into_iter().enumerate();
            Row::new(all.filter(|(place, _)| shown.contains(place)).map(|(_, text)| text))
        };
        let rows = self.rows.iter().map(|(key, found)| pick(list::columns(key, found)));
        let widths = shown.iter().map(|&place| WIDTHS[place]);
        let head = pick(list::COLUMNS.map(str::to_owned)).style(Modifier::BOLD);
        let table = Table::new(rows, widths)
            .header(head)
            .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED));
        self.table.select(self.place());
        frame.render_stateful_widget(table, area, &mut self.table);
    }

    fn dialog_text(&self) -> Option<String> {
        let (key, found) = self.selected()?;
        match self.dialog {
            Dialog::None => None,
            Dialog::Inspect => {
                let mut shown = Vec::new();
                inspect::print(&mut shown, key, found).ok()?;
                String::from_utf8(shown).ok()
            }
            Dialog::Release(_) => {
                let question = release::question(key, found.holder.as_ref()?);
                Some(format!("{question} y releases it, any other key does not."))
            }
        }
    }
}

/// The widths of the columns.
const WIDTHS: [Constraint; 8] = [
    Constraint::Fill(3),
    Constraint::Fill(2),
    Constraint::Fill(3),
    Constraint::Length(8),
    Constraint::Length(8),
    Constraint::Length(16),
    Constraint::Length(7),
    Constraint::Length(8),
];

/// The columns for which a terminal is wide enough: the inspection shows the others.
fn columns_within(width: u16) -> &'static [usize] {
    match width {
        100.. => &[0, 1, 2, 3, 4, 5, 6, 7],
        80.. => &[0, 1, 2, 3, 6, 7],
        50.. => &[0, 1, 3, 6],
        _ => &[0, 3],
    }
}

/// How many rows a line of text takes. Words that do not fit go to the next row, so a long line may
/// take one more.
fn height_of(line: &str, width: usize) -> u16 {
    let rows = match line.chars().count() {
        length if length <= width => 1,
        length => length.div_ceil(width.max(1)) + 1,
    };
    u16::try_from(rows).unwrap_or(u16::MAX)
}

fn draw_dialog(frame: &mut Frame<'_>, area: Rect, text: &str) {
    let width = usize::from(area.width.saturating_sub(2));
    let height = text.lines().fold(2_u16, |sum, line| sum.saturating_add(height_of(line, width)));
    let layout = [Constraint::Fill(1), Constraint::Length(height.min(area.height))];
    let [_, dialog] = Layout::vertical(layout).areas(area);
    frame.render_widget(Clear, dialog);
    let paragraph = Paragraph::new(text).wrap(Wrap { trim: false }).block(Block::bordered());
    frame.render_widget(paragraph, dialog);
}

#[cfg(test)]
mod tests;
