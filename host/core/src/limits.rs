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

/// The longest name of an attribute, in bytes. CloudEvents advises 20.
pub const ATTRIBUTE_NAME_BYTES_MAX: usize = 64;

/// The most extension attributes of an event.
pub const EXTENSIONS_MAX: usize = 64;

/// The deepest nesting of arrays and objects in a JSON event, the event itself
/// included.
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

/// The most things of one kind that a sidecar may grant a handler.
pub const GRANTS_MAX: usize = 256;

/// The most types of all subscriptions of one handler together.
pub const SUBSCRIPTION_TYPES_MAX: usize = 1_024;

/// The longest word that "did you mean" looks at, in bytes.
pub const HINT_BYTES_MAX: usize = 128;

/// The largest component file, in bytes.
pub const COMPONENT_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// The largest sidecar file, in bytes.
pub const SIDECAR_BYTES_MAX: u64 = 256 * 1024;

/// The shortest length of time that a sidecar may name.
pub const SIDECAR_DURATION_MIN: Duration = Duration::from_millis(1);

/// The most handlers in the folder.
pub const HANDLERS_MAX: usize = 1_000;

/// The most files in the handlers folder, of whatever kind.
pub const FOLDER_FILES_MAX: usize = 16_384;

/// The components that are compiled and checked side by side.
pub const LOADS_AT_ONCE_MAX: usize = 2;

/// The notices of the handlers folder that wait for whoever reads them; a slow
/// reader misses the oldest.
pub const FOLDER_NOTICES_MAX: usize = 1_024;

/// How long `describe` may run. It needs a moment; the rest is for a machine that
/// is busy compiling.
pub const DESCRIBE_TIMEOUT: Duration = Duration::from_secs(2);

/// How long an attempt may run, unless the handler's sidecar says otherwise.
pub const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);

/// The longest time that a sidecar may give an attempt.
pub const ATTEMPT_TIMEOUT_MAX: Duration = Duration::from_secs(15 * 60);

/// The memory of one instance, in bytes, unless the sidecar says otherwise.
pub const MEMORY_BYTES: usize = 64 * 1024 * 1024;

/// The least memory that a sidecar may give an instance, in bytes: one page.
pub const MEMORY_BYTES_MIN: usize = 64 * 1024;

/// The most memory that a sidecar may give an instance, in bytes.
pub const MEMORY_BYTES_MAX: usize = 512 * 1024 * 1024;

/// The memory that a guest built by `waystation build` begins with, in bytes: a
/// multiple of 64 KiB. As much as an instance keeps resident between attempts.
pub const GUEST_INITIAL_MEMORY_BYTES: u32 = 2 * 1024 * 1024;

/// The stack of a guest built by `waystation build`, in bytes. JSON that nests as
/// deep as serde_json allows fits into it.
pub const GUEST_STACK_BYTES: u32 = 128 * 1024;

/// The attempts of one handler that run side by side, unless the sidecar says otherwise.
pub const CONCURRENCY: u32 = 16;

/// The most attempts of one handler that a sidecar may let run side by side.
pub const CONCURRENCY_MAX: u32 = 256;

/// The most attempts that a sidecar may grant a delivery.
pub const RETRY_ATTEMPTS_MAX: u32 = 1_000;

/// The longest pause between two attempts that a sidecar may ask for.
pub const RETRY_PAUSE_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// The longest time that a sidecar may have an event tried again.
pub const RETRY_AGE_MAX: Duration = Duration::from_secs(365 * 24 * 60 * 60);

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

/// The identities of the newest events that the journal keeps in memory before they
/// go into its table, some 24 bytes each. A start after a crash reads up to four
/// times as many events.
pub const RECENT_IDENTITIES: usize = 32_768;

/// The requests that may wait for the journal's writer.
pub const WRITER_REQUESTS: usize = 4_096;

/// The bytes of events that may wait for the journal's writer.
pub const WRITER_BYTES: usize = 64 * 1024 * 1024;

/// The bytes of settlements that go to the journal's writer together; one may be
/// larger by itself. What publishers send must find room beside them.
pub const SETTLE_BYTES: usize = 4 * 1024 * 1024;

/// The events and settlements that go into one transaction.
pub const GROUP_OPERATIONS_MAX: usize = 4_096;

/// How long the journal waits for as many events and settlements as went into its
/// last transaction, so that clients that wait for one share the next as well.
pub const GROUP_WAIT: Duration = Duration::from_micros(300);

