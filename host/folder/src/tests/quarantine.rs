//! What a handler asks for, who lets it in, and what it gets.

use waystation_core::{Ask, Timestamp};

use super::*;
use crate::approvals::Approvals;
use crate::judge::{Case, Verdict};
use crate::snapshot::Paths;
use crate::{ApproveError, Error, Quarantine};

fn quarantined(name: &str, text: &str) -> String {
    format!("{name} quarantined {}", Digest::of(text.as_bytes()))
}

impl Bench {
    /// What keeps a handler in quarantine.
    fn open(&self, name: &str) -> Vec<String> {
        let quarantine = self.status(name).quarantined.unwrap();
        quarantine.asks.iter().map(ToString::to_string).collect()
    }

    async fn approve(&self, name: &str, text: &str) -> Result<Vec<Ask>, ApproveError> {
        let digest = Digest::of(text.as_bytes());
        let name = HandlerName::new(name).unwrap();
        tokio::time::timeout(PATIENCE, self.handle.approve(name, digest))
            .await
            .unwrap()
    }

    /// The hosts that the handler that serves may call, the types that it may
    /// publish, and what it goes without.
    fn may(&self, name: &str) -> String {
        let settings = self.serving(name).unwrap().1;
        let http = settings.grants.http.iter().map(ToString::to_string);
        let types = settings.publishes.iter().map(ToString::to_string);
        let may: Vec<String> = http.chain(types).collect();
        let withheld = self.status(name).serving.unwrap().withheld;
        let withheld: Vec<String> = withheld.iter().map(ToString::to_string).collect();
        format!("{} | {}", may.join(", "), withheld.join(", "))
    }

    /// The host stops, and another one begins with the same folder and file.
    async fn restart(self) -> Self {
        self.handle.stop().await;
        Self::watch(self.home, hints_only(self.path)).await
    }
}

const ASKS: &str = "one asks http a.example, publish new";

#[tokio::test]
async fn a_new_handler_may_publish_and_nothing_else() {
    let mut bench = Bench::start(|_| {}).await;
    bench.write("plain.wasm", "one asks publish new");
    bench.expect(serves("plain", "one asks publish new")).await;
    bench.write("a.wasm", ASKS);
    bench.expect(quarantined("a", ASKS)).await;
    assert_eq!(bench.open("a"), ["http a.example:443"]);
    assert_eq!(bench.status("a").state, State::Quarantined);
    assert_eq!(bench.serving("a"), None);
}

#[tokio::test]
async fn an_approval_lets_in_at_once_and_without_another_load() {
    let mut bench = Bench::start(|folder| fs::write(folder.join("a.wasm"), ASKS).unwrap()).await;
    assert!(bench.handle.loaded().await);
    bench.expect(quarantined("a", ASKS)).await;
    let approved = bench.approve("a", ASKS).await.unwrap();
    assert_eq!(approved, ["http a.example".parse().unwrap()]);
    // What it answered is true by then.
    assert_eq!(bench.may("a"), "a.example:443, out.*, new | ");
    assert_eq!(bench.status("a").quarantined, None);
    bench.expect(serves("a", ASKS)).await;
    assert_eq!(bench.loads(), [ASKS]);
}

#[tokio::test]
async fn a_generation_that_asks_for_more_leaves_the_last_good_one_serving() {
    let rescan = |options| Options {
        rescan: SOON,
        ..options
    };
    let mut bench = Bench::start_with(rescan, |_| {}).await;
    bench.write("a.wasm", "one");
    bench.expect(serves("a", "one")).await;
    let more = "two asks publish new, publish out.x, state s";
    bench.write("a.wasm", more);
    bench.expect(quarantined("a", more)).await;
    assert_eq!(bench.open("a"), ["state s", "publish new"]);
    assert_eq!(bench.serving("a").unwrap().0, "one");
    assert_eq!(bench.status("a").state, State::Serving);
    // However often the folder is listed, it is loaded once.
    bench.nothing_happens().await;
    assert_eq!(bench.loads(), ["one", more]);

    // It goes, and comes again.
    bench.write("a.wasm", "one");
    bench.expect(mended("a", "one")).await;
    assert_eq!(bench.status("a").quarantined, None);
    bench.write("a.wasm", more);
    bench.expect(quarantined("a", more)).await;
    bench.approve("a", more).await.unwrap();
    bench.expect(serves("a", more)).await;

    // What asks for no more than that needs nobody's consent.
    bench.write("a.wasm", "three asks state s");
    bench.expect(serves("a", "three asks state s")).await;
}

