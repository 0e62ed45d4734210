//! `sluice top`.

mod board;
mod draw;
#[cfg(test)]
mod picture;
#[cfg(test)]
mod tests;

use std::io::IsTerminal;
use std::time::Duration;

use clap::{Args, ValueEnum};
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use sluice_http::dto;
use tokio::sync::mpsc;

use crate::client::Client;
use crate::failure::{Code, Failure};
use crate::output::{self, Out};
use board::Board;
use draw::Screen;

/// How often the screen is drawn anew.
const EVERY: Duration = Duration::from_secs(1);
/// How long the thread that reads keys may stay after nobody listens any more.
const LINGER: Duration = Duration::from_millis(100);

/// Watch flows, rates, what waits, containers and the broker.
///
/// Keys: q ends, s sorts by another column, up and down scroll. Without a terminal it is as with --once.
#[derive(Debug, Args)]
pub(crate) struct Top {
    /// Look twice, a second apart, print what was seen, and end.
    #[arg(long)]
    once: bool,
    /// The order of the flows.
    #[arg(long, value_enum, default_value_t)]
    sort: Sort,
}

/// The order of flows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sort {
    /// By name.
    #[default]
    Name,
    /// Those that do most first.
    Rate,
    /// Those where most waits first.
    Backlog,
    /// Those that fail most first.
    Failures,
}

impl Sort {
    fn next(self) -> Self {
        match self {
            Self::Name => Self::Rate,
            Self::Rate => Self::Backlog,
            Self::Backlog => Self::Failures,
            Self::Failures => Self::Name,
        }
    }
}

impl Top {
    pub(crate) async fn run(self, out: Out) -> Result<(), Failure> {
        let client = Client::find()?;
        let first = look(&client).await?;
        if self.once || !std::io::stdout().is_terminal() {
            tokio::time::sleep(EVERY).await;
            let board = Board::new(Some(&first), look(&client).await?, self.sort);
            let names = || board.flows.iter().map(|line| line.flow.name.clone()).collect();
            return out.show(&board, names, || draw::text(&board));
        }
        let failed = |error: std::io::Error| {
            Failure::new(Code::Foreign, format!("the terminal cannot be used: {error}"))
        };
        let terminal = ratatui::try_init().map_err(failed)?;
        let ended = watch(terminal, &client, first, self.sort).await;
        ratatui::restore();
        ended.map_err(failed)
    }
}

async fn look(client: &Client) -> Result<dto::Overview, Failure> {
    client.get(&["api", "v1", "overview"], &[]).await
}

/// Draws until somebody wants to leave.
async fn watch(
    mut terminal: DefaultTerminal,
    client: &Client,
    first: dto::Overview,
    sort: Sort,
) -> std::io::Result<()> {
    let mut keys = keys();
    let mut timer = tokio::time::interval(EVERY);
    let mut screen = Screen { sort, scroll: 0, trouble: None, colours: output::colours(&std::io::stdout()) };
    let (mut before, mut now) = (None, first);
    loop {
        let board = Board::new(before.as_ref(), now.clone(), screen.sort);
        terminal.draw(|frame| draw::draw(frame, &board, &screen))?;
        tokio::select! {
            key = keys.recv() => match key {
                None => return Ok(()),
                Some(key) if is_end(key) => return Ok(()),
                Some(key) => screen.press(key.code, board.flows.len()),
            },
            _ = timer.tick() => match look(client).await {
                Ok(seen) => {
                    before = Some(std::mem::replace(&mut now, seen));
                    screen.trouble = None;
                }
                // What was last seen stays, with a line that says so.
                Err(failure) => screen.trouble = Some(failure.message),
            },
        }
    }
}

fn is_end(key: KeyEvent) -> bool {
    let control_c = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
    control_c || matches!(key.code, KeyCode::Char('q') | KeyCode::Esc)
}

/// The keys as they are pressed. A change of the terminal's size counts as one that means nothing, so that it is drawn anew.
fn keys() -> mpsc::Receiver<KeyEvent> {
    let (pressed, keys) = mpsc::channel(16);
    std::thread::spawn(move || {
        while !pressed.is_closed() {
            let key = match event::poll(LINGER) {
                Ok(false) => continue,
                Ok(true) => event::read(),
                Err(error) => Err(error),
            };
            let key = match key {
                Ok(Event::Key(key)) if key.kind != KeyEventKind::Release => key,
                Ok(Event::Resize(..)) => KeyEvent::new(KeyCode::Null, KeyModifiers::NONE),
                Ok(_) => continue,
                Err(_) => return,
            };
            if pressed.blocking_send(key).is_err() {
                return;
            }
        }
    });
    keys
}
