//! Builds outcomes: what is echoed, what is retained, and how large outputs are spread over several records.

use bytes::Bytes;
use serde_json::Value;
use sluice_protocol::{Envelope, ErrorInfo, MessageId, Outcome, Output, Retained, Status, StepKey, limits};

use crate::Error;

/// What an outcome says besides its outputs and context, at most: ids, step, numbers, trace context.
const FRAME_BYTES: usize = 2 * 1024;

/// An outcome for this input without outputs.
pub(crate) fn answer(envelope: &Envelope, status: Status) -> Outcome {
    Outcome {
        execution: envelope.execution,
        attempt: envelope.attempt,
        suspected: envelope.suspected,
        context: envelope.context.clone(),
        traceparent: envelope.traceparent.clone(),
        ..bare(envelope.id, envelope.step.clone(), status)
    }
}

/// An outcome that gives the input back.
pub(crate) fn give_back(envelope: &Envelope, status: Status, error: Option<ErrorInfo>) -> Outcome {
    Outcome {
        error,
        retained: Some(Retained { body: envelope.body.clone(), headers: envelope.headers.clone() }),
        ..answer(envelope, status)
    }
}

/// An outcome of a message that a listener received.
pub(crate) fn bare(input: MessageId, step: StepKey, status: Status) -> Outcome {
    Outcome {
        input,
        step,
        execution: None,
        attempt: 1,
        suspected: 0,
        status,
        outputs: Vec::new(),
        offset: 0,
        error: None,
        state: None,
        context: None,
        micros: 0,
        traceparent: None,
        retained: None,
    }
}

/// The outcomes of a run that succeeded: the last is `ok`, those before it are `partial`.
///
/// # Errors
/// When one output, or the cursor, is larger than a record may be.
pub(crate) fn succeed(
    base: &Outcome,
    outputs: Vec<Output>,
    state: Option<Value>,
) -> Result<Vec<Outcome>, Error> {
    let state_bytes = state.as_ref().map_or(0, |state| state.to_string().len());
    let echoed = base.context.as_ref().map_or(0, |context| context.get().len());
    let mut outcomes = Vec::new();
    let mut offset = base.offset;
    let mut groups = split(outputs, echoed + state_bytes)?;
    let last = groups.pop().unwrap_or_default();
    for group in groups {
        let next = offset + group.len() as u64;
        outcomes.push(Outcome { status: Status::Partial, outputs: group, offset, ..base.clone() });
        offset = next;
    }
    outcomes.push(Outcome { status: Status::Ok, outputs: last, offset, state, ..base.clone() });
    Ok(outcomes)
}

/// Groups outputs so that each group fits one record beside `reserved` bytes. At least one group.
pub(crate) fn split(outputs: Vec<Output>, reserved: usize) -> Result<Vec<Vec<Output>>, Error> {
    let room = limits::RECORD_BYTES.saturating_sub(FRAME_BYTES + reserved);
    let (mut groups, mut group, mut bytes) = (Vec::new(), Vec::new(), 0);
    if reserved + FRAME_BYTES > limits::RECORD_BYTES {
        return Err(too_large("the cursor and the context", reserved));
    }
    for output in outputs {
        if output.headers.len() > limits::HEADERS {
            return Err(Error::fatal(
                "output_too_large",
                format_args!("an output has more than {} headers", limits::HEADERS),
            ));
        }
        let size = size_of(&output);
        if size > room {
            return Err(too_large("one output", size));
        }
        if group.len() == limits::OUTPUTS || bytes + size > room {
            groups.push(std::mem::take(&mut group));
            bytes = 0;
        }
        bytes += size;
        group.push(output);
    }
    groups.push(group);
    Ok(groups)
}

fn size_of(output: &Output) -> usize {
    let headers = if output.headers.is_empty() {
        0
    } else {
        serde_json::to_string(&output.headers).map_or(0, |text| text.len())
    };
    output.body.get().len() + headers + output.port.as_str().len() + 40
}

fn too_large(what: &str, bytes: usize) -> Error {
    let most = limits::RECORD_BYTES;
    Error::fatal(
        "output_too_large",
        format_args!("{what} would take {bytes} bytes of a record of at most {most}"),
    )
}

/// The line that travels.
pub(crate) fn line(outcome: &Outcome) -> Bytes {
    let retained = outcome.retained.as_ref().map_or(0, |retained| retained.body.get().len());
    let context = outcome.context.as_ref().map_or(0, |context| context.get().len());
    let outputs: usize = outcome.outputs.iter().map(|output| output.body.get().len() + 128).sum();
    let mut line = Vec::with_capacity(outputs + context + retained + 384);
    // Outcomes hold strings, numbers and JSON that was parsed: there is nothing that could not be written.
    serde_json::to_writer(&mut line, outcome).expect("an outcome is JSON");
    Bytes::from(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outputs(count: usize, bytes: usize) -> Vec<Output> {
        (0..count).map(|_| crate::Output::new("x".repeat(bytes)).build().unwrap()).collect()
    }

    fn base() -> Outcome {
        bare(MessageId::from_bits(1), "f/1/s".parse().unwrap(), Status::Ok)
    }

    #[test]
    fn a_run_without_outputs_has_one_outcome() {
        let outcomes = succeed(&base(), Vec::new(), None).unwrap();
        assert_eq!((outcomes.len(), outcomes[0].status), (1, Status::Ok));
    }

    #[test]
    fn many_outputs_are_spread_over_partial_outcomes_that_continue_each_other() {
        let outcomes = succeed(&base(), outputs(2500, 10), Some(7.into())).unwrap();
        let told: Vec<_> = outcomes.iter().map(|one| (one.status, one.offset, one.outputs.len())).collect();
        assert_eq!(
            told,
            [(Status::Partial, 0, 1000), (Status::Partial, 1000, 1000), (Status::Ok, 2000, 500)]
        );
        assert_eq!((outcomes[0].state.is_none(), outcomes[2].state.clone()), (true, Some(7.into())));
    }

    #[test]
    fn no_record_exceeds_its_limit() {
        for outcome in succeed(&base(), outputs(5, 600 * 1024), None).unwrap() {
            assert!(line(&outcome).len() <= limits::RECORD_BYTES);
        }
        let error = succeed(&base(), outputs(1, limits::RECORD_BYTES), None).unwrap_err();
        assert_eq!((error.code(), error.is_retryable()), ("output_too_large", false));
    }
}
