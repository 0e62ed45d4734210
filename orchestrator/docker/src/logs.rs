//! What containers wrote.
//!
//! The engine sends frames, one for each line, or for each 16 KiB of a longer one; only the last frame of a line ends
//! with a line break. Each frame begins with the time. Lines are cut to their first frame.

use std::collections::VecDeque;
use std::future::ready;

use bollard::container::LogOutput;
use bollard::query_parameters::LogsOptions;
use chrono::DateTime;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, stream};
use sluice_ports::PortError;
use sluice_ports::runtime::LogLine;

use crate::Docker;

/// Most bytes of a line.
const LINE: usize = 16 * 1024;

impl Docker {
    pub(crate) async fn container_logs(
        &self,
        name: &str,
        tail: u32,
        follow: bool,
    ) -> Result<BoxStream<'static, LogLine>, PortError> {
        let missing = || PortError::not_found(format!("read the log of container {name}"));
        let found = self.find(name).await?.ok_or_else(missing)?;
        let options = LogsOptions {
            follow,
            stdout: true,
            stderr: true,
            timestamps: true,
            tail: tail.to_string(),
            ..LogsOptions::default()
        };
        let frames = self.client().await?.logs(&found.id, Some(options));
        let frames = frames.take_while(|frame| ready(frame.is_ok())).filter_map(|frame| ready(frame.ok()));
        // An empty item after the last frame lets out what has no line break.
        let frames = frames.map(Some).chain(stream::iter([None]));
        let lines = frames.scan(Lines::default(), |lines, frame| {
            match frame {
                Some(frame) => lines.take(frame),
                None => lines.finish(),
            }
            ready(Some(stream::iter(std::mem::take(&mut lines.ready))))
        });
        Ok(lines.flatten().boxed())
    }
}

/// Puts the frames of each of the two streams together to lines.
#[derive(Default)]
struct Lines {
    out: Option<LogLine>,
    err: Option<LogLine>,
    ready: VecDeque<LogLine>,
}

impl Lines {
    fn take(&mut self, frame: LogOutput) {
        let (open, message) = match frame {
            LogOutput::StdErr { message } => (&mut self.err, message),
            LogOutput::StdOut { message } | LogOutput::StdIn { message } | LogOutput::Console { message } => {
                (&mut self.out, message)
            }
        };
        let text = message.strip_suffix(b"\n");
        // The rest of a line that is cut already is dropped.
        let line = open.take().unwrap_or_else(|| line(text.unwrap_or(&message)));
        match text {
            Some(_) => self.ready.push_back(line),
            None => *open = Some(line),
        }
    }

    fn finish(&mut self) {
        self.ready.extend(self.out.take());
        self.ready.extend(self.err.take());
    }
}

fn line(frame: &[u8]) -> LogLine {
    let space = frame.iter().take(64).position(|byte| *byte == b' ');
    let (stamp, rest) = space.map_or((&frame[..0], frame), |at| (&frame[..at], &frame[at + 1..]));
    let at = std::str::from_utf8(stamp).ok().and_then(|text| DateTime::parse_from_rfc3339(text).ok());
    let text = if at.is_some() { rest } else { frame };
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    let text = String::from_utf8_lossy(&text[..text.len().min(LINE)]).into_owned();
    LogLine { at: at.map(|at| at.to_utc()), text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(frames: &[&str], expect: &[&str]) {
        let mut lines = Lines::default();
        for frame in frames {
            lines.take(LogOutput::StdOut { message: frame.as_bytes().to_vec().into() });
        }
        lines.finish();
        let texts: Vec<_> = lines.ready.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(texts, expect);
    }

    #[test]
    fn a_line_is_taken_from_its_time_to_its_break() {
        check(&["2026-01-02T03:04:05.6Z one\n", "2026-01-02T03:04:05.6Z two\r\n"], &["one", "two"]);
        assert_eq!(line(b"2026-01-02T03:04:05Z x").at.unwrap().to_rfc3339(), "2026-01-02T03:04:05+00:00");
    }

    #[test]
    fn a_line_in_several_frames_is_cut_to_the_first() {
        check(&["2026-01-02T03:04:05Z aaa", "2026-01-02T03:04:05Z bbb\n", "x\n"], &["aaa", "x"]);
    }

    #[test]
    fn a_line_without_time_or_break_is_kept() {
        check(&["no time"], &["no time"]);
        check(&[&"x".repeat(20_000)], &[&"x".repeat(LINE)]);
    }
}
