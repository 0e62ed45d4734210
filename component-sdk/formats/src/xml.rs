//! XML 1.0 as JSON and back; the rule that maps them is in the crate's documentation.
//!
//! Documents come from strangers: there are no DTDs, so no entities beyond the predefined five, and
//! nothing is ever fetched.

mod characters;
mod decode;
mod encode;
mod encoding;
#[cfg(test)]
mod tests;

pub(crate) use decode::decode_xml;
pub use encode::encode_xml;