#[tokio::test]
async fn what_one_generation_was_let_in_with_lets_an_older_one_in() {
    let mut bench = Bench::start(|_| {}).await;
    bench.write("a.wasm", ASKS);
    bench.expect(quarantined("a", ASKS)).await;
    let newer = "two asks http a.example, publish new, state s";
    bench.write("a.wasm", newer);
    bench.expect(quarantined("a", newer)).await;
    bench.approve("a", newer).await.unwrap();
    bench.expect(serves("a", newer)).await;
    bench.write("a.wasm", ASKS);
    bench.expect(serves("a", ASKS)).await;
}

#[tokio::test]
async fn a_grant_in_the_sidecar_lets_in_without_an_approval() {
    let mut bench = Bench::start(|_| {}).await;
    bench.write("a.wasm", ASKS);
    bench.expect(quarantined("a", ASKS)).await;
    bench.write("a.toml", "[grants]\nhttp = ['a.example']");
    bench.expect(serves("a", ASKS)).await;
    assert_eq!(bench.may("a"), "a.example:443, out.*, new | ");
    // The files are again those that were quarantined, and are approved now.
    bench.remove("a.toml");
    bench.expect(serves("a", ASKS)).await;
    assert_eq!(bench.loads(), [ASKS]);
}

#[tokio::test]
async fn a_sidecar_that_narrows_takes_effect_at_once_and_quarantines_nothing() {
    let mut bench = Bench::start(|folder| {
        fs::write(folder.join("a.toml"), "[grants]\nhttp = ['a.example']").unwrap();
        fs::write(folder.join("a.wasm"), ASKS).unwrap();
    })
    .await;
    bench.expect(serves("a", ASKS)).await;
    bench.write("a.toml", "[grants]\nhttp = []\npublish = ['out.x']");
    bench.expect(serves("a", ASKS)).await;
    assert_eq!(
        bench.may("a"),
        "out.x | http a.example:443, publish new, publish out.*"
    );
    // The last word is the sidecar's, also over what was approved.
    let mut bench = bench.restart().await;
    bench.expect(serves("a", ASKS)).await;
    assert_eq!(
        bench.may("a"),
        "out.x | http a.example:443, publish new, publish out.*"
    );
    // Where it says nothing, what was let in once holds.
    bench.remove("a.toml");
    bench.expect(serves("a", ASKS)).await;
    assert_eq!(bench.may("a"), "a.example:443, out.*, new | ");
}

#[tokio::test]
async fn approvals_outlive_a_restart() {
    let mut bench = Bench::start(|_| {}).await;
    bench.write("a.wasm", ASKS);
    bench.expect(quarantined("a", ASKS)).await;
    bench.approve("a", ASKS).await.unwrap();
    let mut bench = bench.restart().await;
    bench.expect(serves("a", ASKS)).await;
    assert_eq!(bench.status("a").state, State::Serving);
    assert_eq!(bench.may("a"), "a.example:443, out.*, new | ");
}

#[tokio::test]
async fn an_approval_is_for_the_generation_that_was_looked_at() {
    let mut bench = Bench::start(|_| {}).await;
    bench.write("a.wasm", "one");
    bench.expect(serves("a", "one")).await;
    bench.write("a.wasm", "two asks state a");
    bench.expect(quarantined("a", "two asks state a")).await;
    bench.write("a.wasm", "three asks state a, state b");
    bench
        .expect(quarantined("a", "three asks state a, state b"))
        .await;
    let error = bench.approve("a", "two asks state a").await.unwrap_err();
    assert!(matches!(error, ApproveError::Another { .. }), "{error}");
    // Nothing was approved, not even what both ask for.
    assert_eq!(bench.open("a"), ["state a", "state b"]);
    bench.write("a.wasm", "four asks state a");
    bench.expect(quarantined("a", "four asks state a")).await;
}

#[tokio::test]
async fn files_that_changed_unseen_are_not_approved() {
    let mut bench = Bench::start(|_| {}).await;
    bench.write("a.wasm", "one asks state a");
    bench.expect(quarantined("a", "one asks state a")).await;
    replace(&bench.path.join("a.wasm"), "two asks state b");
    // Whether the change was seen by now or not.
    let error = bench.approve("a", "one asks state a").await.unwrap_err();
    assert!(
        matches!(
            error,
            ApproveError::Changed(_) | ApproveError::Another { .. }
        ),
        "{error}"
    );
    bench.expect(quarantined("a", "two asks state b")).await;
    assert_eq!(bench.open("a"), ["state b"]);
}

