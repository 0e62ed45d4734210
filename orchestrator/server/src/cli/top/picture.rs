//! A picture of a screen, for the documentation.

use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};

/// The size of a character in pixels.
const SIZE: (u32, u32) = (8, 18);

/// An SVG of what is on the screen.
pub(super) fn svg(buffer: &Buffer) -> String {
    let (columns, rows) = (u32::from(buffer.area.width), u32::from(buffer.area.height));
    let (width, height) = (columns * SIZE.0 + 16, rows * SIZE.1 + 16);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\">\n<rect width=\"100%\" height=\"100%\" rx=\"6\" fill=\"#1b1d23\"/>\n\
         <g font-family=\"ui-monospace, Menlo, Consolas, monospace\" font-size=\"13\" xml:space=\"preserve\">\n"
    );
    for row in 0..buffer.area.height {
        let y = u32::from(row) * SIZE.1 + 8 + 13;
        let cells: Vec<&Cell> =
            (0..buffer.area.width).filter_map(|column| buffer.cell((column, row))).collect();
        let mut from = 0;
        for run in cells.chunk_by(|a, b| style(a) == style(b)) {
            let words: String = run.iter().map(|cell| cell.symbol()).collect();
            if !words.trim().is_empty() {
                let (colour, weight) = style(run[0]);
                let x = from * SIZE.0 + 8;
                // Each run begins at its column, whatever font is there; its length is that of its columns.
                let length = u32::try_from(run.len()).unwrap_or(0) * SIZE.0;
                text += &format!(
                    "<text x=\"{x}\" y=\"{y}\" fill=\"{colour}\" font-weight=\"{weight}\" textLength=\"{length}\">{}</text>\n",
                    words.replace('&', "&amp;").replace('<', "&lt;").replace(' ', "\u{a0}")
                );
            }
            from += u32::try_from(run.len()).unwrap_or(0);
        }
    }
    text + "</g>\n</svg>\n"
}

fn style(cell: &Cell) -> (&'static str, &'static str) {
    let colour = match cell.fg {
        Color::Red => "#ff6b6b",
        Color::Green => "#7bd88f",
        Color::Yellow => "#ffd866",
        Color::Cyan => "#78dce8",
        Color::DarkGray => "#7a7f8a",
        _ => "#e6e6e6",
    };
    (colour, if cell.modifier.contains(Modifier::BOLD) { "bold" } else { "normal" })
}
