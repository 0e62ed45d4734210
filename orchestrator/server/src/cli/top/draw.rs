//! How it looks, on a terminal and as text.

use ratatui::Frame;
use ratatui::crossterm::event::KeyCode;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Cell, Paragraph, Row, Table as Grid};

use sluice_http::dto::DeploymentAtAGlance;

use super::Sort;
use super::board::{Board, FlowLine};
use crate::output::Table;

/// Most lines for alarms; the rest is a number.
const ALARMS: usize = 4;

/// What the viewer chose.
pub(super) struct Screen {
    pub(super) sort: Sort,
    /// Flows that are scrolled past.
    pub(super) scroll: usize,
    /// Why what is shown is old.
    pub(super) trouble: Option<String>,
    pub(super) colours: bool,
}

impl Screen {
    pub(super) fn press(&mut self, key: KeyCode, flows: usize) {
        match key {
            KeyCode::Char('s') => self.sort = self.sort.next(),
            KeyCode::Up | KeyCode::Char('k') => self.scroll = self.scroll.saturating_sub(1),
            KeyCode::Down | KeyCode::Char('j') => {
                self.scroll = (self.scroll + 1).min(flows.saturating_sub(1));
            }
            KeyCode::Home => self.scroll = 0,
            _ => {}
        }
    }

    fn style(&self, colour: Color) -> Style {
        if self.colours { Style::new().fg(colour) } else { Style::new() }
    }

    fn title(&self) -> Style {
        self.style(Color::Cyan).add_modifier(Modifier::BOLD)
    }
}

/// Draws the whole screen.
pub(super) fn draw(frame: &mut Frame<'_>, board: &Board, screen: &Screen) {
    let wrong = alarms(board, screen);
    let containers = u16::try_from(board.deployments.len() + 2).unwrap_or(u16::MAX);
    let half = frame.area().height / 2;
    let parts = Layout::vertical([
        Constraint::Length(3),
        Constraint::Length(u16::try_from(wrong.len()).unwrap_or(0)),
        Constraint::Min(3),
        Constraint::Length(containers.min(half)),
        Constraint::Length(1),
    ]);
    let [head, alarm, flows, deployments, foot] = parts.areas(frame.area());
    frame.render_widget(Paragraph::new(header(board, screen)), head);
    frame.render_widget(Paragraph::new(wrong), alarm);
    draw_flows(frame, flows, board, screen);
    draw_deployments(frame, deployments, board, screen);
    let sort = format!("{:?}", screen.sort).to_lowercase();
    let foot_text = match &screen.trouble {
        Some(trouble) => Span::styled(format!("this is old: {trouble}"), screen.style(Color::Red)),
        None => Span::styled(
            format!("q ends  s sorts (by {sort})  up, down scroll"),
            screen.style(Color::DarkGray),
        ),
    };
    frame.render_widget(Paragraph::new(foot_text), foot);
}

fn header(board: &Board, screen: &Screen) -> Vec<Line<'static>> {
    let (total, broker) = (&board.total, &board.broker);
    let state = match &broker.trouble {
        None => Span::styled("up", screen.style(Color::Green)),
        Some(trouble) => Span::styled(trouble.clone(), screen.style(Color::Red)),
    };
    let told = |name: &str, value: Option<String>| {
        value.map_or_else(String::new, |value| format!("  {name} {value}"))
    };
    let version = told("version", broker.version.clone());
    let connections = told("connections", broker.connections.map(|count| count.to_string()));
    vec![
        Line::from(vec![
            Span::styled("sluice ", screen.title()),
            Span::raw(format!(
                "{}  {}  in {}/s  done {}/s  failed {}/s  records {}/s",
                board.version,
                board.at.format("%H:%M:%S"),
                number(total.taken_per_second),
                number(total.done_per_second),
                number(total.failed_per_second),
                number(board.records_per_second),
            )),
        ]),
        Line::from(vec![
            Span::styled("broker ", screen.title()),
            state,
            Span::raw(format!("{version}{connections}  unconfirmed {}", broker.unconfirmed)),
        ]),
        Line::from(vec![
            Span::styled("waiting ", screen.title()),
            Span::raw(format!(
                "router {}  retries {}  dead letters {}  undelivered {}",
                broker.router, broker.retries, board.dead_letters, broker.undelivered_dead,
            )),
        ]),
    ]
}

fn alarms(board: &Board, screen: &Screen) -> Vec<Line<'static>> {
    let style = screen.style(Color::Red).add_modifier(Modifier::BOLD);
    let mut lines: Vec<Line<'static>> = board
        .alarms
        .iter()
        .take(ALARMS)
        .map(|alarm| Line::styled(format!("! {}", alarm.text), style))
        .collect();
    let more = board.alarms.len().saturating_sub(ALARMS);
    if more > 0 {
        lines.push(Line::styled(format!("! and {more} more"), style));
    }
    lines
}

