//! Guests that answer with more than the host takes.
//!
//! The memory that a guest grows by is zero, and so a list in it has as many empty
//! strings, empty pairs or empty drafts as its length claims.

use waystation_core::{Code, Failure, Outcome, limits};

use crate::guest::{Guest, PAGES, RESULT};
use crate::trial::{MEMORY_PAGES, Trial, check};

/// Offsets in the result of `handle`, by the canonical ABI: the cases of the
/// result and of the failure, then a pointer and a length.
const FAILED: u32 = RESULT;
const CASE: u32 = RESULT + 8;
const LIST: u32 = RESULT + 8;
const REASON: u32 = RESULT + 16;

/// Where the memory begins that nothing was written to.
const ZEROS: u32 = PAGES * 64 * 1024;

/// Where the only draft lies, and the offsets in it.
const DRAFT: u32 = 2048;
const EXTENSIONS: u32 = DRAFT + 44;
const HAS_DATA: u32 = DRAFT + 52;
const DATA: u32 = DRAFT + 56;

/// Writes numbers of 32 bits.
fn store(words: &[(u32, u32)]) -> String {
    words
        .iter()
        .map(|(place, word)| format!("(i32.store (i32.const {place}) (i32.const {word}))"))
        .collect()
}

/// A guest that has all its memory and returns a result with these words in it.
fn answering(words: &[(u32, u32)]) -> Guest {
    let grown = MEMORY_PAGES - PAGES;
    let words = store(words);
    Guest::handle(format!(
        "(drop (memory.grow (i32.const {grown}))) {words} (i32.const {RESULT})"
    ))
}

/// The words of a result with one draft, and of the draft.
fn one_draft(draft: &[(u32, u32)]) -> Vec<(u32, u32)> {
    let list = [(LIST, DRAFT), (LIST + 4, 1)];
    list.iter().chain(draft).copied().collect()
}

#[tokio::test]
async fn a_reason_of_4_gib() {
    for case in [0, 1] {
        let words = [
            (FAILED, 1),
            (CASE, case),
            (REASON, 1),
            (REASON + 4, u32::MAX),
        ];
        let reason = check(answering(&words), Code::Trap).await;
        assert!(reason.contains("out of bounds"), "{reason}");
    }
}

/// Of a reason that the guest does have, only the beginning is kept.
#[tokio::test]
async fn a_reason_of_8_mib() {
    let words = [(FAILED, 1), (REASON, ZEROS), (REASON + 4, 8 << 20)];
    let reason = check(answering(&words), Code::Retry).await;
    assert!(reason.len() <= limits::REASON_BYTES_MAX + '…'.len_utf8());
}

#[tokio::test]
async fn a_list_of_millions_of_drafts_that_are_not_there() {
    let words = [(LIST, ZEROS), (LIST + 4, 100_000_000)];
    let reason = check(answering(&words), Code::Trap).await;
    assert!(reason.contains("out of bounds"), "{reason}");
}

#[tokio::test]
async fn a_list_of_hundreds_of_thousands_of_drafts() {
    let words = [(LIST, ZEROS), (LIST + 4, 500_000)];
    let reason = check(answering(&words), Code::Trap).await;
    assert!(reason.contains("fuel"), "{reason}");
}

#[tokio::test]
async fn a_draft_with_a_million_extensions() {
    let words = one_draft(&[(EXTENSIONS, ZEROS), (EXTENSIONS + 4, 1_000_000)]);
    let reason = check(answering(&words), Code::Trap).await;
    assert!(reason.contains("fuel"), "{reason}");
}

/// What fits through the boundary is still counted.
#[tokio::test]
async fn one_draft_too_many() {
    let drafts = limits::DRAFTS_MAX + 1;
    let words = [(LIST, ZEROS), (LIST + 4, drafts as u32)];
    let trial = Trial::new().await;
    let hostile = trial.generation(&answering(&words)).await;
    let reason = format!(
        "{drafts} drafts from one attempt; at most {}",
        limits::DRAFTS_MAX
    );
    assert_eq!(
        trial.attempt(&hostile).await.outcome,
        Outcome::Reject(Failure::new(Code::Draft, reason))
    );
}

/// The sandbox passes it on, for its size is known only with what the host adds
/// to it. What fits through the boundary bounds it.
#[tokio::test]
async fn a_draft_larger_than_an_event() {
    let bytes = limits::EVENT_BYTES_MAX + 1;
    let draft = one_draft(&[(HAS_DATA, 1), (DATA, ZEROS), (DATA + 4, bytes as u32)]);
    let trial = Trial::new().await;
    let ended = trial
        .attempt(&trial.generation(&answering(&draft)).await)
        .await;
    assert_eq!(ended.outcome, Outcome::Ack);
    let sizes: Vec<_> = ended
        .drafts
        .iter()
        .map(|draft| draft.data.as_ref().map(bytes::Bytes::len))
        .collect();
    assert_eq!(sizes, [Some(bytes)]);

    let bytes = limits::HOSTCALL_BYTES_MAX + 1;
    let draft = one_draft(&[(HAS_DATA, 1), (DATA, ZEROS), (DATA + 4, bytes as u32)]);
    let reason = check(answering(&draft), Code::Trap).await;
    assert!(reason.contains("fuel"), "{reason}");
}
