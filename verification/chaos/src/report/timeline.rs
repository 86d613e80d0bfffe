use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use checker::{Event, EventKind, Nanos, Request};

use super::escaped;

/// Draws a history: a row for each key, a bar for each hold, a line for each fault.
pub(super) struct Timeline<'a>(pub(super) &'a [Event]);

const WIDTH: f64 = 1_000.0;
const MARGIN: f64 = 50.0;
const ROW: f64 = 18.0;
/// Each process has its own lane in the row of a key, which makes double holds visible.
const LANE: f64 = 3.0;
/// The height of the labels of faults above the rows.
const HEAD: f64 = 110.0;
const COLOURS: [&str; 5] = ["#888", "#2a6f97", "#c8553d", "#588b43", "#8d5a97"];
/// Holds nearer to each other than this, in pixels, are drawn as one.
const NEAR: f64 = 0.5;

/// One hold, or several that are too close to distinguish.
struct HoldBar {
    from: Nanos,
    to: Nanos,
    tokens: (u64, u64),
    lost: bool,
}

type Rows = BTreeMap<(u32, u32), Vec<HoldBar>>;

impl Timeline<'_> {
    fn span(&self) -> (Nanos, Nanos) {
        let instants = || self.0.iter().map(|event| event.at);
        let (start, end) = (instants().min().unwrap_or(0), instants().max().unwrap_or(0));
        (start, end.max(start + 1))
    }

    fn rows(&self, scale: &Scale) -> Rows {
        let mut sorted: Vec<&Event> = self.0.iter().collect();
        sorted.sort_by_key(|event| event.at);
        let mut drawing = RowBuilder::default();
        for event in sorted {
            drawing.take(event, scale);
        }
        drawing.rows
    }
}

#[derive(Default)]
struct RowBuilder {
    keys: HashMap<Request, u32>,
    open: HashMap<Request, HoldBar>,
    rows: Rows,
}

impl RowBuilder {
    fn take(&mut self, event: &Event, scale: &Scale) {
        match event.kind {
            EventKind::Requested { request, key, .. } => {
                self.keys.insert(request, key);
            }
            EventKind::Acquired { request, fence, valid_until, outer: None } => {
                let (from, tokens) = (event.at, (fence, fence));
                self.open.insert(request, HoldBar { from, to: valid_until, tokens, lost: false });
            }
            EventKind::Extended { request, until } => {
                self.open.entry(request).and_modify(|bar| bar.to = until);
            }
            EventKind::LossReported { request } => self.end(event, request, true, scale),
            EventKind::Released { request } => self.end(event, request, false, scale),
            _ => {}
        }
    }

    fn end(&mut self, event: &Event, request: Request, lost: bool, scale: &Scale) {
        let Some(bar) = self.open.remove(&request) else { return };
        let key = self.keys.get(&request).copied().unwrap_or(0);
        let bar = HoldBar { to: bar.to.min(event.at), lost, ..bar };
        add(self.rows.entry((key, event.process)).or_default(), bar, scale);
    }
}

fn add(row: &mut Vec<HoldBar>, bar: HoldBar, scale: &Scale) {
    if let Some(last) = row.last_mut()
        && scale.x(bar.from) - scale.x(last.to) < NEAR
        && !bar.lost
        && !last.lost
    {
        last.to = last.to.max(bar.to);
        last.tokens.1 = bar.tokens.1;
        return;
    }
    row.push(bar);
}

/// Maps instants to pixels.
struct Scale {
    start: Nanos,
    end: Nanos,
}

impl Scale {
    #[expect(clippy::cast_precision_loss, reason = "pixels are coarser")]
    fn x(&self, at: Nanos) -> f64 {
        let at = at.clamp(self.start, self.end);
        MARGIN + WIDTH * (at - self.start) as f64 / (self.end - self.start) as f64
    }

