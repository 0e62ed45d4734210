//! The limits of the wire protocol. Both sides enforce them; what exceeds one is an error of that record alone.

/// Most bytes of one record (one line of NDJSON), the line break not counted: 1 MiB.
pub const RECORD_BYTES: usize = 1024 * 1024;

/// Most records in one broker message.
pub const BATCH_RECORDS: usize = 1000;

/// Most bytes that the records of one broker message may have together, before compression: 8 MiB.
pub const BATCH_BYTES: usize = 8 * 1024 * 1024;

/// Batches of at least this many bytes are compressed.
pub const COMPRESS_FROM_BYTES: usize = 4 * 1024;

/// Most outputs of one outcome. A function that emits more sends `partial` outcomes as it goes.
pub const OUTPUTS: usize = 1000;

/// Most characters of an error code.
pub const ERROR_CODE_CHARS: usize = 64;

/// Most characters of an error message; a longer one is cut.
pub const ERROR_MESSAGE_CHARS: usize = 2000;

/// Most bytes of what a step keeps from run to run, as JSON: 1 MiB, as a cursor, which travels in a record.
pub const STATE_BYTES: usize = RECORD_BYTES;

/// Most headers of one message.
pub const HEADERS: usize = 100;