fn draw_flows(frame: &mut Frame<'_>, area: Rect, board: &Board, screen: &Screen) {
    let rows = board.flows.iter().skip(screen.scroll).map(|line| {
        let colour = match line.flow.status.as_str() {
            "running" => Color::Green,
            "degraded" => Color::Red,
            "paused" | "stopped" => Color::DarkGray,
            _ => Color::Yellow,
        };
        let cells = flow_cells(line);
        let dead = if line.flow.dead > 0 { screen.style(Color::Red) } else { Style::new() };
        Row::new(cells.into_iter().enumerate().map(|(column, text)| match column {
            1 => Cell::from(text).style(screen.style(colour)),
            6 => Cell::from(text).style(dead),
            _ => Cell::from(text),
        }))
    });
    let widths = [24, 9, 9, 9, 9, 9, 9, 9, 9, 8].map(Constraint::Length);
    let widths: Vec<Constraint> = widths
        .into_iter()
        .enumerate()
        .map(|(i, width)| if i == 0 { Constraint::Fill(1) } else { width })
        .collect();
    frame.render_widget(Grid::new(rows, widths).header(Row::new(FLOWS).style(screen.title())), area);
}

fn draw_deployments(frame: &mut Frame<'_>, area: Rect, board: &Board, screen: &Screen) {
    let rows = board.deployments.iter().map(|line| {
        let colour = match line.deployment.status.as_str() {
            "running" | "attached" => Color::Green,
            "crash_loop" => Color::Red,
            _ => Color::Yellow,
        };
        let cells = deployment_cells(line);
        Row::new(cells.into_iter().enumerate().map(|(column, text)| match column {
            1 => Cell::from(text).style(screen.style(colour)),
            _ => Cell::from(text),
        }))
    });
    let widths = [
        Constraint::Fill(1),
        Constraint::Length(11),
        Constraint::Length(7),
        Constraint::Length(17),
        Constraint::Length(9),
    ];
    let header = Row::new(CONTAINERS).style(screen.title()).top_margin(1);
    frame.render_widget(Grid::new(rows, widths).header(header), area);
}

const FLOWS: [&str; 10] =
    ["FLOW", "STATUS", "IN/S", "DONE/S", "FAILED/S", "RETRIED", "DEAD", "WAITING", "RUNNING", "OLDEST"];
const CONTAINERS: [&str; 5] = ["CONTAINER", "STATUS", "CPUS", "MEMORY", "STARTS"];

fn flow_cells(line: &FlowLine) -> [String; 10] {
    let (flow, rates) = (&line.flow, &line.rates);
    let told = |value: Option<u64>| value.map_or_else(|| "-".to_owned(), |value| value.to_string());
    [
        flow.name.clone(),
        flow.status.clone(),
        number(rates.taken_per_second),
        number(rates.done_per_second),
        number(rates.failed_per_second),
        flow.retried.to_string(),
        flow.dead.to_string(),
        told(flow.waiting),
        told(flow.unacknowledged),
        flow.oldest_seconds.map_or_else(|| "-".to_owned(), time),
    ]
}

fn deployment_cells(of: &DeploymentAtAGlance) -> [String; 5] {
    let limit = of.deployment.container.as_ref().map(|container| bytes(container.memory_bytes));
    let memory = match (of.memory_used_bytes, limit) {
        (Some(used), Some(limit)) => format!("{} of {limit}", bytes(used)),
        (None, Some(limit)) => format!("- of {limit}"),
        (_, None) => "-".to_owned(),
    };
    [
        format!("{} {} {}", of.deployment.component, of.deployment.version, of.deployment.scope),
        of.deployment.status.clone(),
        of.cpus_used.map_or_else(|| "-".to_owned(), |cpus| format!("{cpus:.2}")),
        memory,
        of.deployment.starts.to_string(),
    ]
}

/// The same as text.
pub(super) fn text(board: &Board) -> String {
    let screen = Screen { sort: Sort::Name, scroll: 0, trouble: None, colours: false };
    let lines = header(board, &screen).into_iter().chain(alarms(board, &screen));
    let head: String = lines.map(|line| format!("{line}\n")).collect();
    let mut flows = Table::new(&FLOWS);
    for line in &board.flows {
        flows.row(flow_cells(line));
    }
    let mut containers = Table::new(&CONTAINERS);
    for line in &board.deployments {
        containers.row(deployment_cells(line));
    }
    format!(
        "{head}\n{}\n{}",
        flows.text("There are no flows.\n"),
        containers.text("There are no containers.\n")
    )
}

/// A rate in at most six characters.
fn number(value: f64) -> String {
    match value {
        v if v <= 0.0 => "0".to_owned(),
        v if v < 10.0 => format!("{v:.1}"),
        v if v < 100_000.0 => format!("{v:.0}"),
        v => format!("{:.0}k", v / 1000.0),
    }
}

/// A time in its largest unit.
fn time(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7200 => format!("{}m", seconds / 60),
        7200..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

fn bytes(count: u64) -> String {
    match count {
        0..0x4000_0000 => format!("{} MiB", count >> 20),
        _ => {
            #[expect(clippy::cast_precision_loss, reason = "for showing")]
            let gib = count as f64 / f64::from(1 << 30);
            format!("{gib:.1} GiB")
        }
    }
}
