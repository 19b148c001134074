//! Components that cost the compiler more than they may.

use std::borrow::Cow;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use e2e::guests;
use e2e::host::{Host, Site};
use serde_json::json;
use wasm_encoder::{
    BlockType, CodeSection, Component, Function, FunctionSection, Instruction, Module,
    ModuleSection, TypeSection, ValType,
};

/// The reason why a handler was refused.
fn refusal(host: &Host, handler: &str) -> Option<String> {
    let handler = host.handler(handler);
    handler["refused"]["reason"].as_str().map(str::to_owned)
}

#[test]
fn a_bomb_changes_nothing_and_is_shown_and_remembered() {
    let site = Site::with(&["scripted"]);
    let mut host = site.start();
    site.drop_in("scripted", &memory_bomb());
    let reason = host.wait_until("the bomb is refused", |host| refusal(host, "scripted"));
    assert!(reason.contains("too much for the compiler"), "{reason}");
    assert!(reason.contains("2048 MiB of memory"), "{reason}");

    host.script("after", json!({"do": "ack"}));
    host.wait_for_delivery("after", "scripted", "done");
    let shown = String::from_utf8(host.cli(&["handlers"]).stdout).unwrap();
    assert!(shown.contains("too much for the compiler"), "{shown}");
    drop(host);

    // The reason stands where the code would, so the next start compiles nothing.
    let entries = fs::read_dir(site.data().join("compiled")).unwrap();
    let refusals = entries.filter(|entry| {
        let path = entry.as_ref().unwrap().path();
        path.extension()
            .is_some_and(|extension| extension == "refused")
    });
    assert_eq!(refusals.count(), 1);
    let mut host = site.start();
    assert_eq!(refusal(&host, "scripted"), Some(reason));
    site.drop_in("scripted", &guests::component("scripted"));
    host.wait_until("a good build is let in", |host| {
        host.handler("scripted")["serving"]
            .is_object()
            .then_some(())
    });
}

#[test]
fn a_start_does_not_wait_for_a_bomb() {
    let site = Site::with(&["scripted"]);
    site.drop_in("bomb", &time_bomb());
    let mut host = site.start();
    assert_eq!(host.handler("bomb")["state"], "loading");
    host.script("first", json!({"do": "ack"}));
    host.wait_for_delivery("first", "scripted", "done");

    let compilers = children(host.pid());
    assert_eq!(compilers.len(), 1);
    host.kill();
    for compiler in compilers {
        wait_until_gone(compiler);
    }
}

/// The processes that a process started.
fn children(pid: u32) -> Vec<u32> {
    let mut children = Vec::new();
    for thread in fs::read_dir(format!("/proc/{pid}/task")).unwrap() {
        let path = thread.unwrap().path().join("children");
        let text = fs::read_to_string(path).unwrap();
        children.extend(
            text.split_whitespace()
                .map(|pid| pid.parse::<u32>().unwrap()),
        );
    }
    children
}

/// Waits until a process has ended, whether or not its parent took note.
fn wait_until_gone(pid: u32) {
    let end = Instant::now() + Duration::from_secs(10);
    while fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z ")) {
        assert!(Instant::now() < end, "{pid} goes on without its host");
        thread::yield_now();
    }
}

/// Needs far more memory than a compilation may have, at once.
fn memory_bomb() -> Vec<u8> {
    let mut body = Function::new([]);
    let targets: Vec<u32> = (0..20_000).collect();
    for _ in &targets {
        body.instruction(&Instruction::Block(BlockType::Empty));
    }
    for _ in 0..100 {
        body.instruction(&Instruction::Block(BlockType::Empty))
            .instruction(&Instruction::LocalGet(0))
            .instruction(&Instruction::BrTable(Cow::from(&targets), 0))
            .instruction(&Instruction::End);
    }
    for _ in 0..=targets.len() {
        body.instruction(&Instruction::End);
    }
    component(&body)
}

/// Needs far more processor time than a compilation may have, in one thread.
fn time_bomb() -> Vec<u8> {
    const DEPTH: usize = 1_000_000;
    let mut body = Function::new([]);
    for _ in 0..DEPTH {
        body.instruction(&Instruction::Block(BlockType::Empty));
    }
    for _ in 0..=DEPTH {
        body.instruction(&Instruction::End);
    }
    component(&body)
}

fn component(body: &Function) -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([ValType::I32], []);
    let mut functions = FunctionSection::new();
    functions.function(0);
    let mut code = CodeSection::new();
    code.function(body);
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&code);
    let mut component = Component::new();
    component.section(&ModuleSection(&module));
    component.finish()
}
