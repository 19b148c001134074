//! What was ever let in: the memory of the operator's consent.
//!
//! It is kept in one file of the data folder, `approvals.json`, that is replaced
//! as a whole and is on the disk before what it allows takes effect.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use waystation_core::{Ask, AskKind, HandlerName, limits};

/// What each handler was ever let in with. A handler that was never let in is
/// not there.
#[derive(Debug)]
pub(crate) struct Approvals {
    path: PathBuf,
    known: Mutex<Known>,
}

type Known = BTreeMap<HandlerName, BTreeSet<Ask>>;

/// The file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    handlers: Known,
}

/// The version of the file's format.
const VERSION: u32 = 1;

/// Why approvals cannot be read or kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApprovalsError {
    /// The file cannot be read.
    #[error("cannot read the approvals `{}`: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file is not what was written.
    #[error(
        "the approvals `{}` are damaged: {why}; put a copy back, or remove the file to be asked \
         about every handler anew", path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The file cannot be replaced.
    #[error("cannot store the approvals in `{}`: {source}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// There would be more than may be kept.
    #[error(
        "the approvals `{}` would have more than {max} bytes; stop the host and remove from it \
         the handlers that are gone", .0.display(), max = limits::APPROVALS_BYTES_MAX
    )]
    Full(PathBuf),
}

impl Approvals {
    /// Reads the file. One that is not there is empty. Blocks.
    pub fn open(path: &Path) -> Result<Self, ApprovalsError> {
        let known = match read(path) {
            Ok(bytes) => parse(&bytes).map_err(|why| ApprovalsError::Damaged {
                path: path.to_owned(),
                why,
            })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Known::new(),
            Err(source) => {
                let path = path.to_owned();
                return Err(ApprovalsError::Unreadable { path, source });
            }
        };
        Ok(Self {
            path: path.to_owned(),
            known: Mutex::new(known),
        })
    }

