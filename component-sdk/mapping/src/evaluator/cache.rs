//! Expressions compiled to bytecode, by identity, bounded.

use std::collections::HashMap;
use std::rc::Rc;

use jsonata_core::Expression as Compiled;

use crate::expression::Expression;

/// Most compiled expressions that one evaluator keeps.
const CAPACITY: usize = 4096;

/// Two generations: what is used moves to the young one, and when that is half the capacity the old
/// one is dropped. As good as least-recently-used here, at the cost of one look-up.
#[derive(Default)]
pub(super) struct Cache {
    young: HashMap<u64, Rc<Compiled>>,
    old: HashMap<u64, Rc<Compiled>>,
}

impl Cache {
    pub(super) fn get(&mut self, expression: &Expression) -> Rc<Compiled> {
        if let Some(found) = self.young.get(&expression.id()) {
            return Rc::clone(found);
        }
        let found = self
            .old
            .remove(&expression.id())
            .unwrap_or_else(|| Rc::new(Compiled::from_ast(expression.program().plain.clone())));
        if self.young.len() >= CAPACITY / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(expression.id(), Rc::clone(&found));
        found
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}
