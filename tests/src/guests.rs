//! The components that the tests drop into handlers folders.

use std::path::{Path, PathBuf};

/// A sound component that exports nothing, so no handler.
pub const EMPTY_COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

/// The folder that holds the build output of this profile: the parent of `deps`,
/// where tests lie, and of the binaries.
pub fn profile() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let folder = own.parent().unwrap();
    if folder.ends_with("deps") {
        folder.parent().unwrap().to_owned()
    } else {
        folder.to_owned()
    }
}

/// The folder that holds the components.
pub fn folder() -> PathBuf {
    profile().parent().unwrap().join("guests")
}

/// A folder below the build output, for runs that write a lot.
pub fn scratch() -> PathBuf {
    profile().parent().unwrap().join("tmp")
}

/// The bytes of a component that `make guests` built.
pub fn component(name: &str) -> Vec<u8> {
    let path = folder().join(format!("{name}.wasm"));
    std::fs::read(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; run `make guests` first", path.display()))
}

/// The `scripted` fixture with a generation of its own: the text in its two
/// marks is overwritten.
pub fn scripted(generation: &str) -> Vec<u8> {
    const PREFIX: &[u8] = b"generation:";
    const ROOM: usize = 32 - PREFIX.len();
    assert!(generation.len() <= ROOM, "`{generation}` is too long");
    let text = format!("{generation:-<ROOM$}");
    let mut bytes = component("scripted");
    for mark in [&b"generation:a-"[..], b"generation:b-"] {
        let at = bytes
            .windows(mark.len())
            .position(|window| window == mark)
            .expect("the mark of the scripted fixture");
        bytes[at + PREFIX.len()..][..ROOM].copy_from_slice(text.as_bytes());
    }
    bytes
}

/// The `wants` fixture, asking for this: kinds and values, separated by `|`.
pub fn wants(asks: &str) -> Vec<u8> {
    marked("wants", "wants:", 256, asks)
}

/// The `surrounded` fixture, calling this host.
pub fn surrounded(host: &str) -> Vec<u8> {
    marked("surrounded", "host:", 64, host)
}

/// A fixture with a text in the place of the dashes after its mark.
fn marked(name: &str, mark: &str, length: usize, text: &str) -> Vec<u8> {
    let room = length - mark.len();
    assert!(text.len() <= room, "`{text}` is too long");
    let mut bytes = component(name);
    let wanted = format!("{mark}--").into_bytes();
    let at = bytes
        .windows(wanted.len())
        .position(|window| window == wanted)
        .expect("the mark of the fixture");
    let text = format!("{text:-<room$}");
    bytes[at + mark.len()..][..room].copy_from_slice(text.as_bytes());
    bytes
}

/// The `calling` fixture, asking to call a server of this machine.
pub fn calling(authority: &str) -> Vec<u8> {
    const MARK: &[u8] = b"127.0.0.1:00000";
    assert_eq!(authority.len(), MARK.len(), "`{authority}`");
    let mut bytes = component("calling");
    let at = bytes
        .windows(MARK.len())
        .position(|window| window == MARK)
        .expect("the mark of the calling fixture");
    bytes[at..][..MARK.len()].copy_from_slice(authority.as_bytes());
    bytes
}

/// Writes a component beside its place and renames it, so that no reader sees
/// half of it.
pub fn drop_in(folder: &Path, name: &str, bytes: &[u8]) {
    let partial = folder.join(format!(".{name}.partial"));
    std::fs::write(&partial, bytes).unwrap();
    std::fs::rename(partial, folder.join(format!("{name}.wasm"))).unwrap();
}
