//! What the guests here import of WASI, as the text of a component.

use crate::guest::Guest;

/// `wasi:io/poll` and `wasi:clocks/monotonic-clock`: `$subscribe` takes
/// nanoseconds and gives a pollable, `$block` waits for one, `$poll` for any of
/// a list.
pub fn with_clock(guest: Guest) -> Guest {
    guest
        .outside(
            r#"(import "wasi:io/poll@0.2.0" (instance $polls
                    (export "pollable" (type $pollable (sub resource)))
                    (export "[method]pollable.block"
                        (func (param "self" (borrow $pollable))))
                    (export "poll" (func
                        (param "in" (list (borrow $pollable))) (result (list u32))))))
                (alias export $polls "pollable" (type $pollable))
                (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
                    (export "pollable" (type $own (eq $pollable)))
                    (export "subscribe-duration" (func
                        (param "when" u64) (result (own $own))))))"#,
        )
        .lower(
            "subscribe",
            r#"$clock "subscribe-duration""#,
            "(param i64) (result i32)",
        )
        .lower("block", r#"$polls "[method]pollable.block""#, "(param i32)")
        .lower("poll", r#"$polls "poll""#, "(param i32 i32 i32)")
}

/// One of the two output streams of `wasi:cli`, `stdout` or `stderr`: `$stream`
/// gives it, `$write` takes it, bytes, and where the answer goes, `$write-zeroes`
/// the number of zeros instead.
pub fn with_output(guest: Guest, name: &str) -> Guest {
    guest
        .outside(
            r#"(import "wasi:io/error@0.2.0" (instance $errors
                    (export "error" (type (sub resource)))))
                (alias export $errors "error" (type $error))
                (import "wasi:io/streams@0.2.0" (instance $streams
                    (export "output-stream" (type $output (sub resource)))
                    (export "error" (type $error' (eq $error)))
                    (type $failed' (variant
                        (case "last-operation-failed" (own $error')) (case "closed")))
                    (export "stream-error" (type $failed (eq $failed')))
                    (export "[method]output-stream.blocking-write-and-flush" (func
                        (param "self" (borrow $output)) (param "contents" (list u8))
                        (result (result (error $failed)))))
                    (export "[method]output-stream.write-zeroes" (func
                        (param "self" (borrow $output)) (param "len" u64)
                        (result (result (error $failed)))))))
                (alias export $streams "output-stream" (type $output))"#,
        )
        .outside(&format!(
            r#"(import "wasi:cli/{name}@0.2.0" (instance $cli
                    (export "output-stream" (type $own-output (eq $output)))
                    (export "get-{name}" (func (result (own $own-output))))))"#
        ))
        .lower("stream", &format!(r#"$cli "get-{name}""#), "(result i32)")
        .lower(
            "write",
            r#"$streams "[method]output-stream.blocking-write-and-flush""#,
            "(param i32 i32 i32 i32)",
        )
        .lower(
            "write-zeroes",
            r#"$streams "[method]output-stream.write-zeroes""#,
            "(param i32 i64 i32)",
        )
}

/// `wasi:logging`: `$log` takes a level, a context and a message.
pub fn with_logging(guest: Guest) -> Guest {
    guest
        .outside(
            r#"(import "wasi:logging/logging@0.1.0-draft" (instance $logging
                    (type $level' (enum "trace" "debug" "info" "warn" "error" "critical"))
                    (export "level" (type $level (eq $level')))
                    (export "log" (func (param "level" $level)
                        (param "context" string) (param "message" string)))))"#,
        )
        .lower("log", r#"$logging "log""#, "(param i32 i32 i32 i32 i32)")
}

/// A function without resources of an interface of WASI, as `$NAME`. Its type is
/// that of the component, its signature that of the core.
pub fn with_function(
    guest: Guest,
    interface: &str,
    name: &str,
    component_type: &str,
    signature: &str,
) -> Guest {
    guest
        .outside(&format!(
            r#"(import "wasi:{interface}@0.2.0" (instance ${name}
                    (export "{name}" (func {component_type}))))"#
        ))
        .lower(name, &format!(r#"${name} "{name}""#), signature)
}

/// The codes of `wasi:sockets/network` that a guest sees here, and the families
/// of addresses.
pub fn with_network(guest: Guest) -> Guest {
    guest.outside(
        r#"(import "wasi:sockets/network@0.2.0" (instance $networks
                (export "network" (type (sub resource)))
                (type $code (enum
                    "unknown" "access-denied" "not-supported" "invalid-argument"
                    "out-of-memory" "timeout" "concurrency-conflict" "not-in-progress"
                    "would-block" "invalid-state" "new-socket-limit"
                    "address-not-bindable" "address-in-use" "remote-unreachable"
                    "connection-refused" "connection-reset" "connection-aborted"
                    "datagram-too-large" "name-unresolvable"
                    "temporary-resolver-failure" "permanent-resolver-failure"))
                (export "error-code" (type (eq $code)))
                (type $family (enum "ipv4" "ipv6"))
                (export "ip-address-family" (type (eq $family)))))
            (alias export $networks "network" (type $network))
            (alias export $networks "error-code" (type $code))
            (alias export $networks "ip-address-family" (type $family))"#,
    )
}
