//! Many paths followed in one pass over a text.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::path::Segment;

/// The paths, by what they begin with. All of them end at or below the value that is looked at.
#[derive(Debug, Default)]
pub(super) struct Trie {
    /// The paths that end here.
    ends: Vec<usize>,
    /// The paths that end here or below.
    below: Vec<usize>,
    names: Vec<(String, Trie)>,
    indexes: Vec<(usize, Trie)>,
}

impl Trie {
    /// Enters a path. None for an index from the end, which one pass cannot find.
    pub(super) fn insert(&mut self, segments: &[Segment], slot: usize) -> Option<()> {
        self.below.push(slot);
        let Some((first, rest)) = segments.split_first() else {
            self.ends.push(slot);
            return Some(());
        };
        let next = match first {
            Segment::Name(name) => child(&mut self.names, |known| known == name, || name.clone()),
            Segment::Index(index) => {
                let index = usize::try_from(*index).ok()?;
                child(&mut self.indexes, |known| *known == index, || index)
            }
        };
        next.insert(rest, slot)
    }

    pub(super) fn search<'t>(
        &self,
        text: &'t str,
        found: &mut [Option<&'t RawValue>],
    ) -> serde_json::Result<()> {
        Search { trie: self, found }.deserialize(&mut serde_json::Deserializer::from_str(text))
    }
}

fn child<K>(children: &mut Vec<(K, Trie)>, is: impl Fn(&K) -> bool, key: impl FnOnce() -> K) -> &mut Trie {
    let at = children.iter().position(|(known, _)| is(known)).unwrap_or_else(|| {
        children.push((key(), Trie::default()));
        children.len() - 1
    });
    &mut children[at].1
}

/// Looks for what a trie names within one value.
struct Search<'s, 't> {
    trie: &'s Trie,
    found: &'s mut [Option<&'t RawValue>],
}

impl<'t> DeserializeSeed<'t> for Search<'_, 't> {
    type Value = ();

    fn deserialize<D: Deserializer<'t>>(self, deserializer: D) -> Result<(), D::Error> {
        let Self { trie, found } = self;
        // Of members with one name the last counts, with what it holds and what it does not.
        for slot in &trie.below {
            found[*slot] = None;
        }
        let goes_on = !(trie.names.is_empty() && trie.indexes.is_empty());
        if trie.ends.is_empty() {
            return if goes_on {
                deserializer.deserialize_any(Self { trie, found })
            } else {
                deserializer.deserialize_ignored_any(IgnoredAny).map(|_| ())
            };
        }
        let raw = <&RawValue as serde::Deserialize>::deserialize(deserializer)?;
        for slot in &trie.ends {
            found[*slot] = Some(raw);
        }
        if goes_on {
            let inner = Self { trie, found };
            let mut text = serde_json::Deserializer::from_str(raw.get());
            text.deserialize_any(inner).map_err(serde::de::Error::custom)?;
        }
        Ok(())
    }
}

impl<'t> Visitor<'t> for Search<'_, 't> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'t>>(self, mut members: A) -> Result<(), A::Error> {
        let Self { trie, found } = self;
        while let Some(next) = members.next_key_seed(Name(&trie.names))? {
            match next {
                Some(trie) => members.next_value_seed(Search { trie, found: &mut *found })?,
                None => {
                    members.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'t>>(self, mut items: A) -> Result<(), A::Error> {
        let Self { trie, found } = self;
        for at in 0.. {
            let next = trie.indexes.iter().find(|(index, _)| *index == at);
            let is_over = match next {
                Some((_, trie)) => items.next_element_seed(Search { trie, found: &mut *found })?.is_none(),
                None => items.next_element::<IgnoredAny>()?.is_none(),
            };
            if is_over {
                break;
            }
        }
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// The name of a member, compared with those that are wanted.
struct Name<'s>(&'s [(String, Trie)]);

impl<'s, 't> DeserializeSeed<'t> for Name<'s> {
    type Value = Option<&'s Trie>;

    fn deserialize<D: Deserializer<'t>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'s> Visitor<'_> for Name<'s> {
    type Value = Option<&'s Trie>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a member")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().find(|(wanted, _)| wanted == name).map(|(_, trie)| trie))
    }
}
