-- The journal, format 1. Times are in milliseconds since 1970. A `checksum` is
-- the CRC-32 of the columns before it, by which a damaged row is found; only an
-- index has none.

-- The accepted events.
CREATE TABLE events (
    sequence        INTEGER PRIMARY KEY,
    accepted_ms     INTEGER NOT NULL,
    -- The number of deliveries in the chain of its causes.
    depth           INTEGER NOT NULL,
    -- The delivery that published it, if a handler did.
    cause_handler   TEXT,
    cause_sequence  INTEGER,
    source          TEXT NOT NULL,
    id              TEXT NOT NULL,
    type            TEXT NOT NULL,
    subject         TEXT,
    time            TEXT,
    datacontenttype TEXT,
    dataschema      TEXT,
    -- A JSON object of strings.
    extensions      TEXT,
    data            BLOB,
    checksum        INTEGER NOT NULL
) STRICT;
CREATE INDEX events_by_cause ON events (cause_sequence) WHERE cause_sequence IS NOT NULL;

-- How an event is found by its identity. A key is a hash of the id (the upper 40
-- bits) and of the source (the lower 24); whether it is the event that is looked
-- for, the event itself tells.
CREATE TABLE identities (
    key      INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    PRIMARY KEY (key, sequence)
) STRICT, WITHOUT ROWID;

-- One row: the sequence given last. It is kept apart from the events, so that a
-- sequence is never given twice even if its event is dropped.
CREATE TABLE head (
    sequence INTEGER NOT NULL,
    -- Every event at or below has its row in `identities`.
    indexed  INTEGER NOT NULL,
    checksum INTEGER NOT NULL
) STRICT;

-- One row for each handler that ever subscribed.
CREATE TABLE subscriptions (
    id       INTEGER PRIMARY KEY,
    handler  TEXT NOT NULL UNIQUE,
    -- Every delivery at or below is settled or an exception.
    cursor   INTEGER NOT NULL,
    checksum INTEGER NOT NULL
) STRICT;

-- The settled attempts. A row above the cursor of its subscription is the mark
-- that the delivery was settled out of order.
CREATE TABLE attempts (
    sequence     INTEGER NOT NULL,
    subscription INTEGER NOT NULL,
    attempt      INTEGER NOT NULL,
    started_ms   INTEGER NOT NULL,
    took_us      INTEGER NOT NULL,
    -- 0 ack, 1 retry, 2 dead.
    outcome      INTEGER NOT NULL,
    -- The failure; none for an ack.
    code         TEXT,
    reason       TEXT,
    -- The SHA-256 of the component that was invoked.
    generation   BLOB NOT NULL,
    checksum     INTEGER NOT NULL,
    PRIMARY KEY (sequence, subscription, attempt)
) STRICT, WITHOUT ROWID;
CREATE INDEX attempts_by_start ON attempts (started_ms);

-- The deliveries that wait for another attempt, and the dead letters.
CREATE TABLE exceptions (
    sequence     INTEGER NOT NULL,
    subscription INTEGER NOT NULL,
    status       TEXT NOT NULL CHECK (status IN ('retry', 'dead')),
    attempts     INTEGER NOT NULL,
    -- Of those, the attempts made before the last redrive.
    forgiven     INTEGER NOT NULL,
    -- When the next attempt may begin; when a dead letter became one.
    at_ms        INTEGER NOT NULL,
    code         TEXT NOT NULL,
    reason       TEXT NOT NULL,
    -- The lane that it holds back.
    lane         TEXT,
    checksum     INTEGER NOT NULL,
    PRIMARY KEY (sequence, subscription)
) STRICT, WITHOUT ROWID;
CREATE INDEX exceptions_by_subscription ON exceptions (subscription, status, at_ms, sequence);
CREATE INDEX exceptions_by_time ON exceptions (status, at_ms, sequence);

-- Durable state. The version of a key is that of its namespace at its last
-- change. The value comes last and has a checksum of its own, so that what is
-- asked for its version alone is not read with its value.
CREATE TABLE state (
    namespace      TEXT NOT NULL,
    key            TEXT NOT NULL,
    version        INTEGER NOT NULL,
    value_checksum INTEGER NOT NULL,
    checksum       INTEGER NOT NULL,
    value          BLOB NOT NULL,
    PRIMARY KEY (namespace, key)
) STRICT;

-- One row for each namespace that was ever written to.
CREATE TABLE namespaces (
    name         TEXT PRIMARY KEY,
    -- Grows with each change.
    version      INTEGER NOT NULL,
    -- The version at which a key came or went last.
    keys_version INTEGER NOT NULL,
    checksum     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
