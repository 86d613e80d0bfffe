//! The charts of the rows, one below the other, as one SVG.

use std::path::Path;

use anyhow::anyhow;
use plotters::coord::Shift;
use plotters::prelude::{
    ChartBuilder, Color as _, DrawingArea, IntoDrawingArea as _, IntoFont as _, IntoLogRange as _,
    IntoTextStyle as _, RGBColor, Rectangle, SVGBackend, Text, WHITE,
};
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::history::count;
use crate::report::Chart;

const WIDTH: u32 = 960;
/// A group of two bars.
const GROUP: u32 = 36;
/// Title and axis of a chart.
const FRAME: u32 = 90;
const LABELS: u32 = 260;
/// Blue and orange.
const COLOURS: [RGBColor; 2] = [RGBColor(38, 112, 179), RGBColor(230, 140, 46)];
/// Between a label's end and the axis.
const GAP: i32 = 8;
/// The bars of a group leave a gap to the next one.
const BAR: f64 = 0.38;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

pub fn draw(path: &Path, charts: &[Chart]) -> anyhow::Result<()> {
    let charts: Vec<_> = charts.iter().filter(|chart| !chart.groups.is_empty()).collect();
    if charts.is_empty() {
        return Ok(());
    }
    let heights: Vec<u32> = charts.iter().map(|chart| height(chart)).collect();
    let root = SVGBackend::new(path, (WIDTH, heights.iter().sum())).into_drawing_area();
    root.fill(&WHITE)?;
    let mut rest = root.clone();
    for (chart, height) in charts.iter().zip(heights) {
        let (area, below) = rest.split_vertically(height);
        draw_chart(&root, &area, chart).map_err(|error| anyhow!("{}: {error}", chart.title))?;
        rest = below;
    }
    root.present()?;
    Ok(())
}

fn height(chart: &Chart) -> u32 {
    FRAME + GROUP * u32::try_from(chart.groups.len()).expect("a handful of candidates")
}

fn draw_chart(root: &Area<'_>, area: &Area<'_>, chart: &Chart) -> anyhow::Result<()> {
    let values = || chart.groups.iter().flat_map(|(_, bars)| bars).filter(|value| **value > 0.0);
    let most = values().copied().fold(1.0, f64::max);
    let least = values().copied().fold(most, f64::min);
    // Full decades, and some room for the shortest bar.
    let low = 10_f64.powf((least / 1.5).log10().floor());
    let high = 10_f64.powf((most * 1.6).log10().ceil());
    let groups = count(chart.groups.len());
    let [blue, orange] = chart.series;
    let title = format!("{}: {blue} (blue), {orange} (orange)", chart.title);
    let mut plane = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 18).into_font())
        .margin(10)
        .margin_right(40)
        .x_label_area_size(30)
        .y_label_area_size(LABELS)
        .build_cartesian_2d((low..high).log_scale(), 0.0..groups)?;
    plane
        .configure_mesh()
        .disable_y_mesh()
        .disable_y_axis()
        .x_label_formatter(&|value| crate::table::number(*value))
        .x_label_style(("sans-serif", 12))
        .draw()?;
    let label_style =
        ("sans-serif", 13).into_text_style(root).pos(Pos::new(HPos::Right, VPos::Center));
    for (index, (label, bars)) in chart.groups.iter().enumerate() {
        let middle = groups - count(index) - 0.5;
        let (left, line) = plane.backend_coord(&(low, middle));
        root.draw(&Text::new(label.clone(), (left - GAP, line), label_style.clone()))?;
        for (series, &value) in bars.iter().enumerate() {
            let top = middle + BAR - BAR * count(series);
            let end = value.clamp(low, high);
            let bar = Rectangle::new([(low, top - BAR), (end, top)], COLOURS[series].filled());
            let text =
                Text::new(crate::table::number(value), (end, top - 0.06), ("sans-serif", 11));
            plane.draw_series([bar])?;
            plane.draw_series([text])?;
        }
    }
    Ok(())
}
