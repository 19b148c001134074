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
        Trap::NullReference | Trap::CastFailure => {
            "it used a reference that leads to nothing, or to something of another kind"
        }
        Trap::ArrayOutOfBounds => "it read or wrote beyond the end of an array",
        Trap::AllocationTooLarge => "it asked for more memory at once than there can be",
        Trap::UncaughtException | Trap::UnhandledTag => {
            "it threw an exception that it does not catch"
        }
        Trap::Interrupt | Trap::OutOfFuel => "it ran for too long",
        Trap::AsyncDeadlock | Trap::AtomicWaitNonSharedMemory => {
            "it waits for something that cannot happen any more"
        }
        Trap::InvalidChar
        | Trap::InvalidDiscriminant
        | Trap::UnalignedPointer
        | Trap::StringOutOfBounds
        | Trap::ListOutOfBounds => "it gave the host a value that is none of the expected type",
        // What only the code between an author's functions and the host can break.
        _ => {
            "its code and the host do not agree on how they call each other; build it again with \
             the newest SDK"
        }
    };
    words.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_author_reads_no_jargon() {
        let traps: Vec<Trap> = (0..=u8::MAX).filter_map(Trap::from_u8).collect();
        assert!(traps.len() > 20);
        for trap in traps {
            let words = in_words(trap);
            for jargon in ["wasm", "trap", "invalid", "instance", "task", "lift"] {
                assert!(!words.contains(jargon), "{trap:?}: {words}");
            }
        }
    }
}
