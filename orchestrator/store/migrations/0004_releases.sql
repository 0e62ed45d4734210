-- Which version of a connector was in use when: the last one of a connector is the one in use.

CREATE TABLE releases (
    id        INTEGER PRIMARY KEY,
    connector TEXT NOT NULL,
    version   TEXT NOT NULL,
    at        INTEGER NOT NULL,
    FOREIGN KEY (connector, version) REFERENCES connectors (name, version) ON DELETE CASCADE
) STRICT;

CREATE INDEX releases_by_connector ON releases (connector, version);
