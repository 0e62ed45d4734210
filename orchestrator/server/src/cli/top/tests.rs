//! What `sluice top` shows, on a terminal that is not there.

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use serde_json::{Value, json};
use sluice_http::dto::Overview;

use super::Sort;
use super::board::{Board, Rates};
use super::draw::{Screen, draw, text};
use super::picture::svg;

fn flow(name: &str, status: &str, numbers: [u64; 5]) -> Value {
    let [taken, done, failed, dead, waiting] = numbers;
    json!({
        "id": format!("flow_{name}"), "name": name, "status": status, "reasons": [], "taken": taken, "done": done,
        "failed": failed, "retried": failed, "dead": dead, "under_way": 4, "waiting": waiting, "unacknowledged": 2,
        "oldest_seconds": (waiting > 0).then_some(waiting / 10),
    })
}

fn deployment(component: &str, status: &str, used: (u64, f64), starts: u64) -> Value {
    json!({
        "id": format!("dep_{component}"), "component": component, "version": "1.2.0", "image": component,
        "digest": "sha256:0", "scope": "shared", "status": status, "starts": starts, "flows": [],
        "container": {
            "name": component, "start": format!("start_{component}"), "created_at": "2026-01-01T00:00:00Z",
            "memory_bytes": 268_435_456_u64, "cpus": 1.0, "pids": 128,
        },
        "memory_used_bytes": used.0 << 20, "cpus_used": used.1,
    })
}

fn overview(at: &str, flows: &[Value], deployments: &[Value], alarms: &Value) -> Overview {
    serde_json::from_value(json!({
        "at": at, "version": "0.1.0", "flows": flows, "deployments": deployments, "alarms": alarms,
        "broker": {
            "up": true, "version": "4.3.5", "connections": 12, "unconfirmed": 3, "router": 7, "retries": 41,
            "undelivered_dead": 0, "undelivered_restored": 0,
        },
        "records": if at.ends_with("2Z") { 9_000 } else { 1_000 }, "dead_letters": 3,
    }))
    .unwrap()
}

fn before() -> Overview {
    let flows = [
        flow("invoices", "running", [100, 300, 0, 0, 0]),
        flow("orders", "running", [1_000, 2_000, 5, 0, 10]),
        flow("stock", "degraded", [10, 10, 3, 1, 0]),
    ];
    let deployments =
        [deployment("http", "running", (20, 10.0), 1), deployment("rest", "running", (30, 4.0), 1)];
    overview("2026-01-01T12:00:00Z", &flows, &deployments, &json!([]))
}

fn now() -> Overview {
    let flows = [
        flow("invoices", "running", [104, 312, 0, 0, 0]),
        flow("orders", "running", [3_000, 6_000, 9, 0, 230]),
        flow("stock", "degraded", [10, 10, 43, 3, 0]),
        flow("uploads", "paused", [0, 0, 0, 0, 1_200]),
    ];
    let deployments = [
        deployment("http", "running", (22, 0.65), 1),
        deployment("rest", "running", (31, 0.01), 1),
        deployment("stock-sync", "crash_loop", (0, 0.0), 7),
    ];
    let alarms = json!([{
        "code": "step_stuck", "text": "step push of flow stock is stuck: nothing came of 2 batches that it was given",
        "flow": "stock", "step": "push",
    }]);
    overview("2026-01-01T12:00:02Z", &flows, &deployments, &alarms)
}

fn screen(sort: Sort) -> Screen {
    Screen { sort, scroll: 0, trouble: None, colours: true }
}

fn drawn(board: &Board, screen: &Screen, (width, height): (u16, u16)) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, board, screen)).unwrap();
    terminal.backend().buffer().clone()
}

fn lines(buffer: &Buffer) -> Vec<String> {
    let line = |row| {
        let cells = (0..buffer.area.width).filter_map(|column| buffer.cell((column, row)));
        cells.map(ratatui::buffer::Cell::symbol).collect::<String>().trim_end().to_owned()
    };
    (0..buffer.area.height).map(line).collect()
}

