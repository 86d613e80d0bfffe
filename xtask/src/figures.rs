//! The diagrams of the documentation, as SVG.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

const WIDTH: u32 = 760;
const OURS: &str = "#2f6fb0";
const OTHERS: &str = "#d9822b";
const GREY: &str = "#8a929a";
const TEXT: &str = "#24292f";
const LOST: &str = "#c0392b";

/// Each diagram with its file in docs/.
#[must_use]
pub fn all() -> [(&'static str, String); 3] {
    [("waiting.svg", waiting()), ("hold.svg", hold()), ("handoff.svg", handoff())]
}

/// Writes them into docs/ of this checkout.
pub fn write(root: &Path) -> Result<()> {
    for (name, svg) in all() {
        let path = root.join("docs").join(name);
        fs::write(&path, svg).with_context(|| format!("cannot write {}", path.display()))?;
        println!("docs/{name}");
    }
    Ok(())
}

/// Medians of docs/benchmarks.md, in microseconds, with the text that they have there.
pub const HANDOFFS: [(&str, &str, f64, &str); 4] = [
    ("distlock", "160 | PING from sleep 127", 160.0, "160 µs"),
    ("rslock, no pause between tries", "rslock, spinning, 195", 195.0, "195 µs, 39,000 commands/s"),
    ("rslock, fastest pauses", "tuned 580 µs", 580.0, "580 µs"),
    ("rslock, default settings", "rslock 82 ms", 82_000.0, "82 ms"),
];

struct Svg(String);

impl Svg {
    fn new(height: u32, title: &str) -> Self {
        let mut svg = Self(String::new());
        svg.line(&format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
             width=\"{WIDTH}\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"13\">"
        ));
        svg.line(&format!("<title>{title}</title>"));
        svg.line(
            "<defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" \
             markerHeight=\"7\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\" fill=\"#24292f\"/>\
             </marker></defs>",
        );
        svg.line(&format!("<rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#ffffff\"/>"));
        svg
    }

    fn line(&mut self, text: &str) {
        self.0.push_str(text);
        self.0.push('\n');
    }

    fn bar(&mut self, [x, y, width, height]: [f64; 4], color: &str) {
        let _ = writeln!(
            self.0,
            "<rect x=\"{x:.0}\" y=\"{y:.0}\" width=\"{width:.0}\" height=\"{height:.0}\" rx=\"3\" \
             fill=\"{color}\"/>"
        );
    }

    fn frame(&mut self, [x, y, width, height]: [f64; 4], color: &str) {
        let _ = writeln!(
            self.0,
            "<rect x=\"{x:.0}\" y=\"{y:.0}\" width=\"{width:.0}\" height=\"{height:.0}\" rx=\"6\" \
             fill=\"none\" stroke=\"{color}\"/>"
        );
    }

    /// `anchor`: start, middle or end.
    fn text(&mut self, (x, y): (f64, f64), anchor: &str, color: &str, text: &str) {
        let _ = writeln!(
            self.0,
            "<text x=\"{x:.0}\" y=\"{y:.0}\" text-anchor=\"{anchor}\" fill=\"{color}\">\
             {text}</text>"
        );
    }

    fn stroke(&mut self, (x, y): (f64, f64), (to_x, to_y): (f64, f64), color: &str, style: &str) {
        let _ = writeln!(
            self.0,
            "<line x1=\"{x:.0}\" y1=\"{y:.0}\" x2=\"{to_x:.0}\" y2=\"{to_y:.0}\" \
             stroke=\"{color}\" {style}/>"
        );
    }

    fn arrow(&mut self, from: (f64, f64), to: (f64, f64)) {
        self.stroke(from, to, TEXT, "marker-end=\"url(#tip)\"");
    }

    fn finish(mut self) -> String {
        self.line("</svg>");
        self.0
    }
}

