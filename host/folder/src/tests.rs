//! The folder as an operator uses it, on a real file system. The components are
//! texts and the loader takes whatever does not begin with `bad`. What follows
//! ` asks ` in a text is what it asks for.

mod quarantine;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tempfile::TempDir;
use tokio::sync::broadcast::Receiver;
use waystation_core::{
    Capability, Descriptor, Digest, Filter, HandlerName, Instances, ManualClock, Order, Settings,
    TypePattern, limits,
};

use crate::board::View;
use crate::{Consent, Folder, Handle, HandlerStatus, LoadError, Loader, Notice, Options, State};

/// Longer than any test runs.
const NEVER: Duration = Duration::from_secs(600);
const SOON: Duration = Duration::from_millis(30);
/// How long a test waits for what must happen.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Default)]
struct Fake {
    loads: Mutex<Vec<String>>,
    installed: Mutex<BTreeMap<HandlerName, (String, Settings)>>,
}

#[async_trait]
impl Loader for Fake {
    type Component = String;

    async fn load(
        &self,
        _: &HandlerName,
        digest: Digest,
        bytes: Bytes,
    ) -> Result<(String, Descriptor), LoadError> {
        assert_eq!(digest, Digest::of(&bytes));
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        self.loads.lock().unwrap().push(text.clone());
        assert!(!text.starts_with("panic"), "as asked");
        if text.starts_with("bad") {
            return Err(LoadError::new(format!("`{text}` is no component")));
        }
        let pattern = |text: &str| TypePattern::try_from(text.to_owned()).unwrap();
        let (capabilities, publishes) = asked(&text);
        let descriptor = Descriptor {
            description: text.clone(),
            subscriptions: vec![Filter {
                types: vec![pattern("in")],
                source: None,
                subject: None,
            }],
            publishes,
            capabilities,
            order: Order::None,
            instances: Instances::Fresh,
        };
        Ok((text, descriptor))
    }

    async fn install(
        &self,
        handler: &HandlerName,
        _: Digest,
        component: &String,
        settings: Settings,
    ) -> Result<(), LoadError> {
        if component.starts_with("uninstallable") {
            return Err(LoadError::new("it does not fit"));
        }
        let entry = (component.clone(), settings);
        self.installed
            .lock()
            .unwrap()
            .insert(handler.clone(), entry);
        Ok(())
    }

    async fn retire(&self, handler: &HandlerName) {
        self.installed.lock().unwrap().remove(handler);
    }
}

/// What a component asks for; and each publishes `out.*`.
fn asked(text: &str) -> (Vec<Capability>, Vec<TypePattern>) {
    let mut capabilities = Vec::new();
    let mut publishes = vec![TypePattern::Prefix("out.".to_owned())];
    let asks = text.split_once(" asks ").map_or("", |(_, asks)| asks);
    for ask in asks.split(", ").filter(|ask| !ask.is_empty()) {
        let (kind, value) = ask.split_once(' ').unwrap();
        let value = value.to_owned();
        match kind {
            "http" => capabilities.push(Capability::Http(value)),
            "state" => capabilities.push(Capability::State(value)),
            "config" => capabilities.push(Capability::Config(value)),
            "secret" => capabilities.push(Capability::Secret(value)),
            _ => publishes.push(TypePattern::try_from(value).unwrap()),
        }
    }
    (capabilities, publishes)
}

/// A folder that is watched.
struct Bench {
    /// What the folder is in.
    home: TempDir,
    /// The folder.
    path: PathBuf,
    loader: Arc<Fake>,
    handle: Handle,
    changes: Receiver<Notice>,
    fences: usize,
}

/// Only hints lead to a listing, and nothing is ever retired.
fn hints_only(path: PathBuf) -> Options {
    Options {
        approvals: path.with_file_name("approvals.json"),
        path,
        rescan: NEVER,
        settle: SOON,
        grace: NEVER,
        consent: Consent::Operator,
    }
}

impl Bench {
    /// A folder in which `prepare` puts the first files.
    async fn start(prepare: impl FnOnce(&Path)) -> Self {
        Self::start_with(|options| options, prepare).await
    }