/// The reads from the journal's disk that run side by side.
pub const JOURNAL_READERS: usize = 2;

/// The pages of the journal that its writer keeps in memory, in bytes.
pub const JOURNAL_WRITER_CACHE_BYTES: usize = 16 * 1024 * 1024;

/// The pages of the journal that each of its readers keeps in memory, in bytes.
pub const JOURNAL_READER_CACHE_BYTES: usize = 4 * 1024 * 1024;

/// The bytes of the write-ahead log after which the journal moves them into its
/// main file. A recovery reads no more than about this.
pub const JOURNAL_WAL_BYTES: usize = 64 * 1024 * 1024;

/// The largest journal that is checked page by page, and its indexes against its
/// rows, when it is opened, in bytes. Of a larger one only the ends are looked at,
/// so that a start stays quick.
pub const JOURNAL_CHECK_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// How long the journal waits for another program that holds its file.
pub const JOURNAL_BUSY_TIMEOUT: Duration = Duration::from_millis(500);

/// The longest log line of a guest that is kept, in bytes.
pub const LOG_LINE_BYTES_MAX: usize = 8 * 1024;

/// The log lines of one attempt that are kept, in bytes.
pub const LOG_ATTEMPT_BYTES_MAX: usize = 256 * 1024;

/// The log lines of one attempt that are kept. A line without text costs the host
/// almost as much as one with.
pub const LOG_ATTEMPT_LINES_MAX: usize = 4_096;

/// The files of a handler package whose changes `waystation dev` watches.
pub const SOURCE_FILES_MAX: usize = 10_000;

/// How long the source of a handler must stand still before `waystation dev` builds
/// it: editors write several files at once.
pub const SOURCE_SETTLE: Duration = Duration::from_millis(50);

/// The newest events among which `waystation dev --replay` looks for those that a
/// handler asks for.
pub const REPLAY_EVENTS_LOOKED_AT_MAX: usize = 10_000;

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

/// The bytes of all bodies that publishers are sending or have sent and that are
/// not stored yet: twice what may wait for the journal's writer.
pub const HTTP_BODIES_BYTES_MAX: usize = 2 * WRITER_BYTES;

/// When a client may try again what a busy host refused.
pub const HTTP_RETRY_AFTER: Duration = Duration::from_secs(1);

/// The largest body of a request to the admin API, in bytes.
pub const ADMIN_BODY_BYTES_MAX: usize = 64 * 1024;

/// The rows that one answer of the admin API holds unless it is asked for more
/// or fewer.
pub const PAGE_ROWS: usize = 50;

/// The rows that one answer of the admin API holds at most.
pub const PAGE_ROWS_MAX: usize = 1_000;

/// The events that one answer of `events ID` draws at most.
pub const TREE_EVENTS_MAX: usize = 1_000;

/// The events below each other that one answer of `events ID` draws. With more,
/// and with data that nests as deep as it may, the JSON would nest deeper than
/// the 127 levels that parsers commonly read.
pub const TREE_DEPTH_MAX: usize = 15;

/// The bytes of events that one answer of the admin API holds; the event that
/// goes beyond is its last.
pub const ANSWER_BYTES_MAX: usize = 32 * 1024 * 1024;

/// How often a running guest is interrupted so that others get their turn and
/// its deadline is seen.
pub const EPOCH_TICK: Duration = Duration::from_millis(10);

/// The bytes that one call may hand to the host in strings and lists.
pub const HOSTCALL_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The resources, such as streams, that one instance may hold, and the handles
/// that it may hold to them and to its own.
pub const RESOURCES_MAX: usize = 1_024;

/// The random bytes that a guest gets from one call.
pub const RANDOM_BYTES_MAX: u64 = 64 * 1024;

/// The elements of one table of a guest.
pub const TABLE_ELEMENTS_MAX: usize = 64 * 1024;

/// The core instances of one component. A language that brings its runtime as
/// shared libraries has one for each of them and for what joins them: Python some 60.
pub const CORE_INSTANCES_MAX: u32 = 128;

/// The tables of one component. Address space is reserved for each.
pub const TABLES_MAX: u32 = 32;

/// The memories of one component. Address space is reserved for each.
pub const MEMORIES_MAX: u32 = 4;

/// The component instances that live at once, over all handlers.
pub const INSTANCES_MAX: u32 = 1_024;

/// The instances that wait for another attempt, over all handlers. With the
/// attempts in flight they must fit into the pool of instances.
pub const IDLE_INSTANCES_MAX: usize = ATTEMPTS_IN_FLIGHT_MAX;