/// Queues of three processes and of the server.
fn waiting() -> String {
    let mut svg = Svg::new(330, "Who waits for whom");
    svg.text((20.0, 24.0), "start", TEXT, "processes, each with its local queue for account:7");
    svg.text((540.0, 24.0), "start", TEXT, "Redis");
    let processes: [(&str, &[&str]); 3] = [
        ("process A", &["runs", "waits", "waits"]),
        ("process B", &["asks", "waits", "waits"]),
        ("process C", &["asks"]),
    ];
    for (row, (name, callers)) in (0_u8..).zip(processes) {
        let y = 40.0 + 96.0 * f64::from(row);
        svg.frame([20.0, y, 400.0, 80.0], GREY);
        svg.text((32.0, y + 20.0), "start", TEXT, name);
        for (place, caller) in (0_u8..).zip(callers) {
            let x = 292.0 - 130.0 * f64::from(place);
            let color = match *caller {
                "runs" => "#2e8b57",
                "asks" => OURS,
                _ => GREY,
            };
            svg.bar([x, y + 34.0, 112.0, 30.0], color);
            let text = match *caller {
                "runs" => "runs: section",
                "asks" => "first caller",
                _ => "caller",
            };
            svg.text((x + 56.0, y + 54.0), "middle", "#ffffff", text);
            if place > 0 {
                svg.arrow((x + 112.0, y + 49.0), (x + 129.0, y + 49.0));
            }
        }
    }
    svg.frame([540.0, 40.0, 200.0, 272.0], GREY);
    svg.bar([556.0, 74.0, 168.0, 30.0], "#2e8b57");
    svg.text((640.0, 94.0), "middle", "#ffffff", "hold: process A");
    svg.text((556.0, 152.0), "start", TEXT, "queue, first in first out");
    for (y, text) in [(170.0, "1. waiter: process B"), (266.0, "2. waiter: process C")] {
        svg.bar([556.0, y, 168.0, 30.0], OURS);
        svg.text((640.0, y + 20.0), "middle", "#ffffff", text);
    }
    svg.arrow((640.0, 266.0), (640.0, 202.0));
    svg.arrow((640.0, 138.0), (640.0, 106.0));
    svg.arrow((404.0, 89.0), (554.0, 89.0));
    svg.arrow((404.0, 185.0), (554.0, 185.0));
    svg.arrow((404.0, 281.0), (554.0, 281.0));
    svg.finish()
}

/// A hold with a ttl of 30 s. The server cannot be reached from 23 s on.
fn hold() -> String {
    let mut svg = Svg::new(290, "Life of a hold");
    let x = |seconds: f64| 120.0 + 10.0 * seconds;
    svg.bar([x(23.0), 40.0, 370.0, 208.0], "#f6e3e0");
    svg.text((x(24.0), 58.0), "start", LOST, "the server cannot be reached");
    for (y, text) in [(92.0, "commands"), (152.0, "process"), (212.0, "Redis")] {
        svg.text((20.0, y), "start", TEXT, text);
    }
    let commands = [
        (0.0, "acquire", OURS),
        (10.0, "renew", OURS),
        (20.0, "renew", OURS),
        (30.0, "renew", LOST),
        (40.0, "renew", LOST),
    ];
    for (at, name, color) in commands {
        svg.stroke((x(at), 98.0), (x(at), 118.0), color, "stroke-width=\"2\"");
        svg.text((x(at), 92.0), if at > 0.0 { "middle" } else { "start" }, color, name);
    }
    svg.bar([x(0.0), 132.0, 490.0, 30.0], OURS);
    svg.text((x(1.0), 152.0), "start", "#ffffff", "the hold is valid");
    svg.text((x(48.0), 152.0), "end", "#ffffff", "sent at 20 s + ttl − margin");
    svg.stroke((x(49.0), 126.0), (x(49.0), 168.0), LOST, "stroke-width=\"3\"");
    svg.text((x(49.6), 152.0), "start", LOST, "deadline: lost");
    svg.bar([x(0.0), 192.0, 530.0, 30.0], GREY);
    svg.text((x(1.0), 212.0), "start", "#ffffff", "the key exists");
    svg.text((x(52.0), 212.0), "end", "#ffffff", "received at 20 s + ttl + slack");
    svg.bar([x(53.4), 192.0, 56.0, 30.0], "#2e8b57");
    svg.text((x(56.2), 212.0), "middle", "#ffffff", "next");
    svg.stroke((x(0.0), 250.0), (x(60.0), 250.0), TEXT, "");
    for seconds in [0.0, 10.0, 20.0, 30.0, 40.0, 50.0] {
        svg.stroke((x(seconds), 250.0), (x(seconds), 256.0), TEXT, "");
        svg.text((x(seconds), 272.0), "middle", TEXT, &format!("{seconds} s"));
    }
    svg.text((20.0, 24.0), "start", TEXT, "ttl 30 s; margin and slack are 1 % each, drawn larger");
    svg.finish()
}

