//! Every bound of the host that is not a handler's own setting, in one place.

use std::time::Duration;

/// The largest event, in bytes: all attributes and the data together.
pub const EVENT_BYTES_MAX: usize = 1024 * 1024;

/// The largest body of a `POST /events`, in bytes. A batch may hold many events.
pub const BODY_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The most events in one batch.
pub const BATCH_EVENTS_MAX: usize = 10_000;

/// The longest value of one attribute, in bytes.
pub const ATTRIBUTE_BYTES_MAX: usize = 8 * 1024;

/// The most extension attributes of an event.
pub const EXTENSIONS_MAX: usize = 64;

/// The deepest nesting of arrays and objects in a JSON event.
pub const JSON_DEPTH_MAX: usize = 64;

/// The most drafts that one attempt may publish.
pub const DRAFTS_MAX: usize = 256;

/// The longest chain of events that cause each other. The next link is refused,
/// which stops handlers that answer each other for ever.
pub const DEPTH_MAX: u32 = 32;

/// The longest reason that is kept of a failure, in bytes.
pub const REASON_BYTES_MAX: usize = 4 * 1024;

/// The longest name of a handler, in bytes.
pub const HANDLER_NAME_BYTES_MAX: usize = 64;

/// The most subscriptions of one handler, and the most types of one subscription.
pub const SUBSCRIPTIONS_MAX: usize = 256;

/// The largest component file, in bytes.
pub const COMPONENT_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// The largest sidecar file, in bytes.
pub const SIDECAR_BYTES_MAX: u64 = 256 * 1024;

/// The most handlers in the folder.
pub const HANDLERS_MAX: usize = 1_000;

/// How long `describe` may run.
pub const DESCRIBE_TIMEOUT: Duration = Duration::from_millis(500);

/// How long an attempt may run, unless the handler's sidecar says otherwise.
pub const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);

/// The longest time that a sidecar may give an attempt.
pub const ATTEMPT_TIMEOUT_MAX: Duration = Duration::from_secs(15 * 60);

/// The memory of one instance, in bytes, unless the sidecar says otherwise.
pub const MEMORY_BYTES: usize = 64 * 1024 * 1024;

/// The most memory that a sidecar may give an instance, in bytes.
pub const MEMORY_BYTES_MAX: usize = 512 * 1024 * 1024;

/// The attempts of one handler that run side by side, unless the sidecar says otherwise.
pub const CONCURRENCY: u32 = 16;

/// The most attempts of one handler that a sidecar may let run side by side.
pub const CONCURRENCY_MAX: u32 = 256;

/// The attempts of all handlers together that run side by side.
pub const ATTEMPTS_IN_FLIGHT_MAX: usize = 256;

/// The deliveries of one subscription that are held in memory at once: those
/// that wait for a worker, run, or are being settled.
pub const WINDOW_DELIVERIES: usize = 1_024;

/// The events read from the journal at once.
pub const READ_EVENTS: usize = 512;

/// The bytes of events read from the journal at once.
pub const READ_BYTES: usize = 4 * 1024 * 1024;

/// The bytes of the newest events that the journal keeps in memory, so that
/// whoever keeps up never reads them back from disk.
pub const TAIL_BYTES: usize = 32 * 1024 * 1024;

/// The newest events that the journal keeps in memory.
pub const TAIL_EVENTS: usize = 16_384;

/// The requests that may wait for the journal's writer.
pub const WRITER_REQUESTS: usize = 4_096;

/// The bytes of events that may wait for the journal's writer.
pub const WRITER_BYTES: usize = 64 * 1024 * 1024;

/// The events and settlements that go into one transaction.
pub const GROUP_OPERATIONS_MAX: usize = 4_096;

/// The longest log line of a guest that is kept, in bytes.
pub const LOG_LINE_BYTES_MAX: usize = 8 * 1024;

/// The log lines of one attempt that are kept, in bytes.
pub const LOG_ATTEMPT_BYTES_MAX: usize = 256 * 1024;

/// How often the handlers folder is listed when nothing hints at a change.
pub const FOLDER_RESCAN: Duration = Duration::from_secs(2);

/// How far apart two readings of a file must agree before it counts.
pub const FOLDER_SETTLE: Duration = Duration::from_millis(100);

/// How long the file of a handler must be gone before the handler is retired.
pub const RETIRE_GRACE: Duration = Duration::from_secs(2);

/// How long a stopping host waits for the attempts in flight.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// How long an HTTP client may take to send its headers.
pub const HTTP_HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// How long an HTTP client may take to send its body.
pub const HTTP_BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// The connections that a listener serves at once.
pub const HTTP_CONNECTIONS_MAX: usize = 4_096;

/// The rows that one answer of the admin API holds at most.
pub const PAGE_ROWS_MAX: usize = 1_000;

/// The events that one answer of `events ID` draws at most.
pub const TREE_EVENTS_MAX: usize = 1_000;
