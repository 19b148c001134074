//! The loader of components: whatever the bytes are, they are loaded or refused
//! with a reason.
#![no_main]

use std::sync::LazyLock;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use tokio::runtime::{Builder, Runtime};
use waystation_core::HandlerName;
use waystation_runtime::{Component, Engine};

static HOST: LazyLock<(Runtime, Engine)> = LazyLock::new(|| {
    let runtime = Builder::new_current_thread().enable_all().build();
    let engine = Engine::new(None).expect("an engine");
    (runtime.expect("a runtime"), engine)
});

fuzz_target!(|bytes: &[u8]| {
    let (runtime, engine) = &*HOST;
    let name = HandlerName::new("fuzzed").expect("a name");
    let load = Component::load(engine, &name, Bytes::copy_from_slice(bytes));
    if let Err(refused) = runtime.block_on(load) {
        assert!(!refused.to_string().is_empty());
        assert!(!refused.may_pass(), "the host failed: {refused}");
    }
});