/// How the lock passes from one process to the next, and the medians of that.
fn handoff() -> String {
    let mut svg = Svg::new(400, "Handoff against polling");
    svg.text((20.0, 30.0), "start", TEXT, "handoff: the release grants the lock, and notifies B");
    for (y, name) in [(58.0, "A"), (88.0, "B")] {
        svg.text((30.0, y), "start", TEXT, name);
    }
    svg.bar([60.0, 42.0, 240.0, 22.0], OURS);
    svg.bar([312.0, 72.0, 240.0, 22.0], OURS);
    svg.stroke((70.0, 83.0), (306.0, 83.0), GREY, "stroke-dasharray=\"3 4\"");
    svg.text((180.0, 105.0), "middle", GREY, "sleeps, in the queue");
    svg.arrow((300.0, 58.0), (314.0, 74.0));

    svg.text((20.0, 140.0), "start", TEXT, "polling: the lock is free until B tries again");
    for (y, name) in [(168.0, "A"), (198.0, "B")] {
        svg.text((30.0, y), "start", TEXT, name);
    }
    svg.bar([60.0, 152.0, 240.0, 22.0], OTHERS);
    for attempt in 0_u8..3 {
        let x = 70.0 + 100.0 * f64::from(attempt);
        svg.stroke((x, 182.0), (x, 204.0), OTHERS, "stroke-width=\"2\"");
    }
    svg.bar([370.0, 182.0, 182.0, 22.0], OTHERS);
    svg.text((306.0, 168.0), "start", LOST, "free, unused");
    svg.text((180.0, 216.0), "middle", GREY, "asks, asks, asks");

    svg.text((20.0, 250.0), "start", TEXT, "release in one process to hold in another, median");
    // 10 µs at 240, 100 ms at 640.
    let x = |micros: f64| 240.0 + 100.0 * (micros.log10() - 1.0);
    for (micros, text) in
        [(10.0, "10 µs"), (100.0, "100 µs"), (1e3, "1 ms"), (1e4, "10 ms"), (1e5, "100 ms")]
    {
        svg.stroke((x(micros), 262.0), (x(micros), 372.0), "#d0d7de", "");
        svg.text((x(micros), 388.0), "middle", TEXT, text);
    }
    for (row, (name, _, micros, text)) in (0_u8..).zip(HANDOFFS) {
        let y = 266.0 + 26.0 * f64::from(row);
        let color = if row == 0 { OURS } else { OTHERS };
        svg.text((232.0, y + 15.0), "end", TEXT, name);
        svg.bar([240.0, y, x(micros) - 240.0, 20.0], color);
        let (at, anchor, color) = match text {
            "82 ms" => (x(micros) - 6.0, "end", "#ffffff"),
            _ => (x(micros) + 6.0, "start", TEXT),
        };
        svg.text((at, y + 15.0), anchor, color, text);
    }
    svg.finish()
}
