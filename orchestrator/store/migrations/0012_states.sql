-- What steps keep from run to run. (The cursor of a polling trigger is with its ticks.)

CREATE TABLE step_states (
    flow  TEXT NOT NULL REFERENCES flows (id) ON DELETE CASCADE,
    step  TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (flow, step)
) STRICT, WITHOUT ROWID;
