//! Makes trouble, and ends it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sluice_domain::{Intent, topology};
use sluice_testkit::fakes::{End, Fate, Weather};

use crate::dice::Dice;
use crate::plan::{Noise, Trouble};
use crate::world::World;

/// What becomes of publishes, by lot.
pub(crate) struct Lots {
    pub(crate) noise: Noise,
    pub(crate) dice: Mutex<Dice>,
}

impl Weather for Lots {
    fn fate(&self, _client: u64, _queue: &str) -> Fate {
        let mut dice = self.dice.lock().unwrap_or_else(PoisonError::into_inner);
        let Noise { lost, unanswered, refused, slowest } = self.noise;
        let takes = dice.millis(0, slowest);
        let end = match dice.below(1000) {
            lot if lot < lost => End::Lost,
            lot if lot < lost + unanswered => End::Unanswered,
            lot if lot < lost + unanswered + refused => End::Refused,
            _ => End::Well,
        };
        Fate { end, takes }
    }
}

/// Makes one trouble, and ends it when its time is over.
pub(crate) async fn make(world: Arc<World>, trouble: Trouble) {
    world.observer.say(&format!("{trouble:?}"));
    let pause = |millis| tokio::time::sleep(Duration::from_millis(millis));
    match trouble {
        Trouble::CrashEngine(millis) => {
            if world.crash_engine() {
                pause(millis).await;
                world.start_engine().await;
            }
        }
        Trouble::StopEngine(millis) => {
            if world.stop_engine().await {
                pause(millis).await;
                world.start_engine().await;
            }
        }
        Trouble::KillContainer(which) => {
            let running = world.containers.running();
            if let Some(name) = chosen(&running, which) {
                world.containers.kill(name);
            }
        }
        Trouble::CutAll => world.broker.drop_connections(),
        Trouble::CutEngine => world.cut_engine(),
        Trouble::BrokerAway(millis) => {
            world.broker.set_down(true);
            pause(millis).await;
            world.broker.set_down(false);
        }
        Trouble::Blocked(millis) => {
            world.broker.set_blocked(true);
            pause(millis).await;
            world.broker.set_blocked(false);
        }
        Trouble::CancelConsumers(which) => {
            if let Some(queue) = chosen(&world.broker.queues(), which) {
                world.broker.cancel_consumers(queue);
            }
        }
        Trouble::LanesFull(most, millis) => {
            bound(&world, Some(most));
            pause(millis).await;
            bound(&world, None);
        }
        Trouble::LoseLane(which) => {
            if let Some(lane) = chosen(&lanes(&world), which) {
                world.broker.delete_empty(lane);
            }
        }
        Trouble::StoreAway(millis) => {
            world.store.set_down(true);
            pause(millis).await;
            world.store.set_down(false);
        }
        Trouble::WritesFail(count) => world.store.fail_writes(count),
        Trouble::AnswersLost(count) => world.store.lose_answers(count),
        Trouble::RuntimeAway(millis) => {
            world.containers.engine.set_down(true);
            pause(millis).await;
            world.containers.engine.set_down(false);
        }
        Trouble::Pause(millis) => {
            world.want(Intent::Pause).await;
            pause(millis).await;
            world.want(Intent::Run).await;
        }
        Trouble::Update => drop(world.update().await),
        Trouble::Redrive => {
            if let Some((engine, _)) = world.engine() {
                // What fails stays where it is.
                drop(tokio::join!(engine.redrive_all(None), engine.redrive_all(None)));
            }
        }
    }
}

fn chosen(all: &[String], which: u64) -> Option<&String> {
    let index = usize::try_from(which % (all.len().max(1) as u64)).unwrap_or(0);
    all.get(index)
}

/// The lanes of steps: an operator's or a broker's mistake may lose one, and the engine mends that.
fn lanes(world: &World) -> Vec<String> {
    let is_lane = |queue: &String| queue.parse::<topology::LaneName>().is_ok();
    world.broker.queues().into_iter().filter(is_lane).collect()
}

fn bound(world: &World, most: Option<usize>) {
    for lane in lanes(world) {
        world.broker.set_max_length(&lane, most);
    }
}
