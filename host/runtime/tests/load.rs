//! What is refused, and with which reason.

#![allow(clippy::unwrap_used, clippy::panic, reason = "this is a test")]

use bytes::Bytes;
use waystation_core::HandlerName;
use waystation_runtime::{Component, Engine, LoadError};

async fn refusal(bytes: impl Into<Bytes>) -> LoadError {
    let engine = Engine::new(None).unwrap();
    let name = HandlerName::new("test").unwrap();
    match Component::load(&engine, &name, bytes.into()).await {
        Ok(_) => panic!("it was loaded"),
        Err(error) => error,
    }
}

fn wat(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

#[tokio::test]
async fn what_is_no_webassembly() {
    assert_eq!(refusal("").await, LoadError::NotWebAssembly);
    assert_eq!(refusal("(component)").await, LoadError::NotWebAssembly);
    assert_eq!(refusal(&b"\0asm"[..]).await, LoadError::NotWebAssembly);
}

#[tokio::test]
async fn compiled_native_code() {
    assert_eq!(
        refusal(&b"\x7fELF\x02\x01\x01\0"[..]).await,
        LoadError::Precompiled
    );
}

#[tokio::test]
async fn a_damaged_component() {
    let mut bytes = wat("(component (core module (func)))");
    bytes.truncate(bytes.len() - 3);
    assert_eq!(refusal(bytes).await, LoadError::Damaged);
    let mut bytes = wat("(module (func (export \"f\")))");
    bytes.truncate(bytes.len() - 3);
    assert_eq!(refusal(bytes).await, LoadError::Damaged);
}

#[tokio::test]
async fn a_component_without_the_export() {
    assert_eq!(refusal(wat("(component)")).await, LoadError::NoHandler);
}

#[tokio::test]
async fn an_import_that_is_not_offered_is_named() {
    let error = refusal(wat(
        r#"(component (import "acme:ledger/accounts" (instance)))"#,
    ))
    .await;
    assert_eq!(
        error,
        LoadError::Imports(vec!["acme:ledger/accounts".into()])
    );
    assert_eq!(
        error.to_string(),
        "it imports `acme:ledger/accounts`, which this host does not offer"
    );
}

#[tokio::test]
async fn an_import_of_another_shape_than_offered() {
    let error = refusal(wat(r#"(component
            (import "wasi:cli/environment@0.2.0"
                (instance (export "get-environment" (func (param "x" u32))))))"#))
    .await;
    let LoadError::Mismatch(reason) = error else {
        panic!("{error}")
    };
    assert!(reason.contains("wasi:cli/environment"), "{reason}");
}

#[tokio::test]
async fn a_core_module_with_imports_that_nobody_describes() {
    let error = refusal(wat(r#"(module (import "env" "f" (func)))"#)).await;
    assert!(matches!(error, LoadError::Module(_)), "{error}");
}