    /// Lets a generation in if all that it asks for is approved already or
    /// `granted` now; from then on all of it is approved. Gives what is neither,
    /// and then changes nothing. Blocks.
    ///
    /// A handler that is seen for the first time has the types that it publishes
    /// approved: to put it into the folder is the operator's consent. That goes
    /// for nothing else.
    pub fn let_in(
        &self,
        handler: &HandlerName,
        asks: &BTreeSet<Ask>,
        granted: impl Fn(&Ask) -> bool,
    ) -> Result<BTreeSet<Ask>, ApprovalsError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let approved = known.get(handler);
        let is_approved = |ask: &Ask| match approved {
            Some(approved) => approved.iter().any(|approved| approved.covers(ask)),
            None => ask.kind() == AskKind::Publish,
        };
        let open = asks.iter().filter(|ask| !is_approved(ask) && !granted(ask));
        let open: BTreeSet<Ask> = open.cloned().collect();
        if !open.is_empty() {
            return Ok(open);
        }
        let mut now_approved = approved.cloned().unwrap_or_default();
        now_approved.extend(asks.iter().cloned());
        if approved != Some(&now_approved) {
            let mut next = known.clone();
            next.insert(handler.clone(), now_approved);
            self.store(&next)?;
            *known = next;
        }
        Ok(open)
    }

    fn store(&self, known: &Known) -> Result<(), ApprovalsError> {
        let unwritable = |source| ApprovalsError::Unwritable {
            path: self.path.clone(),
            source,
        };
        let document = Document {
            version: VERSION,
            handlers: known.clone(),
        };
        let bytes =
            serde_json::to_vec_pretty(&document).map_err(|error| unwritable(error.into()))?;
        if bytes.len() as u64 > limits::APPROVALS_BYTES_MAX {
            return Err(ApprovalsError::Full(self.path.clone()));
        }
        replace(&self.path, &bytes).map_err(unwritable)
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // One byte more tells what is too large.
    let file = File::open(path)?;
    file.take(limits::APPROVALS_BYTES_MAX + 1)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn parse(bytes: &[u8]) -> Result<Known, String> {
    if bytes.len() as u64 > limits::APPROVALS_BYTES_MAX {
        let max = limits::APPROVALS_BYTES_MAX;
        return Err(format!("there are more than {max} bytes"));
    }
    let document: Document = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if document.version != VERSION {
        let version = document.version;
        return Err(format!(
            "this version of Waystation reads format {VERSION}, and this is format {version}"
        ));
    }
    Ok(document.handlers)
}

/// Puts bytes in the place of a file, for the owner alone, so that after a loss
/// of power there are either the old ones or the new ones.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = path.with_extension("json.new");
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asks(texts: &[&str]) -> BTreeSet<Ask> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    struct Bench {
        folder: tempfile::TempDir,
        approvals: Approvals,
    }

    impl Bench {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let approvals = Approvals::open(&folder.path().join("approvals.json")).unwrap();
            Self { folder, approvals }
        }

        fn path(&self) -> PathBuf {
            self.folder.path().join("approvals.json")
        }

        fn reopen(&mut self) {
            self.approvals = Approvals::open(&self.path()).unwrap();
        }

        /// What keeps a generation that asks for this from being let in, when
        /// this is granted.
        fn open(&self, wanted: &[&str], granted: &[&str]) -> BTreeSet<Ask> {
            let granted = asks(granted);
            let handler = HandlerName::new("mail").unwrap();
            let granted = |ask: &Ask| granted.contains(ask);
            let open = self.approvals.let_in(&handler, &asks(wanted), granted);
            open.unwrap()
        }
    }

    #[test]
    fn only_what_a_handler_publishes_is_trusted_at_first_sight() {
        let wanted = ["http a", "state s", "config c", "secret t", "publish a.*"];
        let beyond = asks(&["http a", "state s", "config c", "secret t"]);
        let bench = Bench::new();
        assert_eq!(bench.open(&wanted, &[]), beyond);
        assert!(!bench.path().exists(), "nothing was let in");
        assert_eq!(bench.open(&["publish a.*"], &[]), asks(&[]));
    }

    #[test]
    fn a_handler_that_is_known_is_not_trusted_again() {
        let mut bench = Bench::new();
        // It asks for nothing, and is known all the same.
        assert_eq!(bench.open(&[], &[]), asks(&[]));
        bench.reopen();
        assert_eq!(bench.open(&["publish a"], &[]), asks(&["publish a"]));
    }

    #[test]
    fn what_was_let_in_once_stays_approved_over_a_restart() {
        let mut bench = Bench::new();
        let wanted = ["http a", "publish a.*"];
        assert_eq!(bench.open(&wanted, &["http a:443"]), asks(&[]));
        bench.reopen();
        // Without the grant of then, and for what the old approval covers.
        assert_eq!(bench.open(&["http a", "publish a.b"], &[]), asks(&[]));
        assert_eq!(bench.open(&["http a:80"], &[]), asks(&["http a:80"]));
        assert_eq!(bench.open(&["publish b"], &[]), asks(&["publish b"]));
    }

    #[test]
    fn what_is_kept_out_leaves_no_trace() {
        let bench = Bench::new();
        bench.open(&["publish a"], &[]);
        let before = fs::read(bench.path()).unwrap();
        bench.open(&["publish a", "http a", "http b"], &["http a:443"]);
        assert_eq!(fs::read(bench.path()).unwrap(), before);
        assert_eq!(bench.open(&["http a"], &[]), asks(&["http a"]));
    }

    #[cfg(unix)]
    #[test]
    fn the_file_is_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let bench = Bench::new();
        // What a crash left behind is in nobody's way.
        let left = bench.folder.path().join("approvals.json.new");
        fs::write(&left, "half").unwrap();
        bench.open(&["publish a"], &[]);
        let mode = fs::metadata(bench.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(!left.exists());
    }

    #[test]
    fn what_cannot_be_stored_is_not_approved() {
        let bench = Bench::new();
        fs::create_dir(bench.path()).unwrap();
        let handler = HandlerName::new("mail").unwrap();
        let let_in = || {
            bench
                .approvals
                .let_in(&handler, &asks(&["http a"]), |_| true)
        };
        let error = let_in().unwrap_err();
        assert!(
            matches!(error, ApprovalsError::Unwritable { .. }),
            "{error}"
        );
        fs::remove_dir(bench.path()).unwrap();
        assert_eq!(bench.open(&["http a"], &[]), asks(&["http a"]));
    }

    #[test]
    fn a_damaged_file_is_an_error_and_stays_as_it_is() {
        let check = |text: &str, why: &str| {
            let bench = Bench::new();
            fs::write(bench.path(), text).unwrap();
            let error = Approvals::open(&bench.path()).unwrap_err().to_string();
            assert!(error.contains("approvals.json` are damaged: "), "{error}");
            assert!(error.contains(why), "{error}");
            assert_eq!(fs::read_to_string(bench.path()).unwrap(), text);
        };
        check("", "EOF");
        check("{\"version\":1,\"handlers\":{\"mail\":[\"ht", "EOF");
        check("{\"version\":1}", "missing field `handlers`");
        check("{\"version\":2,\"handlers\":{}}", "format 2");
        check(
            "{\"version\":1,\"handlers\":{\"mail\":[\"root all\"]}}",
            "root all",
        );
        check("{\"version\":1,\"handlers\":{\"a/b\":[]}}", "a/b");
    }
}
