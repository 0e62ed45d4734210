-- What must survive. Ids are in their printed form, times are milliseconds since 1970, structured values are JSON.

CREATE TABLE connectors (
    name    TEXT NOT NULL,
    version TEXT NOT NULL,
    doc     TEXT NOT NULL,
    PRIMARY KEY (name, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE instances (
    name TEXT NOT NULL PRIMARY KEY,
    doc  TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE instance_secrets (
    instance TEXT NOT NULL REFERENCES instances (name) ON DELETE CASCADE,
    field    TEXT NOT NULL,
    key_id   TEXT NOT NULL,
    sealed   BLOB NOT NULL,
    PRIMARY KEY (instance, field)
) STRICT, WITHOUT ROWID;

CREATE TABLE templates (
    name    TEXT NOT NULL,
    version TEXT NOT NULL,
    doc     TEXT NOT NULL,
    source  TEXT NOT NULL,
    PRIMARY KEY (name, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE flows (
    id      TEXT NOT NULL PRIMARY KEY,
    name    TEXT NOT NULL UNIQUE,
    version INTEGER NOT NULL,
    doc     TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE flow_versions (
    flow    TEXT NOT NULL REFERENCES flows (id) ON DELETE CASCADE,
    version INTEGER NOT NULL,
    doc     TEXT NOT NULL,
    seen_at INTEGER,
    PRIMARY KEY (flow, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE ticks (
    flow   TEXT NOT NULL REFERENCES flows (id) ON DELETE CASCADE,
    step   TEXT NOT NULL,
    cursor TEXT,
    tick   TEXT,
    since  INTEGER,
    last   INTEGER,
    PRIMARY KEY (flow, step)
) STRICT, WITHOUT ROWID;

-- History refers to flows without a foreign key: it may be written after its flow was removed, and is pruned later.

CREATE TABLE counters (
    flow       TEXT NOT NULL,
    step       TEXT NOT NULL,
    received   INTEGER NOT NULL,
    succeeded  INTEGER NOT NULL,
    emitted    INTEGER NOT NULL,
    failed     INTEGER NOT NULL,
    retried    INTEGER NOT NULL,
    dead       INTEGER NOT NULL,
    filtered   INTEGER NOT NULL,
    duplicates INTEGER NOT NULL,
    skipped    INTEGER NOT NULL,
    micros     INTEGER NOT NULL,
    PRIMARY KEY (flow, step)
) STRICT, WITHOUT ROWID;

-- `open` and `dead` count the step runs that stand like that, so that the status is known without looking at them.
CREATE TABLE executions (
    id         TEXT NOT NULL PRIMARY KEY,
    flow       TEXT NOT NULL,
    version    INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    runs       INTEGER NOT NULL,
    open       INTEGER NOT NULL,
    dead       INTEGER NOT NULL,
    status     TEXT NOT NULL GENERATED ALWAYS AS (
        CASE WHEN open > 0 THEN 'running' WHEN dead > 0 THEN 'failed' ELSE 'succeeded' END
    ) VIRTUAL
) STRICT, WITHOUT ROWID;

CREATE INDEX executions_by_time ON executions (started_at, id);
CREATE INDEX executions_by_status ON executions (status, started_at, id);
CREATE INDEX executions_by_flow ON executions (flow, started_at, id);
CREATE INDEX executions_by_flow_and_status ON executions (flow, status, started_at, id);

CREATE TABLE retries (
    execution TEXT NOT NULL PRIMARY KEY,
    retry_of  TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- `rank` orders what is told of the same step run: the higher one wins.
CREATE TABLE step_runs (
    seq          INTEGER PRIMARY KEY,
    id           TEXT NOT NULL UNIQUE,
    execution    TEXT NOT NULL,
    flow         TEXT NOT NULL,
    version      INTEGER NOT NULL,
    step         TEXT NOT NULL,
    status       TEXT NOT NULL,
    attempt      INTEGER NOT NULL,
    rank         INTEGER NOT NULL,
    input        TEXT,
    input_bytes  INTEGER,
    output       TEXT,
    output_bytes INTEGER,
    context      TEXT,
    error        TEXT,
    micros       INTEGER NOT NULL,
    at           INTEGER NOT NULL
) STRICT;

CREATE INDEX step_runs_by_execution ON step_runs (execution, seq);

CREATE TABLE dead_letters (
    id         TEXT NOT NULL UNIQUE,
    message    TEXT NOT NULL,
    execution  TEXT,
    flow       TEXT,
    step       TEXT,
    reason     TEXT NOT NULL,
    error      TEXT NOT NULL,
    attempts   INTEGER NOT NULL,
    suspected  INTEGER NOT NULL,
    exit       TEXT,
    body       TEXT NOT NULL,
    headers    TEXT NOT NULL,
    context    TEXT,
    state      TEXT NOT NULL,
    redrives   INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

CREATE INDEX dead_letters_by_time ON dead_letters (created_at, id);
CREATE INDEX dead_letters_by_state ON dead_letters (state, created_at, id);
CREATE INDEX dead_letters_by_flow ON dead_letters (flow, created_at, id);
CREATE INDEX dead_letters_by_flow_and_state ON dead_letters (flow, state, created_at, id);

CREATE TABLE tokens (
    id          TEXT NOT NULL PRIMARY KEY,
    name        TEXT NOT NULL,
    hash        BLOB NOT NULL UNIQUE,
    permissions TEXT NOT NULL,
    created_at  INTEGER NOT NULL,
    expires_at  INTEGER,
    revoked_at  INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE container_starts (
    id         TEXT NOT NULL PRIMARY KEY,
    deployment TEXT NOT NULL,
    token_hash BLOB NOT NULL UNIQUE,
    started_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
