//! Identifiers on the wire: 128 bits, printed with a prefix and 26 characters of Crockford's base 32 in lower case.
//!
//! The text form is fixed-width and sorts like the number. Ids that are derived (a child's id, an execution's id) are
//! truncated SHA-256 hashes over length-prefixed fields, so that no two different lists of fields hash alike.

use sha2::{Digest, Sha256};

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// The digit that each byte stands for; 32 where it stands for none.
const DIGITS: [u8; 256] = {
    let mut digits = [32; 256];
    let mut digit = 0;
    while digit < 32 {
        digits[ALPHABET[digit as usize] as usize] = digit;
        digit += 1;
    }
    digits
};

/// A text that is not an id of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not an id of the form {prefix}_ and 26 characters of 0-9 a-z without i l o u")]
pub struct IdError {
    /// The prefix that was expected, without the underscore.
    pub prefix: &'static str,
    /// The text as given, cut to 64 characters.
    pub given: String,
}

/// Writes `value` as `prefix_` and 26 characters.
#[must_use]
pub fn encode_id(prefix: &str, value: u128) -> String {
    let mut text = String::with_capacity(prefix.len() + 27);
    text.push_str(prefix);
    text.push('_');
    for position in (0..26).rev() {
        let digit = (value >> (position * 5)) & 31;
        text.push(char::from(ALPHABET[usize::try_from(digit).expect("five bits fit")]));
    }
    text
}

/// Reads what [`encode_id`] wrote.
///
/// # Errors
/// [`IdError`] when the prefix, the length or a character is another.
pub fn decode_id(prefix: &'static str, text: &str) -> Result<u128, IdError> {
    let refuse = || IdError { prefix, given: text.chars().take(64).collect() };
    let digits = text.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('_')).ok_or_else(refuse)?;
    if digits.len() != 26 {
        return Err(refuse());
    }
    let mut value: u128 = 0;
    for (index, byte) in digits.bytes().enumerate() {
        let digit = DIGITS[usize::from(byte)];
        if digit > 31 || (index == 0 && digit > 7) {
            return Err(refuse());
        }
        value = (value << 5) | u128::from(digit);
    }
    Ok(value)
}

/// Defines a 128-bit id type with a prefix: parsing, printing, serde as a string.
#[macro_export]
macro_rules! define_id {
    ($(#[$meta:meta])* $name:ident, $prefix:literal) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u128);

        impl $name {
            /// The prefix of the text form, without the underscore.
            pub const PREFIX: &'static str = $prefix;

            /// Makes an id of 128 bits that the caller drew or derived.
            #[must_use]
            pub const fn from_bits(bits: u128) -> Self {
                Self(bits)
            }

            /// The 128 bits.
            #[must_use]
            pub const fn bits(self) -> u128 {
                self.0
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(&$crate::encode_id(Self::PREFIX, self.0))
            }
        }

        impl ::std::fmt::Debug for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                ::std::fmt::Display::fmt(self, f)
            }
        }

        impl ::std::str::FromStr for $name {
            type Err = $crate::IdError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $crate::decode_id(Self::PREFIX, text).map(Self)
            }
        }

        impl ::serde::Serialize for $name {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> ::serde::Deserialize<'de> for $name {
            fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;

                impl ::serde::de::Visitor<'_> for Text {
                    type Value = $name;

                    fn expecting(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                        f.write_str("an id")
                    }

                    fn visit_str<E: ::serde::de::Error>(self, text: &str) -> Result<$name, E> {
                        text.parse().map_err(E::custom)
                    }
                }

                // Ids are read for every record, so they are read where they stand.
                deserializer.deserialize_str(Text)
            }
        }
    };
}

define_id!(
    /// The id of one message to one step. Redeliveries and re-runs carry the same id, so that duplicates are
    /// recognisable everywhere; a component hands it to the outside world as an idempotency key.
    MessageId,
    "msg"
);

define_id!(
    /// The id of an execution: everything that follows from one message that a trigger emitted.
    ExecutionId,
    "exec"
);

impl MessageId {
    /// Derives an id from a namespace and a key, for example a trigger's step and the id that the source gave.
    #[must_use]
    pub fn derive(namespace: &str, key: &[u8]) -> Self {
        Self(hash(&[b"derive", namespace.as_bytes(), key]))
    }

    /// The id of the message that one output of this message's step run becomes on an edge.
    ///
    /// `output` counts the outputs of the whole step run (a partial outcome continues where the last one stopped);
    /// `item` counts the messages that a split makes of it, 0 without a split.
    #[must_use]
    pub fn child(self, edge: &str, output: u64, item: u64) -> Self {
        Self(hash(&[
            b"child",
            &self.0.to_be_bytes(),
            edge.as_bytes(),
            &output.to_be_bytes(),
            &item.to_be_bytes(),
        ]))
    }

    /// The id of the execution that one output of a trigger starts.
    #[must_use]
    pub fn execution(self, output: u64) -> ExecutionId {
        ExecutionId(hash(&[b"execution", &self.0.to_be_bytes(), &output.to_be_bytes()]))
    }
}

/// The first 128 bits of SHA-256 over the fields, each with its length before it.
fn hash(fields: &[&[u8]]) -> u128 {
    let mut hasher = Sha256::new();
    for field in fields {
        hasher.update((field.len() as u64).to_be_bytes());
        hasher.update(field);
    }
    let digest = hasher.finalize();
    let mut first = [0u8; 16];
    first.copy_from_slice(&digest[..16]);
    u128::from_be_bytes(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_id_prints_with_its_prefix_and_a_fixed_width() {
        assert_eq!(MessageId::from_bits(0).to_string(), format!("msg_{}", "0".repeat(26)));
        assert_eq!(MessageId::from_bits(u128::MAX).to_string(), "msg_7zzzzzzzzzzzzzzzzzzzzzzzzz");
    }

    #[test]
    fn a_foreign_prefix_a_wrong_length_or_letter_is_refused() {
        for text in [
            "",
            "msg_",
            "exec_00000000000000000000000000",
            "msg_0000000000000000000000000",
            "msg_8zzzzzzzzzzzzzzzzzzzzzzzzz",
            "msg_0000000000000000000000000u",
        ] {
            assert!(text.parse::<MessageId>().is_err(), "{text}");
        }
    }

    #[test]
    fn fields_do_not_run_into_each_other() {
        assert_ne!(hash(&[b"a", b"bc"]), hash(&[b"ab", b"c"]));
        let parent = MessageId::from_bits(7);
        assert_ne!(parent.child("a>b", 0, 1), parent.child("a>b", 1, 0));
        assert_eq!(parent.child("a>b", 1, 0), parent.child("a>b", 1, 0));
    }

    proptest! {
        #[test]
        fn every_id_survives_a_round_trip(bits: u128) {
            let id = ExecutionId::from_bits(bits);
            prop_assert_eq!(id.to_string().parse::<ExecutionId>().unwrap(), id);
            let json = serde_json::to_string(&id).unwrap();
            prop_assert_eq!(serde_json::from_str::<ExecutionId>(&json).unwrap(), id);
        }

        #[test]
        fn text_order_is_number_order(a: u128, b: u128) {
            let (left, right) = (MessageId::from_bits(a), MessageId::from_bits(b));
            prop_assert_eq!(left.to_string().cmp(&right.to_string()), left.cmp(&right));
        }
    }
}