/// The host stack that the code of a guest may use, in bytes.
pub const WASM_STACK_BYTES: usize = 512 * 1024;

/// The attempts that one reused instance may serve.
pub const INSTANCE_REUSES_MAX: u32 = 100;

/// The components that are compiled at once.
pub const COMPILES_MAX: usize = 2;

/// The end of a guest's stderr that is kept to explain a trap, in bytes.
pub const STDERR_TAIL_BYTES: usize = 2 * 1024;

/// The frames of a trap's backtrace that are kept.
pub const BACKTRACE_FRAMES_MAX: usize = 16;

/// How long the command line waits for a connection to a host.
pub const CLIENT_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the command line waits for the whole answer to one request.
pub const CLIENT_TIMEOUT: Duration = Duration::from_secs(60);

/// The longest name that `waystation export` gives to a folder.
pub const CASE_NAME_BYTES_MAX: usize = 100;

/// The longest answer that the command line reads, in bytes: what an answer may
/// hold, with what JSON makes of it.
pub const CLIENT_ANSWER_BYTES_MAX: usize = 4 * ANSWER_BYTES_MAX;

/// The largest file with an event that a rehearsal is given, in bytes.
pub const EVENT_FILE_BYTES_MAX: usize = BODY_BYTES_MAX;

/// The largest other file that a rehearsal is given, in bytes: state, recorded HTTP,
/// or a capsule, which is what the host answered.
pub const REHEARSAL_FILE_BYTES_MAX: usize = CLIENT_ANSWER_BYTES_MAX;

/// The events that `waystation publish` puts into one request.
pub const PUBLISH_EVENTS: usize = 500;

/// The bytes of events after which `waystation publish` sends a request.
pub const PUBLISH_BYTES: usize = 1024 * 1024;

/// How often `waystation publish` sends one request to a host that is busy.
pub const PUBLISH_TRIES_MAX: u32 = 10;

/// The longest pause that `waystation publish` makes when a busy host asks for one.
pub const PUBLISH_PAUSE_MAX: Duration = Duration::from_secs(30);

/// The processor time of one compilation, over all its threads, in whole seconds.
pub const COMPILE_PROCESSOR_TIME: Duration = Duration::from_secs(60);

/// How long one compilation may take, however busy the machine is.
pub const COMPILE_TIMEOUT: Duration = Duration::from_secs(180);

/// The memory of one compilation, in bytes.
pub const COMPILE_MEMORY_BYTES: u64 = 2 * 1024 * 1024 * 1024;

/// The threads of one compilation. Each needs memory of its own, so that without
/// a bound the same component would be refused on a larger machine.
pub const COMPILE_THREADS_MAX: usize = 4;

/// The stack of the first thread of a compilation, in bytes.
pub const COMPILE_STACK_BYTES: u64 = 8 * 1024 * 1024;

/// The files that a compilation may have open.
pub const COMPILE_FILES_MAX: u64 = 32;

/// The compiled code of one component, in bytes.
pub const COMPILED_COMPONENT_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// The compiled code that is kept from one start to the next, in bytes. What was
/// not used for the longest time gives way.
pub const COMPILED_CODE_BYTES_MAX: u64 = 1024 * 1024 * 1024;

/// The components of which compiled code, or the reason why there is none, is kept
/// from one start to the next.
pub const COMPILED_CODE_ENTRIES_MAX: usize = 2 * HANDLERS_MAX;

/// How long a start waits for handlers that are still being compiled before it
/// takes events without them.
pub const START_LOAD_TIMEOUT: Duration = Duration::from_secs(30);

/// The longest key of durable state, in bytes.
pub const STATE_KEY_BYTES_MAX: usize = 1024;

/// The largest value of durable state, in bytes.
pub const STATE_VALUE_BYTES_MAX: usize = 256 * 1024;

/// The keys of durable state that one attempt may read and write.
pub const STATE_KEYS_MAX: usize = 1_024;

/// The bytes of durable state that one attempt may read. They are kept until it
/// ends, so that it reads the same value each time.
pub const STATE_READ_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The bytes of namespaces, keys and values that one attempt may stage.
pub const STATE_STAGED_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The keys that one page of a listing holds, beside those that the attempt
/// staged itself.
pub const STATE_PAGE_KEYS: usize = 1_000;

/// The pages of keys that one attempt may list of one namespace.
pub const STATE_PAGES_MAX: usize = 1_000;

