//! Starts a process for each compilation, waits for it, and gives it up.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open};
use waystation_core::limits;

use super::message::{Answer, Header};
use super::{Budget, Excess};
use crate::LoadError;

/// A program that compiles, and what each of its runs may use.
#[derive(Clone, Debug)]
pub struct Compiler {
    program: PathBuf,
    arguments: Vec<OsString>,
    budget: Budget,
}

impl Compiler {
    /// A program that calls [`compile_process`](crate::compile_process) when it is
    /// given these arguments, and nothing else.
    pub fn new<A: Into<OsString>>(
        program: impl Into<PathBuf>,
        arguments: impl IntoIterator<Item = A>,
    ) -> Self {
        Self {
            program: program.into(),
            arguments: arguments.into_iter().map(Into::into).collect(),
            budget: Budget::default(),
        }
    }

    /// The same program with another budget.
    #[must_use]
    pub fn with_budget(mut self, budget: Budget) -> Self {
        self.budget = budget;
        self
    }

    /// What each run may use.
    pub(crate) fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Has a process compile these bytes. Blocks until it ended, and it has ended
    /// when this returns.
    pub(crate) fn compile(&self, bytes: &[u8]) -> Result<Vec<u8>, LoadError> {
        let mut files = Files::new(&self.budget, bytes)
            .map_err(|error| LoadError::Host(format!("no memory for the compiler: {error}")))?;
        let ended = self
            .start(&files)
            .and_then(|child| wait(child, self.budget.timeout))
            .map_err(|error| LoadError::Host(format!("cannot run the compiler: {error}")))?;
        match ended {
            Some(status) => self.judge(status, &mut files),
            None => Err(LoadError::TooMuch(Excess::Time)),
        }
    }

    /// The process gets no environment but its number of threads, and no file but
    /// these three: all others of the host are closed when a program starts.
    fn start(&self, files: &Files) -> io::Result<Child> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let threads = cores.min(limits::COMPILE_THREADS_MAX);
        Command::new(&self.program)
            .arg0("waystation")
            .args(&self.arguments)
            .env_clear()
            .env("RAYON_NUM_THREADS", threads.to_string())
            .current_dir("/")
            .stdin(files.request.try_clone()?)
            .stdout(files.output.try_clone()?)
            .stderr(files.last_words.try_clone()?)
            .spawn()
    }

    fn judge(&self, status: ExitStatus, files: &mut Files) -> Result<Vec<u8>, LoadError> {
        let answer = status.code().and_then(Answer::of_exit_code);
        match answer {
            Some(Answer::Code) => files.code(self.budget.code_bytes),
            Some(Answer::Module) => Err(LoadError::Module(text(&mut files.output))),
            Some(Answer::Invalid) => Err(LoadError::Compile(text(&mut files.output))),
            Some(Answer::Memory) => Err(LoadError::TooMuch(Excess::Memory)),
            None => Err(broken(status, &text(&mut files.last_words))),
        }
    }
}

/// What the process reads and writes, in memory: so nobody has to keep pipes going,
/// and a process that is given up leaves nothing behind.
struct Files {
    request: File,
    output: File,
    last_words: File,
}

impl Files {
    fn new(budget: &Budget, bytes: &[u8]) -> io::Result<Self> {
        let mut request = in_memory("component")?;
        Header::new(budget, bytes).write(&mut request)?;
        request.write_all(bytes)?;
        request.rewind()?;
        Ok(Self {
            request,
            output: in_memory("compiled")?,
            last_words: in_memory("last-words")?,
        })
    }

    fn code(&mut self, bytes_max: u64) -> Result<Vec<u8>, LoadError> {
        let mut code = Vec::new();
        let read = self.output.rewind().and_then(|()| {
            let mut output = (&self.output).take(bytes_max.saturating_add(1));
            output.read_to_end(&mut code)
        });
        match read {
            Ok(bytes) if bytes as u64 > bytes_max => Err(LoadError::TooMuch(Excess::Code)),
            Ok(_) => Ok(code),
            Err(error) => Err(LoadError::Host(error.to_string())),
        }
    }
}

fn in_memory(name: &str) -> io::Result<File> {
    Ok(memfd_create(name, MemfdFlags::CLOEXEC)?.into())
}

/// The beginning of what a file says.
fn text(file: &mut File) -> String {
    let mut bytes = Vec::new();
    let read = file.rewind().and_then(|()| {
        file.take(limits::REASON_BYTES_MAX as u64)
            .read_to_end(&mut bytes)
    });
    match read {
        Ok(_) => String::from_utf8_lossy(&bytes).trim().to_owned(),
        Err(error) => error.to_string(),
    }
}