    async fn start_with(
        options: impl FnOnce(Options) -> Options,
        prepare: impl FnOnce(&Path),
    ) -> Self {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("handlers");
        fs::create_dir(&path).unwrap();
        prepare(&path);
        Self::watch(home, options(hints_only(path))).await
    }

    async fn watch(home: TempDir, options: Options) -> Self {
        let path = options.path.clone();
        let loader = Arc::new(Fake::default());
        let clock = Arc::new(ManualClock::default());
        let handle = Folder::start(options, clock, Arc::clone(&loader))
            .await
            .unwrap();
        Self {
            home,
            path,
            loader,
            changes: handle.changes(),
            handle,
            fences: 0,
        }
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.path.join(file), text).unwrap();
    }

    fn remove(&self, file: &str) {
        fs::remove_file(self.path.join(file)).unwrap();
    }

    /// Waits for the next notice, which must be this one.
    async fn expect(&mut self, expected: String) {
        let notice = tokio::time::timeout(PATIENCE, self.changes.recv()).await;
        let shown = match notice
            .unwrap_or_else(|_| panic!("{expected} never came"))
            .unwrap()
        {
            Notice::Installed {
                handler, digest, ..
            } => format!("{handler} serves {digest}"),
            Notice::Refused { handler, refusal } => match refusal.digest {
                Some(digest) => format!("{handler} refused {digest}"),
                None => format!("{handler} refused"),
            },
            Notice::Quarantined {
                handler,
                quarantine,
            } => format!("{handler} quarantined {}", quarantine.digest),
            Notice::Mended { handler, digest } => format!("{handler} mended {digest}"),
            Notice::Retired { handler, digest } => format!("{handler} retired {digest}"),
        };
        assert_eq!(shown, expected);
    }

    /// Waits until whatever was done before is judged, and shows that it led to
    /// no notice: two new handlers, one after the other, come through.
    async fn nothing_happens(&mut self) {
        for _ in 0..2 {
            self.fences += 1;
            let name = format!("fence{}", self.fences);
            self.write(&format!("{name}.wasm"), "fence");
            self.expect(serves(&name, "fence")).await;
        }
    }

    /// Waits until the folder shows this of itself.
    async fn until(&self, condition: impl FnMut(&View) -> bool) {
        let mut view = self.handle.view.clone();
        let shown = tokio::time::timeout(PATIENCE, view.wait_for(condition));
        drop(shown.await.unwrap().unwrap());
    }

    /// The texts that were loaded, in order.
    fn loads(&self) -> Vec<String> {
        let loads = self.loader.loads.lock().unwrap();
        loads
            .iter()
            .filter(|text| *text != "fence")
            .cloned()
            .collect()
    }

    /// What serves as this handler.
    fn serving(&self, name: &str) -> Option<(String, Settings)> {
        let installed = self.loader.installed.lock().unwrap();
        installed.get(&HandlerName::new(name).unwrap()).cloned()
    }

    fn status(&self, name: &str) -> HandlerStatus {
        let mut handlers = self.handle.handlers().into_iter();
        handlers
            .find(|status| status.name.as_str() == name)
            .unwrap()
    }

    fn refusal(&self, name: &str) -> String {
        self.status(name).refused.unwrap().reason
    }
}

fn serves(name: &str, text: &str) -> String {
    format!("{name} serves {}", Digest::of(text.as_bytes()))
}

fn refused(name: &str, text: &str) -> String {
    format!("{name} refused {}", Digest::of(text.as_bytes()))
}

fn mended(name: &str, text: &str) -> String {
    format!("{name} mended {}", Digest::of(text.as_bytes()))
}

fn retired(name: &str, text: &str) -> String {
    format!("{name} retired {}", Digest::of(text.as_bytes()))
}

/// Puts `text` in the place of a file in one step.
fn replace(path: &Path, text: &str) {
    let new = path.with_extension("new");
    fs::write(&new, text).unwrap();
    fs::rename(&new, path).unwrap();
}

