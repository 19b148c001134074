//! What the host and the process that compiles say to each other: a request on
//! standard input, an answer as exit code and standard output.

use std::io::{self, Read, Write};

use waystation_core::limits;

use super::Budget;

/// What goes before the component: the budget and the component's length, each as
/// eight bytes, little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub processor_seconds: u64,
    pub memory_bytes: u64,
    pub code_bytes: u64,
    pub component_bytes: u64,
}

impl Header {
    pub fn new(budget: &Budget, component: &[u8]) -> Self {
        Self {
            processor_seconds: budget.processor_seconds,
            memory_bytes: budget.memory_bytes,
            code_bytes: budget.code_bytes,
            component_bytes: component.len() as u64,
        }
    }

    pub fn write(&self, to: &mut impl Write) -> io::Result<()> {
        for number in [
            self.processor_seconds,
            self.memory_bytes,
            self.code_bytes,
            self.component_bytes,
        ] {
            to.write_all(&number.to_le_bytes())?;
        }
        Ok(())
    }

    pub fn read(from: &mut impl Read) -> io::Result<Self> {
        let mut number = || {
            let mut bytes = [0; 8];
            from.read_exact(&mut bytes)?;
            Ok::<_, io::Error>(u64::from_le_bytes(bytes))
        };
        Ok(Self {
            processor_seconds: number()?,
            memory_bytes: number()?,
            code_bytes: number()?,
            component_bytes: number()?,
        })
    }

    /// Reads the component that follows, whole.
    pub fn read_component(&self, from: &mut impl Read) -> io::Result<Vec<u8>> {
        if self.component_bytes > limits::COMPONENT_BYTES_MAX {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let mut bytes = Vec::new();
        from.take(self.component_bytes).read_to_end(&mut bytes)?;
        if (bytes.len() as u64) < self.component_bytes {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(bytes)
    }
}

/// What the process found, as its exit code. Standard output has the compiled code,
/// or what is wrong with the component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Answer {
    Code = 0,
    /// A core module that cannot become a component.
    Module = 10,
    /// It does not compile.
    Invalid = 11,
    /// The compiler noticed that there is not enough memory.
    Memory = 12,
}

/// The exit code of a process that could not do its work.
pub const FAILED: u8 = 20;

impl Answer {
    pub fn of_exit_code(code: i32) -> Option<Self> {
        [Self::Code, Self::Module, Self::Invalid, Self::Memory]
            .into_iter()
            .find(|answer| *answer as i32 == code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(component: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let header = Header::new(&Budget::default(), component);
        header.write(&mut bytes).unwrap();
        bytes.extend(component);
        bytes
    }

    #[test]
    fn a_request_is_read_as_it_was_written() {
        let bytes = request(b"component");
        let mut input = &bytes[..];
        let header = Header::read(&mut input).unwrap();
        assert_eq!(header, Header::new(&Budget::default(), b"component"));
        assert_eq!(header.read_component(&mut input).unwrap(), b"component");
    }

    #[test]
    fn a_request_that_was_cut_off_is_none() {
        let bytes = request(b"component");
        for length in 0..bytes.len() {
            let mut input = &bytes[..length];
            let read = Header::read(&mut input).and_then(|it| it.read_component(&mut input));
            assert!(read.is_err(), "{length}");
        }
    }
}