/// The shortest value of a secret that is taken out of logs and reasons, in
/// bytes. A shorter one would be found in many an innocent word.
pub const SECRET_BYTES_MIN: usize = 8;

/// The outbound HTTP requests that one attempt may make, those refused included.
pub const OUTBOUND_REQUESTS_MAX: usize = 64;

/// The outbound HTTP requests of one attempt that are under way at once. More wait.
pub const OUTBOUND_AT_ONCE_MAX: usize = 16;

/// The outbound HTTP connections of all handlers together. More wait.
pub const OUTBOUND_CONNECTIONS_MAX: usize = 1_024;

/// The names that are looked up side by side. The operating system's cannot be given
/// up, so that one may outlive the attempt that asked.
pub const OUTBOUND_LOOKUPS_MAX: usize = 64;

/// The addresses of a name that are tried.
pub const OUTBOUND_ADDRESSES_MAX: usize = 8;

/// How long outbound HTTP may wait for a free place, the lookup of a name, the
/// connection and TLS, all together.
pub const OUTBOUND_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long outbound HTTP may wait for the head of a response.
pub const OUTBOUND_HEAD_TIMEOUT: Duration = Duration::from_secs(60);

/// How long outbound HTTP may wait for the next bytes of a response.
pub const OUTBOUND_IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// The largest body of an outbound HTTP request, in bytes.
pub const OUTBOUND_REQUEST_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// The largest body of a response to outbound HTTP, in bytes.
pub const OUTBOUND_RESPONSE_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// The largest head of a response to outbound HTTP, in bytes.
pub const OUTBOUND_HEAD_BYTES_MAX: usize = 64 * 1024;

/// The header fields of a response to outbound HTTP.
pub const OUTBOUND_HEADERS_MAX: usize = 256;

/// The memory that one set of header fields of a guest may take, in bytes. A
/// guest may hold many.
pub const OUTBOUND_FIELDS_BYTES_MAX: usize = 16 * 1024;

/// The bytes of a body that a guest may write at once. The host holds two such
/// pieces of each body.
pub const OUTBOUND_CHUNK_BYTES: usize = 16 * 1024;

/// How long an event is known at least, so that the same source and id is found
/// to be the same event: it is not dropped before, not even for want of room.
pub const DEDUPE_WINDOW: Duration = Duration::from_secs(10 * 60);

/// How long the journal keeps events, unless the configuration says otherwise.
pub const RETENTION_AGE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The longest time for which the configuration may have events kept.
pub const RETENTION_AGE_MAX: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// The bytes on disk that the journal may fill, unless the configuration says
/// otherwise.
pub const RETENTION_BYTES: usize = 64 * 1024 * 1024 * 1024;

/// The least that the configuration may let the journal fill, in bytes.
pub const RETENTION_BYTES_MIN: usize = 64 * 1024 * 1024;

/// The most that the configuration may let the journal fill, in bytes: less than
/// SQLite's own limit.
pub const RETENTION_BYTES_MAX: usize = 8 * 1024 * 1024 * 1024 * 1024;

/// How often the host has the journal drop what is old.
pub const RETENTION_INTERVAL: Duration = Duration::from_secs(60);

/// The events that the journal drops in one transaction.
pub const RETENTION_BATCH_EVENTS: usize = 1_000;

/// The bytes of data after which the journal drops no further event in the same
/// transaction.
pub const RETENTION_BATCH_BYTES: usize = 8 * 1024 * 1024;

/// The pages of the journal's file that are given back in one transaction.
pub const RETENTION_STEP_PAGES: u64 = 1_024;

/// Of the journal's file, one part in so many of what is used may stay free for
/// what comes next; the rest of what is free is given back.
pub const RETENTION_FREE_SHARE: u64 = 8;

/// The dead letters that are driven again in one transaction.
pub const REDRIVE_BATCH: usize = 1_000;

/// The bytes of events of one subscription that are held in memory at once: those
/// of deliveries that wait for a worker, run, or are being settled. As much again
/// may be held for deliveries that are tried again. One read from the journal may
/// go beyond.
pub const WINDOW_BYTES: usize = 32 * 1024 * 1024;

/// How far the system's clock may be from the host's before the log tells that it
/// was put forward or back.
pub const CLOCK_STEP: Duration = Duration::from_secs(60);

/// How often an attempt is made again at once since another changed the state that
/// it had read. From then on it waits for a moment before.
pub const CONFLICTS_AT_ONCE_MAX: u32 = 7;