/// However alike two files look.
#[tokio::test]
async fn other_bytes_than_those_that_were_looked_at_are_not_approved() {
    let home = tempfile::tempdir().unwrap();
    let handler = HandlerName::new("a").unwrap();
    fs::write(home.path().join("a.wasm"), "one asks state a").unwrap();
    let listing = crate::listing::read(home.path()).unwrap();
    let approvals = home.path().join("approvals.json");
    let case = Case {
        paths: Paths::new(home.path(), &handler),
        marks: listing.handlers[&handler],
        handler,
        serving: None,
        loaded: None,
        kept_out: None,
        approvals: Arc::new(Approvals::open(&approvals).unwrap()),
        consent: Consent::Operator,
        approved: Some(Quarantine {
            digest: Digest::of(b"two asks state a"),
            asks: vec!["state a".parse().unwrap()],
            at: Timestamp::from_millis(0),
        }),
    };
    let judgement = case.judge(&Fake::default(), &ManualClock::default()).await;
    assert!(matches!(judgement.verdict, Verdict::Changed));
    assert!(!approvals.exists());
}

#[tokio::test]
async fn what_authors_ask_for_is_theirs_unless_the_sidecar_says_otherwise() {
    let by_author = |options| Options {
        consent: Consent::Author,
        ..options
    };
    let mut bench = Bench::start_with(by_author, |_| {}).await;
    bench.write("a.wasm", ASKS);
    bench.expect(serves("a", ASKS)).await;
    assert_eq!(bench.may("a"), "a.example:443, out.*, new | ");
    bench.write("a.toml", "[grants]\nhttp = []\n");
    bench.expect(serves("a", ASKS)).await;
    assert_eq!(bench.may("a"), "out.*, new | http a.example:443");
}

#[tokio::test]
async fn there_must_be_something_to_approve() {
    let mut bench = Bench::start(|_| {}).await;
    bench.write("a.wasm", "one");
    bench.expect(serves("a", "one")).await;
    for name in ["a", "unknown"] {
        let error = bench.approve(name, "one").await.unwrap_err();
        assert!(matches!(error, ApproveError::NotQuarantined(_)), "{error}");
    }
    bench.handle.stop().await;
    let error = bench.approve("a", "one").await.unwrap_err();
    assert!(matches!(error, ApproveError::Stopped), "{error}");
}

#[tokio::test]
async fn what_is_approved_and_cannot_serve_says_why() {
    let mut bench = Bench::start(|_| {}).await;
    let text = "uninstallable asks state s";
    bench.write("a.wasm", text);
    bench.expect(quarantined("a", text)).await;
    let error = bench.approve("a", text).await.unwrap_err();
    assert_eq!(error.to_string(), "`a` cannot serve: it does not fit");
    bench.expect(refused("a", text)).await;
}

#[tokio::test]
async fn a_secret_that_comes_later_lets_its_handler_serve() {
    let rescan = |options| Options {
        rescan: SOON,
        ..options
    };
    let text = "one asks secret token";
    let mut bench = Bench::start_with(rescan, |folder| {
        let sidecar = "[secrets]\ntoken = { file = 'token' }";
        fs::write(folder.join("a.toml"), sidecar).unwrap();
        fs::write(folder.join("a.wasm"), text).unwrap();
    })
    .await;
    bench.expect("a refused".to_owned()).await;
    let why = bench.refusal("a");
    assert!(
        why.starts_with("in a.toml:\nline 2: `secrets.token`: "),
        "{why}"
    );
    bench.write("token", "hunter2\n");
    bench.expect(serves("a", text)).await;
    let secrets = bench.serving("a").unwrap().1.grants.secrets;
    assert_eq!(secrets["token"].reveal(), "hunter2");
    assert_eq!(bench.loads(), [text]);
}

#[tokio::test]
async fn what_cannot_be_asked_for_is_refused() {
    let mut bench = Bench::start(|_| {}).await;
    bench.write("a.wasm", "one asks http a/b");
    bench.expect(refused("a", "one asks http a/b")).await;
    let why = bench.refusal("a");
    assert!(
        why.starts_with("it asks for what cannot be: `a/b` is no host"),
        "{why}"
    );
}

#[tokio::test]
async fn a_quarantined_component_that_is_removed_is_forgotten() {
    let brief = |options| Options {
        rescan: SOON,
        grace: SOON,
        ..options
    };
    let mut bench = Bench::start_with(brief, |_| {}).await;
    bench.write("a.wasm", ASKS);
    bench.expect(quarantined("a", ASKS)).await;
    bench.remove("a.wasm");
    bench.until(|view| view.handlers.is_empty()).await;
}

#[tokio::test]
async fn damaged_approvals_stop_the_start() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("handlers");
    fs::create_dir(&path).unwrap();
    fs::write(home.path().join("approvals.json"), "{").unwrap();
    let clock = Arc::new(ManualClock::default());
    let started = Folder::start(hints_only(path), clock, Arc::new(Fake::default())).await;
    let error = started.unwrap_err();
    assert!(matches!(error, Error::Approvals(_)), "{error}");
}
