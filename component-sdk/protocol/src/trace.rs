//! Trace context: which trace a message belongs to, and which span of it the message came from (W3C Trace Context,
//! section 3.2).
//!
//! The orchestrator makes a span for each run of a step, from what the outcome says; a component needs no exporter. The id
//! of that span follows from the input's id and the attempt, so that both sides know it without telling each other.

use std::fmt;
use std::str::FromStr;

use crate::MessageId;

/// The length of the text form of version 00.
const LENGTH: usize = 55;
/// The flag that says that the trace is recorded.
const SAMPLED: u8 = 1;

/// A trace and a span of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    trace: u128,
    span: u64,
    sampled: bool,
}

/// A text that is no trace context.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is no W3C trace context, such as 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")]
pub struct TraceContextError;

impl TraceContext {
    /// A span of a trace. An id of zero, which means that there is none, becomes one.
    #[must_use]
    pub const fn new(trace: u128, span: u64, sampled: bool) -> Self {
        let trace = if trace == 0 { 1 } else { trace };
        let span = if span == 0 { 1 } else { span };
        Self { trace, span, sampled }
    }

    /// The id of the trace.
    #[must_use]
    pub const fn trace(self) -> u128 {
        self.trace
    }

    /// The id of the span.
    #[must_use]
    pub const fn span(self) -> u64 {
        self.span
    }

    /// Whether the trace is recorded.
    #[must_use]
    pub const fn is_sampled(self) -> bool {
        self.sampled
    }

    /// The span of an attempt at an input, in the same trace. Attempt 0 is the sending of the message.
    #[must_use]
    pub fn of_attempt(self, input: MessageId, attempt: u32) -> Self {
        Self::new(self.trace, span_of(input, attempt), self.sampled)
    }
}

/// The id of the span of an attempt at an input: the lower 64 bits of the input's id, exclusive-or the attempt.
#[must_use]
pub fn span_of(input: MessageId, attempt: u32) -> u64 {
    let low = u64::try_from(input.bits() & u128::from(u64::MAX)).unwrap_or_default();
    (low ^ u64::from(attempt)).max(1)
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace, self.span, u8::from(self.sampled))
    }
}

impl FromStr for TraceContext {
    type Err = TraceContextError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = text.as_bytes();
        let version = bytes.get(..2).ok_or(TraceContextError)?;
        // Later versions begin like this one and may go on.
        let fits = match version {
            b"00" => bytes.len() == LENGTH,
            b"ff" => false,
            _ => bytes.len() == LENGTH || bytes.get(LENGTH) == Some(&b'-'),
        };
        let dashes = [2, 35, 52].iter().all(|place| bytes.get(*place) == Some(&b'-'));
        let digits = bytes.iter().take(LENGTH).all(|b| matches!(b, b'-' | b'0'..=b'9' | b'a'..=b'f'));
        if !(fits && dashes && digits && text.is_char_boundary(LENGTH)) {
            return Err(TraceContextError);
        }
        let trace = u128::from_str_radix(&text[3..35], 16).map_err(|_| TraceContextError)?;
        let span = u64::from_str_radix(&text[36..52], 16).map_err(|_| TraceContextError)?;
        let flags = u8::from_str_radix(&text[53..55], 16).map_err(|_| TraceContextError)?;
        u8::from_str_radix(&text[..2], 16).map_err(|_| TraceContextError)?;
        if trace == 0 || span == 0 {
            return Err(TraceContextError);
        }
        Ok(Self { trace, span, sampled: flags & SAMPLED != 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_context_is_read_and_written() {
        let context: TraceContext = GOOD.parse().unwrap();
        assert_eq!((context.span(), context.is_sampled()), (0xb7ad_6b71_6920_3331, true));
        assert_eq!(context.to_string(), GOOD);
        let later = format!("cc-{}-more", &GOOD[3..]);
        assert_eq!(later.parse(), Ok(context), "a later version may go on");
        let flags: TraceContext = GOOD.replace("-01", "-0a").parse().unwrap();
        assert!(!flags.is_sampled());
    }

    #[test]
    fn what_is_no_context_is_refused() {
        for text in [
            "",
            "00",
            &GOOD[..54],
            &format!("{GOOD}-x"),
            &GOOD.to_uppercase(),
            &GOOD.replacen("00", "ff", 1),
            &GOOD.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)),
            &GOOD.replace("b7ad6b7169203331", &"0".repeat(16)),
            &GOOD.replace("-b7", "--7"),
            &format!("cc-{}é", &GOOD[3..]),
        ] {
            assert!(text.parse::<TraceContext>().is_err(), "{text}");
        }
    }

    #[test]
    fn each_attempt_has_a_span_of_its_own() {
        let (context, input) = (TraceContext::new(7, 9, true), MessageId::from_bits(0xff << 64 | 5));
        let spans = [0, 1, 2].map(|attempt| context.of_attempt(input, attempt).span());
        assert_eq!(spans, [5, 4, 7]);
        assert_eq!(span_of(MessageId::from_bits(1), 1), 1, "no span has the id 0");
    }

    proptest! {
        #[test]
        fn every_context_survives_a_round_trip(trace: u128, span: u64, sampled: bool) {
            let context = TraceContext::new(trace, span, sampled);
            prop_assert_eq!(context.to_string().parse(), Ok(context));
        }

        #[test]
        fn no_text_is_a_panic(text in "\\PC{0,70}") {
            text.parse::<TraceContext>().ok();
        }
    }
}