/// Makes `link` lead to `target`, in one step.
#[cfg(unix)]
fn relink(target: impl AsRef<Path>, link: &Path) {
    let new = link.with_file_name("new-link");
    std::os::unix::fs::symlink(target, &new).unwrap();
    fs::rename(&new, link).unwrap();
}

#[tokio::test]
async fn what_is_there_at_first_is_loaded_or_refused() {
    let bench = Bench::start(|folder| {
        fs::write(folder.join("good.wasm"), "one").unwrap();
        fs::write(folder.join("broken.wasm"), "bad").unwrap();
        fs::write(folder.join("README.md"), "hello").unwrap();
    })
    .await;
    assert!(bench.handle.loaded().await);
    let states: Vec<_> = bench
        .handle
        .handlers()
        .into_iter()
        .map(|status| (status.name.to_string(), status.state))
        .collect();
    let expected = [
        ("broken".to_owned(), State::Refused),
        ("good".to_owned(), State::Serving),
    ];
    assert_eq!(states, expected);
    assert_eq!(bench.refusal("broken"), "`bad` is no component");
    let serving = bench.status("good").serving.unwrap();
    assert_eq!((serving.bytes, serving.digest), (3, Digest::of(b"one")));
}

#[tokio::test]
async fn an_empty_folder_is_loaded_at_once() {
    let bench = Bench::start(|_| {}).await;
    assert!(bench.handle.loaded().await);
    assert_eq!(bench.handle.handlers(), []);
}

#[tokio::test]
async fn a_copy_over_a_component_swaps_it() {
    let mut bench = Bench::start(|_| {}).await;
    bench.write("a.wasm", "one");
    bench.expect(serves("a", "one")).await;
    bench.write("a.wasm", "two");
    bench.expect(serves("a", "two")).await;
    assert_eq!(bench.serving("a").unwrap().0, "two");
    assert_eq!(bench.loads(), ["one", "two"]);
}

#[tokio::test]
async fn a_rename_over_a_component_swaps_it() {
    let mut bench = Bench::start(|folder| replace(&folder.join("a.wasm"), "one")).await;
    bench.expect(serves("a", "one")).await;
    replace(&bench.path.join("a.wasm"), "two");
    bench.expect(serves("a", "two")).await;
    assert_eq!(bench.loads(), ["one", "two"]);
}

