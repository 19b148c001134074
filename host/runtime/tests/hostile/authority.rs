//! Guests that reach for what they were not given.

use waystation_core::Code;

use crate::guest::{ANSWER, Guest, RESULT};
use crate::trial::{check, check_handled};
use crate::wasi::{with_function, with_network};

#[tokio::test]
async fn an_exit_ends_the_attempt_alone() {
    for status in [0, 1] {
        let guest = Guest::handle(format!(
            "(call $exit (i32.const {status})) (i32.const {RESULT})"
        ));
        let guest = with_function(
            guest,
            "cli/exit",
            "exit",
            r#"(param "status" (result))"#,
            "(param i32)",
        );
        let reason = check(guest, Code::Trap).await;
        let expected = format!("the handler ended itself with status {status}");
        assert!(reason.starts_with(&expected), "{reason}");
    }
}

/// A guest that acknowledges the event if the list that it asks for is empty.
fn wants_nothing_of(interface: &str, name: &str, list: &str) -> Guest {
    let length = ANSWER + 4;
    let guest = Guest::handle(format!(
        "(i32.store (i32.const {length}) (i32.const 1))
        (call ${name} (i32.const {ANSWER}))
        (if (i32.load (i32.const {length})) (then unreachable))
        (i32.const {RESULT})"
    ));
    with_function(
        guest,
        interface,
        name,
        &format!("(result (list {list}))"),
        "(param i32)",
    )
}

#[tokio::test]
async fn there_is_no_environment() {
    check_handled(wants_nothing_of(
        "cli/environment",
        "get-environment",
        "(tuple string string)",
    ))
    .await;
}

#[tokio::test]
async fn there_are_no_arguments() {
    check_handled(wants_nothing_of(
        "cli/environment",
        "get-arguments",
        "string",
    ))
    .await;
}

#[tokio::test]
async fn there_is_no_folder() {
    let length = ANSWER + 4;
    let guest = Guest::handle(format!(
        "(i32.store (i32.const {length}) (i32.const 1))
        (call $folders (i32.const {ANSWER}))
        (if (i32.load (i32.const {length})) (then unreachable))
        (i32.const {RESULT})"
    ))
    .outside(
        r#"(import "wasi:filesystem/types@0.2.0" (instance $files
                (export "descriptor" (type (sub resource)))))
            (alias export $files "descriptor" (type $folder))
            (import "wasi:filesystem/preopens@0.2.0" (instance $preopens
                (export "descriptor" (type $own-folder (eq $folder)))
                (export "get-directories" (func
                    (result (list (tuple (own $own-folder) string)))))))"#,
    )
    .lower("folders", r#"$preopens "get-directories""#, "(param i32)");
    check_handled(guest).await;
}

/// `access-denied` in `wasi:sockets/network`.
const ACCESS_DENIED: u32 = 1;

/// `permanent-resolver-failure` in `wasi:sockets/network`.
const RESOLVER_FAILURE: u32 = 20;

/// Text that traps unless the answer is this error.
fn refused(error: u32) -> String {
    let code = ANSWER + 4;
    format!(
        "(if (i32.ne (i32.load8_u (i32.const {ANSWER})) (i32.const 1)) (then unreachable))
        (if (i32.ne (i32.load8_u (i32.const {code})) (i32.const {error}))
            (then unreachable))"
    )
}

#[tokio::test]
async fn there_are_no_sockets() {
    for protocol in ["tcp", "udp"] {
        let refused = refused(ACCESS_DENIED);
        let guest = with_network(Guest::handle(format!(
            "(call $create (i32.const 0) (i32.const {ANSWER})) {refused} (i32.const {RESULT})"
        )))
        .outside(&format!(
            r#"(import "wasi:sockets/{protocol}@0.2.0" (instance $sockets
                    (export "{protocol}-socket" (type (sub resource)))))
                (alias export $sockets "{protocol}-socket" (type $socket))
                (import "wasi:sockets/{protocol}-create-socket@0.2.0" (instance $creation
                    (export "{protocol}-socket" (type $own-socket (eq $socket)))
                    (export "error-code" (type $own-code (eq $code)))
                    (export "ip-address-family" (type $own-family (eq $family)))
                    (export "create-{protocol}-socket" (func
                        (param "address-family" $own-family)
                        (result (result (own $own-socket) (error $own-code)))))))"#
        ))
        .lower(
            "create",
            &format!(r#"$creation "create-{protocol}-socket""#),
            "(param i32 i32)",
        );
        check_handled(guest).await;
    }
}

#[tokio::test]
async fn no_name_is_resolved() {
    let refused = refused(RESOLVER_FAILURE);
    let guest = with_network(Guest::handle(format!(
        "(call $resolve (call $network) (i32.const 2048) (i32.const 9) (i32.const {ANSWER}))
        {refused} (i32.const {RESULT})"
    )))
    .fields(r#"(data (memory 0) (i32.const 2048) "localhost")"#)
    .outside(
        r#"(import "wasi:sockets/instance-network@0.2.0" (instance $instance-network
                (export "network" (type $own-network (eq $network)))
                (export "instance-network" (func (result (own $own-network))))))
            (import "wasi:sockets/ip-name-lookup@0.2.0" (instance $names
                (export "network" (type $own-network (eq $network)))
                (export "error-code" (type $own-code (eq $code)))
                (export "resolve-address-stream" (type $addresses (sub resource)))
                (export "resolve-addresses" (func
                    (param "network" (borrow $own-network)) (param "name" string)
                    (result (result (own $addresses) (error $own-code)))))))"#,
    )
    .lower(
        "network",
        r#"$instance-network "instance-network""#,
        "(result i32)",
    )
    .lower(
        "resolve",
        r#"$names "resolve-addresses""#,
        "(param i32 i32 i32 i32)",
    );
    check_handled(guest).await;
}
