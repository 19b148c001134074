//! Traps, in the words of who wrote the handler.

use wasmtime::Trap;

/// What the handler did that ended it.
pub(crate) fn in_words(trap: Trap) -> String {
    let words = match trap {
        Trap::UnreachableCodeReached => "it ended itself, as a panic or an abort does",
        Trap::StackOverflow => "its stack is full: do its functions call each other without end?",
        Trap::MemoryOutOfBounds | Trap::HeapMisaligned => {
            "it read or wrote outside of its own memory"
        }
        Trap::TableOutOfBounds | Trap::IndirectCallToNull | Trap::BadSignature => {
            "it called a function through a pointer that leads to none of that kind"
        }
        Trap::IntegerDivisionByZero => "it divided by zero",
        Trap::IntegerOverflow => "a number became too large for its type",
        Trap::BadConversionToInteger => "it converted a number that is no integer, or too large",
        other => return other.to_string(),
    };
    words.to_owned()
}