#[test]
fn rates_are_what_counters_grew_by_in_a_second() {
    let board = Board::new(Some(&before()), now(), Sort::Name);
    let orders = Rates { taken_per_second: 1_000.0, done_per_second: 2_000.0, failed_per_second: 2.0 };
    assert_eq!((board.seconds, board.flows[1].rates), (2.0, orders));
    assert_eq!(board.flows[3].rates, Rates::default(), "a flow that is new has no rate yet");
    assert_eq!((board.total.taken_per_second, board.records_per_second), (1_002.0, 4_000.0));
}

#[test]
fn a_counter_that_begins_anew_and_a_first_look_have_no_rate() {
    let anew = Board::new(Some(&now()), before(), Sort::Name);
    assert!(anew.flows.iter().all(|line| line.rates == Rates::default()));
    let first = Board::new(None, now(), Sort::Name);
    assert_eq!((first.seconds, first.total), (0.0, Rates::default()));
}

#[test]
fn flows_are_sorted_as_asked() {
    let names = |sort| {
        let board = Board::new(Some(&before()), now(), sort);
        board.flows.iter().map(|line| line.flow.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(Sort::Name)[0], "invoices");
    assert_eq!(names(Sort::Rate)[0], "orders");
    assert_eq!(names(Sort::Backlog)[..2], ["uploads", "orders"]);
    assert_eq!(names(Sort::Failures)[0], "stock");
}

#[test]
fn a_screen_shows_flows_containers_and_alarms() {
    let board = Board::new(Some(&before()), now(), Sort::Name);
    let lines = lines(&drawn(&board, &screen(Sort::Name), (100, 20)));
    let has = |words: &[&str]| lines.iter().any(|line| words.iter().all(|word| line.contains(word)));
    assert!(has(&["broker", "up", "4.3.5", "connections 12", "unconfirmed 3"]), "{lines:#?}");
    assert!(has(&["! step push of flow stock is stuck"]), "{lines:#?}");
    assert!(has(&["orders", "running", "1000", "2000", "230", "23s"]), "{lines:#?}");
    assert!(has(&["stock-sync", "crash_loop", "7"]), "{lines:#?}");
    assert!(has(&["http", "0.65", "22 MiB of 256 MiB"]), "{lines:#?}");
    let plain = text(&board);
    assert!(plain.contains("stock-sync") && plain.contains("is stuck"), "{plain}");
}

#[test]
fn a_small_screen_and_no_flows_are_no_trouble() {
    let board = Board::new(None, overview("2026-01-01T12:00:00Z", &[], &[], &json!([])), Sort::Name);
    for size in [(1, 1), (20, 3), (300, 5)] {
        drawn(&board, &screen(Sort::Name), size);
    }
    let mut old = screen(Sort::Name);
    old.trouble = Some("it does not answer".to_owned());
    let lines = lines(&drawn(&board, &old, (60, 12)));
    assert!(lines.last().unwrap().contains("this is old: it does not answer"), "{lines:?}");
    assert!(text(&board).contains("There are no flows."));
}

#[test]
fn scrolling_ends_at_the_last_flow() {
    use ratatui::crossterm::event::KeyCode;
    let mut screen = screen(Sort::Name);
    for _ in 0..9 {
        screen.press(KeyCode::Down, 4);
    }
    assert_eq!(screen.scroll, 3);
    screen.press(KeyCode::Char('s'), 4);
    let board = Board::new(Some(&before()), now(), screen.sort);
    let lines = lines(&drawn(&board, &screen, (100, 20)));
    assert!(!lines.iter().any(|line| line.starts_with("orders")), "{lines:#?}");
}

/// `UPDATE=1 cargo test --workspace picture` draws it anew.
#[test]
fn the_picture_in_the_documentation_is_what_is_drawn() {
    let board = Board::new(Some(&before()), now(), Sort::Name);
    let picture = svg(&drawn(&board, &screen(Sort::Name), (104, 16)));
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/images/top.svg");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::create_dir_all(std::path::Path::new(file).parent().unwrap()).unwrap();
        std::fs::write(file, &picture).unwrap();
    }
    assert_eq!(std::fs::read_to_string(file).unwrap_or_default(), picture, "draw it anew with UPDATE=1");
}