    #[expect(clippy::cast_precision_loss, reason = "for people")]
    fn ms(&self, at: Nanos) -> f64 {
        at.saturating_sub(self.start) as f64 / 1e6
    }
}

impl fmt::Display for Timeline<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (start, end) = self.span();
        let scale = Scale { start, end };
        let rows = self.rows(&scale);
        let keys: BTreeSet<u32> = rows.keys().map(|(key, _)| *key).collect();
        #[expect(clippy::cast_precision_loss, reason = "a few rows")]
        let height = HEAD + ROW * keys.len() as f64;
        let width = MARGIN + WIDTH + 10.0;
        write!(
            f,
            "<svg viewBox=\"0 0 {width} {height}\" font-size=\"9\" font-family=\"sans-serif\">"
        )?;
        let mut y = HEAD;
        for key in &keys {
            write!(f, "<text x=\"4\" y=\"{}\">key {key}</text>", y + 11.0)?;
            for ((_, process), bars) in rows.range((*key, 0)..=(*key, u32::MAX)) {
                let lane = y + LANE * f64::from(*process);
                bars.iter().try_for_each(|bar| draw(f, bar, *process, lane, &scale))?;
            }
            y += ROW;
        }
        self.draw_faults(f, &scale, height)?;
        f.write_str("</svg>")
    }
}

fn draw(
    f: &mut fmt::Formatter<'_>,
    bar: &HoldBar,
    process: u32,
    y: f64,
    scale: &Scale,
) -> fmt::Result {
    let x = scale.x(bar.from);
    let width = (scale.x(bar.to) - x).max(0.4);
    let colour = COLOURS[process as usize % COLOURS.len()];
    let stroke = if bar.lost { " stroke=\"#b00020\"" } else { "" };
    let (from, to, (first, last)) = (scale.ms(bar.from), scale.ms(bar.to), bar.tokens);
    let tokens =
        if first == last { format!("token {first}") } else { format!("tokens {first} to {last}") };
    write!(
        f,
        "<rect x=\"{x:.1}\" y=\"{y}\" width=\"{width:.1}\" height=\"3\" \
         fill=\"{colour}\"{stroke}><title>process {process}, {tokens}, \
         {from:.3} to {to:.3} ms</title></rect>"
    )
}

impl Timeline<'_> {
    fn draw_faults(&self, f: &mut fmt::Formatter<'_>, scale: &Scale, height: f64) -> fmt::Result {
        let label = |event: &Event| match &event.kind {
            // The line before says when the fault began.
            EventKind::Fault(text) if text.starts_with("done: ") => None,
            EventKind::Fault(text) => Some((event.at, brief(text))),
            EventKind::Paused(true) => {
                Some((event.at, format!("process {} is paused", event.process)))
            }
            EventKind::Paused(false) => {
                Some((event.at, format!("process {} is resumed", event.process)))
            }
            EventKind::Crashed => Some((event.at, format!("process {} is killed", event.process))),
            _ => None,
        };
        for (number, (at, text)) in self.0.iter().filter_map(label).enumerate() {
            let (x, text) = (scale.x(at), escaped(&text));
            #[expect(clippy::cast_precision_loss, reason = "a remainder")]
            let y = 8.0 + 9.0 * (number % 11) as f64;
            write!(
                f,
                "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{y}\" y2=\"{height}\" stroke=\"#b00020\" \
                 stroke-width=\"0.4\"/>\
                 <text x=\"{x:.1}\" y=\"{y}\" fill=\"#b00020\" font-size=\"7\">{text}</text>"
            )?;
        }
        Ok(())
    }
}

/// Without the details, which the title of the figure shows.
fn brief(text: &str) -> String {
    match (text.split_once(" ("), text.rsplit_once("): ")) {
        (Some((name, _)), Some((_, why))) => format!("{name}: {why}"),
        (Some((name, _)), None) => name.to_owned(),
        (None, _) => text.to_owned(),
    }
}
