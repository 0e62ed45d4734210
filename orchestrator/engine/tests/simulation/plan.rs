//! What a seed means: a template, messages, faults and how the component behaves. A value, so that it can be printed and
//! made smaller.

use std::time::Duration;

use crate::deeds::Temper;
use crate::dice::Dice;
use crate::shape::Shape;

/// How long faults go on, in milliseconds.
const TROUBLED: u64 = 12_000;

/// Everything that a run depends on.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) kind: Kind,
    pub(crate) shapes: Vec<Shape>,
    pub(crate) temper: Temper,
    /// When each message of the source is there.
    pub(crate) messages: Vec<(u64, Duration)>,
    pub(crate) noise: Noise,
    pub(crate) faults: Vec<(Duration, Trouble)>,
    /// Deliveries that a shard holds.
    pub(crate) prefetch: u16,
    /// Whether history records everything.
    pub(crate) recorded: bool,
}

/// What a run is to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing is lost or invented, whatever happens.
    Troubled,
    /// Order is kept while nothing goes wrong, though confirms come late and in another order.
    Calm,
    /// A message that kills its containers takes no other one with it.
    Poisoned,
}

/// What happens to publishes while the trouble lasts, in a thousand of them.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Noise {
    pub(crate) lost: u64,
    pub(crate) unanswered: u64,
    pub(crate) refused: u64,
    /// The latest confirm, in milliseconds.
    pub(crate) slowest: u64,
}

/// Something that goes wrong, or that somebody does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The orchestrator is killed, and comes back after so many milliseconds.
    CrashEngine(u64),
    /// The orchestrator is stopped in good order, and comes back after so many milliseconds.
    StopEngine(u64),
    /// A container is killed.
    KillContainer(u64),
    /// All connections to the broker are lost.
    CutAll,
    /// The orchestrator's connections are lost.
    CutEngine,
    /// The broker is away for so many milliseconds.
    BrokerAway(u64),
    /// The broker takes no messages for so many milliseconds.
    Blocked(u64),
    /// The broker cancels the consumers of a queue.
    CancelConsumers(u64),
    /// All lanes take only so many messages, for so many milliseconds.
    LanesFull(usize, u64),
    /// An empty lane is deleted.
    LoseLane(u64),
    /// The store is away for so many milliseconds.
    StoreAway(u64),
    /// So many writes to the store fail.
    WritesFail(u32),
    /// So many writes of dead letters succeed without an answer.
    AnswersLost(u32),
    /// The container engine is away for so many milliseconds.
    RuntimeAway(u64),
    /// The flow is paused for so many milliseconds.
    Pause(u64),
    /// The next version of the flow is applied.
    Update,
    /// All dead letters are redriven, by two people at once.
    Redrive,
}

impl Plan {
    /// What a seed means.
    pub(crate) fn draw(seed: u64) -> Self {
        let mut dice = Dice::new(seed, "plan");
        let kind = match dice.below(10) {
            0 | 1 => Kind::Calm,
            2 => Kind::Poisoned,
            _ => Kind::Troubled,
        };
        let shape = Shape::draw(&mut dice);
        let shapes = vec![shape.clone(), shape.changed(&mut dice), shape.changed(&mut dice)];
        let temper = Temper {
            seed,
            fails: dice.pick(&[0, 100, 300]),
            refuses: dice.pick(&[0, 50]),
            rebounds: dice.pick(&[0, 50]),
            hangs: dice.pick(&[0, 30]),
            poison: dice.pick(&[0, 0, 0, 10]),
            various: dice.pick(&[0, 200, 400]),
            slowest: dice.pick(&[1, 50, 500]),
        };
        let count = dice.between(3, 14);
        let spread = dice.pick(&[10, 1000, TROUBLED]);
        let messages = (0..count).map(|number| (number, dice.millis(0, spread))).collect();
        let noise = Noise {
            lost: dice.pick(&[0, 20, 100]),
            unanswered: dice.pick(&[0, 20, 100]),
            refused: dice.pick(&[0, 20, 100]),
            slowest: dice.pick(&[0, 5, 50, 400]),
        };
        let count = dice.between(0, 8);
        let faults = (0..count).map(|_| (dice.millis(0, TROUBLED), draw_trouble(&mut dice)));
        let mut faults: Vec<_> = faults.collect();
        faults.sort_by_key(|(at, _)| *at);
        let (prefetch, recorded) = (dice.pick(&[1, 4, 64]), dice.chance(500));
        let plan = Self { seed, kind, shapes, temper, messages, noise, faults, prefetch, recorded };
        plan.fit(&mut dice)
    }

    /// Leaves out what a kind of run does not bear.
    fn fit(self, dice: &mut Dice) -> Self {
        match self.kind {
            Kind::Troubled => self,
            Kind::Calm => Self {
                shapes: self.shapes.into_iter().map(Shape::in_order).collect(),
                temper: Temper { fails: 0, refuses: 0, rebounds: 0, hangs: 0, poison: 0, ..self.temper },
                noise: Noise { slowest: self.noise.slowest, ..Noise::default() },
                faults: vec![],
                ..self
            },
            Kind::Poisoned => Self {
                temper: Temper { poison: dice.between(20, 60), ..self.temper },
                noise: Noise { slowest: self.noise.slowest, ..Noise::default() },
                faults: vec![],
                ..self
            },
        }
    }

    /// Smaller plans that may fail in the same way, the smallest first.
    pub(crate) fn smaller(&self) -> Vec<Self> {
        let faults = halves(&self.faults).into_iter().map(|faults| Self { faults, ..self.clone() });
        let messages = halves(&self.messages).into_iter().map(|messages| Self { messages, ..self.clone() });
        let quiet = Self { noise: Noise::default(), ..self.clone() };
        faults.chain(messages).chain([quiet]).filter(|plan| plan.size() < self.size()).collect()
    }

    pub(crate) fn size(&self) -> u64 {
        let Noise { lost, unanswered, refused, slowest } = self.noise;
        (self.faults.len() + self.messages.len()) as u64 + lost + unanswered + refused + slowest
    }
}

/// A list without one half, then without one of its members.
fn halves<T: Clone>(all: &[T]) -> Vec<Vec<T>> {
    let (first, second) = all.split_at(all.len() / 2);
    let without = |gone: usize| {
        all.iter().enumerate().filter(|(index, _)| *index != gone).map(|(_, one)| one.clone()).collect()
    };
    [first.to_vec(), second.to_vec()].into_iter().chain((0..all.len()).map(without)).collect()
}

fn draw_trouble(dice: &mut Dice) -> Trouble {
    let short = dice.between(10, 3000);
    match dice.below(20) {
        0 | 1 => Trouble::CrashEngine(short),
        2 => Trouble::StopEngine(short),
        3 | 4 => Trouble::KillContainer(dice.next()),
        5 => Trouble::CutAll,
        6 | 7 => Trouble::CutEngine,
        8 => Trouble::BrokerAway(short),
        9 => Trouble::Blocked(short),
        10 => Trouble::CancelConsumers(dice.next()),
        11 => Trouble::LanesFull(usize::from(dice.chance(700)), short),
        12 => Trouble::LoseLane(dice.next()),
        13 => Trouble::StoreAway(short),
        14 => Trouble::WritesFail(3),
        15 => Trouble::AnswersLost(2),
        16 => Trouble::RuntimeAway(short),
        17 => Trouble::Pause(short),
        18 => Trouble::Update,
        _ => Trouble::Redrive,
    }
}
