//! What the functions of the simulated component do with an input: always the same, for the id of the input decides it.

use serde_json::{Value, json};
use sluice_protocol::{ErrorInfo, MessageId};

use crate::dice::Dice;

/// How often functions do what, in a thousand inputs.
#[derive(Debug, Clone)]
pub(crate) struct Temper {
    pub(crate) seed: u64,
    /// Fails so that the same input may succeed later.
    pub(crate) fails: u64,
    /// Fails for good.
    pub(crate) refuses: u64,
    /// Asks for the same input again.
    pub(crate) rebounds: u64,
    /// Takes too long.
    pub(crate) hangs: u64,
    /// Kills its container.
    pub(crate) poison: u64,
    /// Emits none or several outputs instead of one.
    pub(crate) various: u64,
    /// The longest run that does not hang, in milliseconds.
    pub(crate) slowest: u64,
}

/// What a function does with an input.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Deed {
    /// It emits these bodies on these ports. Whether the first of them goes ahead of the others.
    Emit { outputs: Vec<(&'static str, Value)>, streams: bool },
    /// It fails.
    Fail(ErrorInfo),
    /// It asks for the input again later.
    Rebound(ErrorInfo),
    /// It takes longer than it may.
    Hang,
    /// It takes its container down.
    Crash,
}

impl Temper {
    fn dice(&self, id: MessageId, attempt: u32) -> Dice {
        Dice::new(self.seed, &format!("{id} {attempt}"))
    }

    /// What a function does with an input at an attempt. What it emits does not depend on the attempt.
    pub(crate) fn deed(&self, id: MessageId, attempt: u32) -> Deed {
        let mut always = self.dice(id, 0);
        if always.chance(self.poison) {
            return Deed::Crash;
        }
        let mut now = self.dice(id, attempt);
        if now.chance(self.fails) {
            let seconds = now.chance(100).then(|| now.between(1, 3));
            return Deed::Fail(ErrorInfo {
                retry_after: seconds,
                ..ErrorInfo::new("away", "It is away.", true)
            });
        }
        if now.chance(self.refuses) {
            return Deed::Fail(ErrorInfo::new("wrong", "It is wrong.", false));
        }
        if now.chance(self.rebounds) {
            return Deed::Rebound(ErrorInfo::new("later", "Later.", true));
        }
        if now.chance(self.hangs) {
            return Deed::Hang;
        }
        let count = if always.chance(self.various) { always.pick(&[0, 2, 2, 3]) } else { 1 };
        let outputs = (0..count).map(|_| (port(&mut always), body(&mut always))).collect();
        Deed::Emit { outputs, streams: always.chance(200) }
    }

    /// How long that takes, in milliseconds, if it does not hang. Another run of the same may take longer.
    pub(crate) fn takes(&self, dice: &mut Dice) -> u64 {
        if dice.chance(300) { 0 } else { dice.between(0, self.slowest) }
    }
}

fn port(dice: &mut Dice) -> &'static str {
    if dice.chance(150) { "rejected" } else { "out" }
}

/// A body as all functions emit them.
pub(crate) fn body(dice: &mut Dice) -> Value {
    let items: Vec<Value> =
        (0..dice.below(3)).map(|_| json!({ "n": dice.between(1, 99), "items": [] })).collect();
    json!({ "n": dice.between(1, 99), "items": items })
}