/// Why a process ended without an answer.
fn broken(status: ExitStatus, last_words: &str) -> LoadError {
    /// The exit code of a Rust program that panicked.
    const PANICKED: i32 = 101;
    /// What the standard library says before it aborts, and the compiler before it
    /// panics.
    const NO_MEMORY: [&str; 2] = ["memory allocation of ", "out-of-memory error"];

    let is_signal = |signal: Signal| status.signal() == Some(signal.as_raw());
    if is_signal(Signal::XCPU) {
        LoadError::TooMuch(Excess::ProcessorTime)
    } else if is_signal(Signal::XFSZ) {
        LoadError::TooMuch(Excess::Code)
    } else if NO_MEMORY.iter().any(|words| last_words.contains(words)) {
        LoadError::TooMuch(Excess::Memory)
    } else if is_signal(Signal::KILL) {
        LoadError::Host("the compiler was killed; perhaps the machine is short of memory".into())
    } else if status.signal().is_some() || status.code() == Some(PANICKED) {
        let last_words = if last_words.is_empty() {
            status.to_string()
        } else {
            last_words.to_owned()
        };
        LoadError::TooMuch(Excess::Crash(last_words))
    } else {
        LoadError::Host(format!("the compiler failed ({status}): {last_words}"))
    }
}

/// Waits for the end of a process, which after the timeout is made: then there is
/// no status.
fn wait(mut child: Child, timeout: Duration) -> io::Result<Option<ExitStatus>> {
    let ended = ends_within(&child, timeout);
    if !matches!(ended, Ok(true)) {
        child.kill()?;
    }
    let status = child.wait()?;
    Ok(ended?.then_some(status))
}

fn ends_within(child: &Child, timeout: Duration) -> io::Result<bool> {
    let pid = Pid::from_child(child);
    let process = pidfd_open(pid, PidfdFlags::empty())?;
    let end = Instant::now() + timeout;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).map_err(io::Error::other)?;
        match poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&left)) {
            Ok(ready) => return Ok(ready > 0),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE_BYTES: u64 = 1_000;

    /// A program that is given up as soon as there is time to look.
    fn compiler(program: &str, arguments: &[&str]) -> Compiler {
        let budget = Budget {
            code_bytes: CODE_BYTES,
            ..Budget::default()
        };
        Compiler::new(program, arguments).with_budget(budget)
    }

    fn script(text: &str) -> Result<Vec<u8>, LoadError> {
        compiler("/bin/sh", &["-c", text]).compile(b"component")
    }

    #[test]
    fn how_the_process_ends_says_what_is_wrong() {
        let check = |text: &str, expected: Result<&[u8], LoadError>| {
            assert_eq!(script(text), expected.map(<[u8]>::to_vec), "{text}");
        };
        let too_much = |excess| Err(LoadError::TooMuch(excess));
        check("printf code", Ok(b"code"));
        check(
            "printf reason; exit 10",
            Err(LoadError::Module("reason".into())),
        );
        check(
            "printf reason; exit 11",
            Err(LoadError::Compile("reason".into())),
        );
        check("exit 12", too_much(Excess::Memory));
        check("kill -s XCPU $$", too_much(Excess::ProcessorTime));
        check("kill -s XFSZ $$", too_much(Excess::Code));
        check("head -c 1001 /dev/zero", too_much(Excess::Code));
        check(
            "echo memory allocation of 5 bytes failed >&2; kill -s ABRT $$",
            too_much(Excess::Memory),
        );
        check(
            "echo index out of bounds >&2; exit 101",
            too_much(Excess::Crash("index out of bounds".into())),
        );
    }

    /// The machine may be at fault, so the component is not.
    #[test]
    fn what_the_component_did_not_cause_may_pass() {
        let check = |compiled: Result<Vec<u8>, LoadError>, reason: &str| {
            let error = compiled.unwrap_err();
            assert!(error.may_pass(), "{error}");
            assert!(error.to_string().contains(reason), "{error}");
        };
        check(script("kill -s KILL $$"), "was killed");
        check(script("echo sorry >&2; exit 20"), "sorry");
        check(
            compiler("/nowhere/at/all", &[]).compile(b""),
            "cannot run the compiler",
        );
    }

    #[test]
    fn a_process_that_does_not_end_is_given_up() {
        let mut compiler = compiler("/bin/sleep", &["1000000"]);
        compiler.budget.timeout = Duration::from_millis(20);
        let expected = Err(LoadError::TooMuch(Excess::Time));
        assert_eq!(compiler.compile(b"component"), expected);
    }

    #[test]
    fn the_process_knows_nothing_of_the_host() {
        let environment = compiler("/usr/bin/env", &[]).compile(b"").unwrap();
        let environment = String::from_utf8(environment).unwrap();
        assert_eq!(environment.lines().count(), 1, "{environment}");
        assert!(environment.starts_with("RAYON_NUM_THREADS="));

        let file = tempfile::NamedTempFile::new().unwrap();
        let files = compiler("/bin/ls", &["-l", "/proc/self/fd"]).compile(b"");
        let files = String::from_utf8(files.unwrap()).unwrap();
        assert!(files.contains("memfd:component"), "{files}");
        let path = file.path().to_str().unwrap();
        assert!(!files.contains(path), "{files}");
    }
}
