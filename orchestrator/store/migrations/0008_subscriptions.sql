-- What senders of webhooks were told. They outlive their flows, so that they can be ended.

CREATE TABLE hook_subscriptions (
    flow        TEXT NOT NULL,
    step        TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    instance    TEXT NOT NULL,
    unsubscribe TEXT,
    confirmed   INTEGER NOT NULL,
    key_id      TEXT NOT NULL,
    sealed      BLOB NOT NULL,
    created_at  INTEGER NOT NULL,
    PRIMARY KEY (flow, step, fingerprint)
) STRICT, WITHOUT ROWID;