/// The longest of those moments. How long each is is up to chance, so that those
/// that get in each other's way do not meet again.
pub const CONFLICT_PAUSE: Duration = Duration::from_millis(100);

/// How often an attempt is made whose state another changes each time, before it
/// counts as one that failed.
pub const CONFLICTS_MAX: u32 = 32;

/// How long a handler begins no attempt after the host had no room for one.
pub const BUSY_PAUSE: Duration = Duration::from_secs(1);

/// The most headers of an HTTP request: what the HTTP library takes unless it is
/// told otherwise, which would cost it an allocation for each request.
pub const HTTP_HEADERS_MAX: usize = 100;

/// The bytes of all headers of an HTTP request together, its first line included.
/// An event with larger attributes is sent in structured mode.
pub const HTTP_HEADERS_BYTES_MAX: usize = 64 * 1024;

/// The files that the host keeps for everything but connections: the journal, the
/// handlers folder, the compiled code.
pub const FILES_RESERVED: u64 = 256;

/// The connections of a listener that the host does not start without.
pub const HTTP_CONNECTIONS_MIN: usize = 16;

/// The shortest token, in bytes.
pub const TOKEN_BYTES_MIN: usize = 16;

/// The longest token, in bytes.
pub const TOKEN_BYTES_MAX: usize = 1_024;

/// The most names that the configuration may give this host.
pub const HOSTS_MAX: usize = 64;

/// The most source connectors.
pub const SOURCES_MAX: usize = 256;

/// The most keys of one webhook: one, and while it is replaced its successor.
pub const WEBHOOK_KEYS_MAX: usize = 2;

/// The shortest key of a webhook, in bytes (Standard Webhooks asks for 24 to 64).
pub const WEBHOOK_KEY_BYTES_MIN: usize = 24;

/// The longest key of a webhook, in bytes.
pub const WEBHOOK_KEY_BYTES_MAX: usize = 64;

/// How far the time of a webhook may be from the host's, before or after. A call
/// that was overheard is of use to nobody for longer.
pub const WEBHOOK_TOLERANCE: Duration = Duration::from_secs(5 * 60);

/// The bytes of all webhooks that are read at once. Anybody may call one, so they
/// must not take the room of the publishers.
pub const WEBHOOK_BODIES_BYTES_MAX: usize = 64 * 1024 * 1024;

/// How long a host whose journal failed gives the answers to the requests that
/// came before.
pub const LAST_ANSWERS_TIMEOUT: Duration = Duration::from_secs(1);

/// The longest name of a namespace of state, of a key of configuration and of a
/// secret, in bytes.
pub const GRANT_NAME_BYTES_MAX: usize = 128;

/// The longest value of a key of configuration and of a secret, in bytes.
pub const GRANT_VALUE_BYTES_MAX: usize = 64 * 1024;

/// The largest file of approvals, in bytes: those of all handlers together.
pub const APPROVALS_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// The approvals that wait until the handlers folder has looked at them.
pub const APPROVALS_WAITING_MAX: usize = 16;
/// The bytes that each HTTP connection reads ahead. The headers of a request must
/// fit into them.
pub const HTTP_BUFFER_BYTES: usize = 64 * 1024;
/// The readings of each clock that are kept of an attempt.
pub const SEEN_READINGS_MAX: usize = 1_024;
/// The bytes of the values of state that are kept of what an attempt saw.
pub const SEEN_STATE_BYTES_MAX: usize = 1024 * 1024;
/// The bytes of the namespaces and keys of state that are kept of what an attempt
/// saw.
pub const SEEN_STATE_NAMES_BYTES_MAX: usize = 1024 * 1024;
/// The bytes of outbound HTTP that are kept of what an attempt saw: URLs, header
/// fields and bodies.
pub const SEEN_HTTP_BYTES_MAX: usize = 256 * 1024;
/// The same in a rehearsal, where nobody has to keep it: as much as an attempt with
/// some large answers sees.
pub const REHEARSED_HTTP_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How far a clock goes on at each look beyond what is known of it.
pub const REHEARSED_CLOCK_STEP: Duration = Duration::from_millis(1);
/// The capsules of failed attempts that a host keeps.
pub const CAPSULES_MAX: usize = 1_000;
/// The bytes of the capsules of failed attempts that a host keeps.
pub const CAPSULES_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// The capsules that wait to be written. While more fail at once, those of some
/// are not kept.
pub const CAPSULES_WAITING_MAX: usize = 32;
