//! Faults that do not run here: shown by something else, or left out, each with its reason.

use crate::catalogue::{Fault, How};

const fn other(number: &'static str, name: &'static str, expected: &'static str, how: How) -> Fault {
    Fault { number, name, inject: "", undo: "", expected, how }
}

pub(crate) const FAULTS: &[Fault] = &[
    other(
        "F5",
        "power cut of the host",
        "everything confirmed is there",
        How::LeftOut("needs a virtual machine that can be cut off; F7, F18 and F31 come near it"),
    ),
    other(
        "F20",
        "broker killed for its memory",
        "lost 0",
        How::LeftOut(
            "to the orchestrator it is F7: a node that is gone at once and comes back with its data",
        ),
    ),
    other(
        "F29",
        "another run with another number of outputs",
        "the ids of the same outputs are the same",
        How::Shown(
            "the simulation, whose functions emit none to three outputs by the attempt; the derivation of ids by tests of `component-sdk/protocol`",
        ),
    ),
    other(
        "F30",
        "clock jumps",
        "timeouts are not affected",
        How::LeftOut(
            "the binary is static, so the clock of one process cannot be moved, and that of the machine is everybody's",
        ),
    ),
    other(
        "F34",
        "leader that comes back",
        "writes of a stale epoch are refused",
        How::LeftOut(
            "there is no standby: one orchestrator runs an installation, and F33 shows that a second is refused",
        ),
    ),
    other(
        "F35",
        "token revoked under a flow",
        "messages wait, no attempt is burned",
        How::Shown("scenario `oauth::an_authorisation_lives_ends_and_begins_again_and_no_message_is_lost`"),
    ),
    other(
        "F36",
        "many refreshes at once",
        "one refresh",
        How::Shown(
            "scenario `oauth::an_authorisation_lives_ends_and_begins_again_and_no_message_is_lost`, which counts them with 50 inputs at a time",
        ),
    ),
    other(
        "F37",
        "crash between the provider's answer and the store",
        "the next call works, or somebody is asked",
        How::Shown("crash point `refresh_after_call`, with client credentials"),
    ),
    other(
        "F46",
        "dead-letter queue missing or full",
        "lost 0",
        How::LeftOut(
            "lanes refuse what is too much instead of dropping it, so nothing is dead-lettered there that is not expired or rejected by hand; dead letters of steps are in the store (F18)",
        ),
    ),
    other("F48", "Postgres restarted", "lost 0", How::LeftOut("the store is SQLite; there is no Postgres")),
];
