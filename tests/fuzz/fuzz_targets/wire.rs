//! What a component and the broker can say: batches, envelopes, outcomes, descriptors, answers of the gateway.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use serde::de::DeserializeOwned;
use sluice_protocol::batch::{self, Encoding};
use sluice_protocol::gateway::{
    Assignments, Credentials, InvokeAnswer, InvokeRequest, Session, SessionRequest,
};
use sluice_protocol::{Descriptor, Envelope, Outcome};

// The first byte chooses the encoding, the rest is the payload.
fuzz_target!(|data: &[u8]| {
    let Some((choice, rest)) = data.split_first() else { return };
    let names = [None, Some("lz4"), Some("zstd"), Some("gzip")];
    let Ok(encoding) = Encoding::from_header(names[usize::from(*choice) % names.len()]) else { return };
    let Ok(records) = batch::decode(&Bytes::copy_from_slice(rest), encoding) else { return };
    for record in &records {
        same_again::<Envelope>(record);
        same_again::<Outcome>(record);
        same_again::<Session>(record);
        same_again::<SessionRequest>(record);
        same_again::<Assignments>(record);
        same_again::<Credentials>(record);
        same_again::<InvokeRequest>(record);
        same_again::<InvokeAnswer>(record);
        if let Ok(text) = std::str::from_utf8(record)
            && let Err(error) = Descriptor::from_json(text)
        {
            assert!(!error.to_string().is_empty());
        }
    }
    // What was read can be written, and is the same.
    let payload = batch::encode(&records);
    let again = batch::decode(&payload.bytes, payload.encoding);
    assert_eq!(again.ok().as_ref(), Some(&records), "a batch is not what was written");
});

/// What is read is written in one way, which reads as the same.
fn same_again<T: DeserializeOwned + serde::Serialize>(record: &[u8]) {
    let Ok(value) = serde_json::from_slice::<T>(record) else { return };
    let Ok(written) = serde_json::to_vec(&value) else { return };
    let again: T = serde_json::from_slice(&written).expect("what was written is read");
    let twice = serde_json::to_vec(&again).expect("it was written before");
    assert_eq!(written, twice, "{}", std::any::type_name::<T>());
}
