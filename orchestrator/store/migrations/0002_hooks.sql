-- Webhooks: the keys of their URLs, and the deliveries that were taken.

CREATE TABLE hook_keys (
    id         INTEGER PRIMARY KEY,
    flow       TEXT NOT NULL REFERENCES flows (id) ON DELETE CASCADE,
    step       TEXT NOT NULL,
    hash       BLOB NOT NULL UNIQUE,
    key_id     TEXT NOT NULL,
    sealed     BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    retires_at INTEGER
) STRICT;

CREATE INDEX hook_keys_by_step ON hook_keys (flow, step);

CREATE TABLE hook_deliveries (
    flow    TEXT NOT NULL REFERENCES flows (id) ON DELETE CASCADE,
    step    TEXT NOT NULL,
    id      TEXT NOT NULL,
    seen_at INTEGER NOT NULL,
    PRIMARY KEY (flow, step, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX hook_deliveries_by_age ON hook_deliveries (seen_at);
