//! The points, and what makes the orchestrator pass each.

/// What is done so that a point is passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drive {
    /// Messages by both ways.
    Messages,
    /// The same, some of which fail for good.
    Letters,
    /// A polling trigger ticks.
    Ticks,
    /// A flow with a container of its own is deployed, and removed again.
    Deploy,
    /// Dead letters are mended and sent again, twice each.
    Redrive,
    /// The keys of secrets are replaced, and the secrets read again.
    Rotate,
    /// A function is called whose token has to be got.
    Refresh,
}

/// A boundary between two effects.
#[derive(Debug)]
pub struct Point {
    /// Its name in the code.
    pub name: &'static str,
    /// Where it is.
    pub at: &'static str,
    /// What passes it.
    pub drive: Drive,
    /// At which pass it strikes.
    pub nth: u32,
    /// Whether the step can fail there.
    pub fails: bool,
}

const fn point(name: &'static str, at: &'static str, drive: Drive) -> Point {
    Point { name, at, drive, nth: 1, fails: true }
}

/// One where the step cannot fail.
const fn sure(name: &'static str, at: &'static str, drive: Drive) -> Point {
    Point { fails: false, ..point(name, at, drive) }
}

const fn later(nth: u32, point: Point) -> Point {
    Point { nth, ..point }
}

/// All points.
pub const POINTS: &[Point] = &[
    later(2, sure("router_after_consume", "an outcome is taken, nothing done", Drive::Messages)),
    later(2, sure("router_after_route", "decoded and mapped, nothing sent", Drive::Messages)),
    later(
        3,
        point(
            "lane_before_publish",
            "some children of an outcome are sent, this one is not",
            Drive::Messages,
        ),
    ),
    later(3, point("lane_after_confirm", "a child is confirmed, nobody knows", Drive::Messages)),
    later(
        2,
        sure(
            "router_before_ack",
            "all children are confirmed, the outcome is not acknowledged",
            Drive::Messages,
        ),
    ),
    later(2, sure("router_after_ack", "the outcome is acknowledged", Drive::Messages)),
    point("dead_letters_before_store", "a dead letter is made, not stored", Drive::Letters),
    point("dead_letters_after_store", "it is stored, the outcome is not acknowledged", Drive::Letters),
    later(
        2,
        point(
            "webhook_after_confirm",
            "the message is confirmed, the delivery is not noted",
            Drive::Messages,
        ),
    ),
    later(
        2,
        point("webhook_after_note", "the delivery is noted, the request is not answered", Drive::Messages),
    ),
    point("tick_before_publish", "a tick is begun, not sent", Drive::Ticks),
    point("tick_after_publish", "it is sent, nobody knows", Drive::Ticks),
    point("tick_before_end", "its outputs are sent, the cursor is not moved", Drive::Ticks),
    point("tick_after_end", "the cursor is moved, the outcome is not acknowledged", Drive::Ticks),
    point("redrive_after_publish", "a dead letter is sent again, not moved on", Drive::Redrive),
    point("apply_before_flow", "a template is stored, its flow is not", Drive::Deploy),
    point("apply_after_flow", "the flow is stored, nothing of it runs", Drive::Deploy),
    sure("intent_after_store", "what is wanted of a flow is stored, nobody acts on it", Drive::Deploy),
    point("declare_base", "nothing is declared", Drive::Deploy),
    point("declare_after_exchange", "an exchange is declared, its bindings are not", Drive::Deploy),
    point("declare_before_lane", "the deployment is declared, the lane is not", Drive::Deploy),
    later(
        30,
        point(
            "declare_between_queue_and_binding",
            "a queue is declared, it is bound to nothing",
            Drive::Deploy,
        ),
    ),
    point("container_after_record", "a start is noted, there is no container", Drive::Deploy),
    point("container_after_create", "the container is made, not started", Drive::Deploy),
    point("container_after_start", "the container runs, it has no boot line", Drive::Deploy),
    point("user_before_permissions", "the container's broker user is made, it may do nothing", Drive::Deploy),
    point("user_after_permissions", "it may do what it must, the container does not know it", Drive::Deploy),
    point("container_after_stop", "the container is stopped, it is there", Drive::Deploy),
    point("container_after_remove", "it is gone, its user is not", Drive::Deploy),
    point("user_after_revoke", "its user is gone, its record is not", Drive::Deploy),
    point(
        "retire_after_lanes",
        "the lanes of a deleted flow are gone, its deployments are not",
        Drive::Deploy,
    ),
    point("retire_before_record", "all of it is gone but its record", Drive::Deploy),
    point("rotate_after_master", "a new master key is in the key file, it seals nothing", Drive::Rotate),
    later(2, point("rotate_between_secrets", "some secrets are sealed with the new key", Drive::Rotate)),
    point("rotate_before_forget", "all of them are, the old key is there", Drive::Rotate),
    point("refresh_before_call", "a token is needed, the provider is not asked", Drive::Refresh),
    point("refresh_after_call", "the provider gave a token, it is not stored", Drive::Refresh),
];