#[tokio::test]
async fn a_slow_copy_counts_only_when_it_is_whole() {
    let patient = |options| Options {
        settle: Duration::from_millis(500),
        ..options
    };
    let mut bench = Bench::start_with(patient, |_| {}).await;
    bench.write("a.wasm", "the old one");
    bench.expect(serves("a", "the old one")).await;

    // Truncates the file first, as a copy does.
    let mut file = File::create(bench.path.join("a.wasm")).unwrap();
    let mut pace = tokio::time::interval(SOON);
    let pieces = ["a", " new", " one", " that", " comes", " in", " pieces"];
    for piece in pieces {
        pace.tick().await;
        file.write_all(piece.as_bytes()).unwrap();
    }
    let whole = pieces.concat();
    bench.expect(serves("a", &whole)).await;
    assert_eq!(bench.loads(), ["the old one", &whole]);
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_to_another_component_swaps_it() {
    let mut bench = Bench::start(|folder| {
        fs::write(folder.join("a-1"), "one").unwrap();
        fs::write(folder.join("a-2"), "two").unwrap();
        relink("a-1", &folder.join("a.wasm"));
    })
    .await;
    bench.expect(serves("a", "one")).await;
    relink("a-2", &bench.path.join("a.wasm"));
    bench.expect(serves("a", "two")).await;
}

/// As Kubernetes mounts a ConfigMap: the files are links through `..data`.
#[cfg(unix)]
#[tokio::test]
async fn a_link_that_all_files_go_through_swaps_them() {
    let mut bench = Bench::start(|folder| {
        for (release, text) in [("..1", "one"), ("..2", "two")] {
            fs::create_dir(folder.join(release)).unwrap();
            fs::write(folder.join(release).join("a.wasm"), text).unwrap();
        }
        relink("..1", &folder.join("..data"));
        relink("..data/a.wasm", &folder.join("a.wasm"));
    })
    .await;
    bench.expect(serves("a", "one")).await;
    relink("..2", &bench.path.join("..data"));
    bench.expect(serves("a", "two")).await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_to_another_folder_swaps_all_in_it() {
    let home = tempfile::tempdir().unwrap();
    let link = home.path().join("handlers");
    for (release, text) in [("1", "one"), ("2", "two")] {
        let folder = home.path().join("releases").join(release);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("a.wasm"), text).unwrap();
    }
    relink("releases/1", &link);
    let mut bench = Bench::watch(home, hints_only(link.clone())).await;
    bench.expect(serves("a", "one")).await;
    relink("releases/2", &link);
    bench.expect(serves("a", "two")).await;
    // The watch is on the new folder now.
    fs::write(bench.home.path().join("releases/2/a.wasm"), "three").unwrap();
    bench.expect(serves("a", "three")).await;
}

#[cfg(unix)]
#[tokio::test]
async fn what_gives_no_hint_is_found_by_looking() {
    let home = tempfile::tempdir().unwrap();
    let target = home.path().join("built-elsewhere");
    let path = home.path().join("handlers");
    fs::create_dir(&path).unwrap();
    fs::write(&target, "one").unwrap();
    relink(&target, &path.join("a.wasm"));
    let options = Options {
        rescan: SOON,
        ..hints_only(path)
    };
    let mut bench = Bench::watch(home, options).await;
    bench.expect(serves("a", "one")).await;
    fs::write(&target, "two").unwrap();
    bench.expect(serves("a", "two")).await;
}

#[tokio::test]
async fn the_same_bytes_again_are_not_loaded_again() {
    let mut bench = Bench::start(|_| {}).await;
    bench.write("a.wasm", "one");
    bench.expect(serves("a", "one")).await;
    replace(&bench.path.join("a.wasm"), "one");
    bench.nothing_happens().await;
    assert_eq!(bench.loads(), ["one"]);
}

#[tokio::test]
async fn a_new_sidecar_changes_the_settings_without_a_load() {
    let mut bench = Bench::start(|_| {}).await;
    bench.write("a.wasm", "one");
    bench.expect(serves("a", "one")).await;
    bench.write("a.toml", "concurrency = 3");
    bench.expect(serves("a", "one")).await;
    assert_eq!(bench.serving("a").unwrap().1.concurrency, 3);
    bench.remove("a.toml");
    bench.expect(serves("a", "one")).await;
    assert_eq!(
        bench.serving("a").unwrap().1.concurrency,
        limits::CONCURRENCY
    );
    assert_eq!(bench.loads(), ["one"]);
}

#[tokio::test]
async fn a_broken_sidecar_leaves_the_last_good_one_in_force() {
    let mut bench = Bench::start(|folder| {
        fs::write(folder.join("a.toml"), "concurrency = 3").unwrap();
        fs::write(folder.join("a.wasm"), "one").unwrap();
    })
    .await;
    bench.expect(serves("a", "one")).await;
    bench.write("a.toml", "concurency = 4");
    bench.expect(refused("a", "one")).await;
    assert_eq!(bench.serving("a").unwrap().1.concurrency, 3);
    assert_eq!(bench.status("a").state, State::Serving);
    assert_eq!(
        bench.refusal("a"),
        "in a.toml:\nline 1: `concurency`: no such key; did you mean `concurrency`?"
    );

    bench.write("a.toml", "concurrency = 3");
    bench.expect(mended("a", "one")).await;
    assert_eq!(bench.status("a").refused, None);

    bench.write("a.toml", "[grants]\npublish = ['out.*', 'secret']");
    bench.expect(refused("a", "one")).await;
    assert!(
        bench
            .refusal("a")
            .contains("wider than what the handler asks for")
    );
    assert_eq!(bench.loads(), ["one"]);
}

#[tokio::test]
async fn a_broken_component_leaves_the_last_good_one_serving() {
    let rescan = |options| Options {
        rescan: SOON,
        ..options
    };
    let mut bench = Bench::start_with(rescan, |_| {}).await;
    bench.write("a.wasm", "one");
    bench.expect(serves("a", "one")).await;
    bench.write("a.wasm", "bad two");
    bench.expect(refused("a", "bad two")).await;
    // However often the folder is listed, it is loaded once.
    bench.nothing_happens().await;
    assert_eq!(bench.loads(), ["one", "bad two"]);
    assert_eq!(bench.status("a").state, State::Serving);
    assert_eq!(bench.serving("a").unwrap().0, "one");
    assert_eq!(bench.refusal("a"), "`bad two` is no component");

    // The good one comes back, then the broken one again.
    bench.write("a.wasm", "one");
    bench.expect(mended("a", "one")).await;
    assert_eq!(bench.status("a").refused, None);
    bench.write("a.wasm", "bad two");
    bench.expect(refused("a", "bad two")).await;
    assert_eq!(bench.loads(), ["one", "bad two"]);

    bench.write("a.wasm", "three");
    bench.expect(serves("a", "three")).await;
    assert_eq!(bench.status("a").refused, None);
}

#[tokio::test]
async fn whatever_fails_while_loading_is_a_refusal() {
    let mut bench = Bench::start(|_| {}).await;
    let check = async |bench: &mut Bench, text: &str, notice: String, reason: &str| {
        bench.write("a.wasm", text);
        bench.expect(notice).await;
        let found = bench.refusal("a");
        assert!(found.contains(reason), "{found}");
    };
    let panics = "the host failed while loading";
    check(&mut bench, "panic", "a refused".into(), panics).await;
    let uninstallable = refused("a", "uninstallable");
    check(&mut bench, "uninstallable", uninstallable, "does not fit").await;
    let hostile = refused("a", "bad \u{1b}[31m");
    check(&mut bench, "bad \u{1b}[31m", hostile, "`bad  [31m`").await;

    let file = File::create(bench.path.join("a.wasm")).unwrap();
    file.set_len(limits::COMPONENT_BYTES_MAX + 1).unwrap();
    bench.expect("a refused".into()).await;
    assert!(bench.refusal("a").contains("67108865 bytes"));
    bench.write("a.wasm", "one");
    bench.expect(serves("a", "one")).await;
}

#[tokio::test]
async fn a_removed_component_retires_its_handler() {
    let brief = |options| Options {
        grace: SOON,
        ..options
    };
    let mut bench = Bench::start_with(brief, |_| {}).await;
    bench.write("a.wasm", "one");
    bench.expect(serves("a", "one")).await;
    bench.remove("a.wasm");
    bench.expect(retired("a", "one")).await;
    assert_eq!(bench.serving("a"), None);
    assert_eq!(bench.status("a").state, State::Retired);
    assert_eq!(bench.status("a").serving, None);

    bench.write("a.wasm", "one");
    bench.expect(serves("a", "one")).await;
    assert_eq!(bench.status("a").state, State::Serving);
}

#[tokio::test]
async fn a_component_that_returns_in_time_was_never_gone() {
    let mut bench = Bench::start(|_| {}).await;
    bench.write("a.wasm", "one");
    bench.expect(serves("a", "one")).await;
    let aside = bench.path.join("aside");
    fs::rename(bench.path.join("a.wasm"), &aside).unwrap();
    bench.nothing_happens().await;
    assert_eq!(bench.status("a").state, State::Serving);
    fs::rename(aside, bench.path.join("a.wasm")).unwrap();
    bench.nothing_happens().await;
    assert_eq!(bench.loads(), ["one"]);
}

#[tokio::test]
async fn a_refused_component_that_is_removed_is_forgotten() {
    let brief = |options| Options {
        rescan: SOON,
        grace: SOON,
        ..options
    };
    let mut bench = Bench::start_with(brief, |_| {}).await;
    bench.write("a.wasm", "bad");
    bench.expect(refused("a", "bad")).await;
    bench.remove("a.wasm");
    bench.until(|view| view.handlers.is_empty()).await;
}

#[tokio::test]
async fn two_components_at_once_are_both_loaded() {
    let mut bench = Bench::start(|folder| {
        fs::write(folder.join("a.wasm"), "one").unwrap();
        fs::write(folder.join("b.wasm"), "two").unwrap();
    })
    .await;
    assert!(bench.handle.loaded().await);
    assert_eq!(bench.serving("a").unwrap().0, "one");
    assert_eq!(bench.serving("b").unwrap().0, "two");
    // One that is broken does not keep the other from its swap.
    bench.write("a.wasm", "bad");
    let mut changes = bench.handle.changes();
    bench.write("b.wasm", "three");
    let swapped = async {
        while !matches!(
            changes.recv().await.unwrap(),
            Notice::Installed { digest, .. } if digest == Digest::of(b"three")
        ) {}
    };
    tokio::time::timeout(PATIENCE, swapped).await.unwrap();
    bench.changes = changes;
    assert_eq!(bench.serving("a").unwrap().0, "one");
}

#[tokio::test]
async fn files_that_are_no_handlers_are_shown_with_the_reason() {
    let mut bench = Bench::start(|_| {}).await;
    for file in ["a.cwasm", "b.toml", "c d.wasm", ".e.wasm", "f.txt"] {
        bench.write(file, "x");
    }
    bench.nothing_happens().await;
    let strays = bench.handle.strays();
    let files: Vec<_> = strays.iter().map(|stray| stray.file.as_str()).collect();
    assert_eq!(files, ["a.cwasm", "b.toml", "c d.wasm"]);
    assert_eq!(bench.loads(), Vec::<String>::new());

    bench.write("b.wasm", "bad");
    bench.expect(refused("b", "bad")).await;
    assert_eq!(bench.handle.strays().len(), 2);
}

#[tokio::test]
async fn no_more_handlers_than_the_bound_are_taken_in() {
    let bench = Bench::start(|folder| {
        for number in 0..=limits::HANDLERS_MAX {
            fs::write(folder.join(format!("h{number:04}.wasm")), "one").unwrap();
        }
    })
    .await;
    bench
        .until(|view| view.loaded && !view.strays.is_empty())
        .await;
    assert_eq!(bench.handle.handlers().len(), limits::HANDLERS_MAX);
    let strays = bench.handle.strays();
    let files: Vec<_> = strays.iter().map(|stray| stray.file.as_str()).collect();
    assert_eq!(files, ["h1000.wasm"]);
}

#[tokio::test]
async fn a_folder_that_goes_away_leaves_its_handlers_serving() {
    let options = |options| Options {
        rescan: SOON,
        grace: SOON,
        ..options
    };
    let mut bench = Bench::start_with(options, |_| {}).await;
    bench.write("a.wasm", "one");
    bench.expect(serves("a", "one")).await;
    let aside = bench.home.path().join("aside");
    fs::rename(&bench.path, &aside).unwrap();
    bench.until(|view| view.unreadable.is_some()).await;
    assert_eq!(bench.status("a").state, State::Serving);

    let again = bench.home.path().join("again");
    fs::create_dir(&again).unwrap();
    fs::write(again.join("a.wasm"), "two").unwrap();
    fs::rename(&again, &bench.path).unwrap();
    bench.expect(serves("a", "two")).await;
    assert_eq!(bench.handle.unreadable(), None);
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_an_error() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("missing");
    let clock = Arc::new(ManualClock::default());
    let loader = Arc::new(Fake::default());
    let options = Options::new(&path, home.path().join("approvals.json"));
    let started = Folder::start(options, clock, loader).await;
    let message = started.unwrap_err().to_string();
    assert!(message.contains(&path.display().to_string()), "{message}");
    assert!(message.contains("create it"), "{message}");
}

#[tokio::test]
async fn a_stopped_folder_says_no_more() {
    let mut bench = Bench::start(|_| {}).await;
    bench.write("a.wasm", "one");
    bench.expect(serves("a", "one")).await;
    bench.handle.stop().await;
    assert!(bench.changes.recv().await.is_err());
    assert!(bench.handle.changes().recv().await.is_err());
    assert_eq!(bench.status("a").state, State::Serving);
    assert_eq!(bench.serving("a").unwrap().0, "one");
}
