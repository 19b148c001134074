//! What a handler may reach: what was granted, and nothing else.

use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tracing::instrument::WithSubscriber;
use waystation_core::{Code, Failure, Grants, Instances, Outcome, Secret, StateAccess};
use waystation_runtime::{Lookup, Outbound};

use crate::reaching::{Given, Reaching};

fn state() -> Grants {
    Grants {
        state: vec!["stock".into(), "carts".into()],
        ..Grants::default()
    }
}

fn secrets() -> Grants {
    Grants {
        config: [("region".into(), "eu".into())].into(),
        secrets: [("token".into(), Secret::new("correct horse"))].into(),
        ..Grants::default()
    }
}

#[tokio::test]
async fn without_grants_nothing_is_reached() {
    let nothing = Reaching::granted(Grants::default()).await;
    let steps = r#"[{"open":"stock"},{"open":""},{"get":"a"},{"config":"region"},
        {"config":"token"},"config-all",{"http":"127.0.0.1:1"},{"http":"api.example"}]"#;
    let denied = "ErrorCode::HttpRequestDenied";
    let expected = format!(
        r#"["access-denied","access-denied","no namespace is open","none","none","Ok([])","{denied}","{denied}"]"#
    );
    nothing.check(steps, &expected).await;
}

#[tokio::test]
async fn only_granted_namespaces_open() {
    let reaching = Reaching::granted(state()).await;
    let steps = r#"[{"open":"stock"},{"open":"orders"},{"open":"carts"},{"open":"Stock"}]"#;
    let expected = r#"["opened","access-denied","opened","access-denied"]"#;
    reaching.check(steps, expected).await;
}

#[tokio::test]
async fn state_is_staged_and_is_there_once_it_was_settled() {
    let reaching = Reaching::granted(state()).await;
    let steps = r#"[{"open":"stock"},{"exists":"a"},{"set":["a","1"]},{"set":["b","x"]},
        {"get":"a"},{"increment":["a",41]},{"delete":"b"},{"exists":"b"},"keys",
        {"get-many":["a","b","c"]},{"increment":["word",0]}]"#;
    let expected = r#"["opened","false","set","set","1","42","deleted","false","a","a","0"]"#;
    let (answers, access) = reaching.reach(steps).await;
    assert_eq!(answers, expected);
    let again = r#"[{"open":"stock"},{"get":"a"},{"open":"carts"},{"get":"a"}]"#;
    reaching
        .check(again, r#"["opened","none","opened","none"]"#)
        .await;
    assert!(reaching.state.settle(access).await);
    reaching
        .check(again, r#"["opened","42","opened","none"]"#)
        .await;
}

#[tokio::test]
async fn what_was_staged_is_told_for_a_final_outcome_only() {
    let reaching = Reaching::granted(state()).await;
    let check = async |last: &str, expected: (usize, usize)| {
        let steps = format!(r#"[{{"open":"stock"}},{{"get":"a"}},{{"set":["b","1"]}}{last}]"#);
        let StateAccess { reads, writes, .. } = reaching.attempt(&steps).await.state;
        assert_eq!((reads.len(), writes.len()), expected, "{last}");
    };
    check("", (1, 1)).await;
    check(r#",{"reject":"no"}"#, (1, 1)).await;
    check(r#",{"retry":"later"}"#, (0, 0)).await;
    check(r#",{"panic":"!"}"#, (0, 0)).await;
}

/// Attempts side by side read the same number; those whose number was changed by
/// another are made again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_increment_is_lost_when_conflicts_are_made_again() {
    const HANDLERS: usize = 8;
    const EACH: usize = 25;
    let reaching = Arc::new(Reaching::granted(state()).await);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..HANDLERS {
        let reaching = reaching.clone();
        tasks.spawn(async move {
            for _ in 0..EACH {
                loop {
                    let steps = r#"[{"open":"stock"},{"increment":["n",1]}]"#;
                    let (_, access) = reaching.reach(steps).await;
                    if reaching.state.settle(access).await {
                        break;
                    }
                }
            }
        });
    }
    tasks.join_all().await;
    reaching
        .check(r#"[{"open":"stock"},{"get":"n"}]"#, r#"["opened","200"]"#)
        .await;
}

#[tokio::test]
async fn a_namespace_that_a_reused_instance_keeps_open_serves_the_attempt_that_runs() {
    let reaching = Reaching::new(Given {
        grants: state(),
        instances: Instances::Reused,
        ..Given::default()
    })
    .await;
    let (_, first) = reaching
        .reach(r#"[{"open":"stock"},{"set":["a","1"]}]"#)
        .await;
    assert_eq!(first.writes.len(), 1);
    let steps = r#"["reopen",{"get":"a"},{"set":["b","2"]}]"#;
    let (answers, second) = reaching.reach(steps).await;
    assert_eq!(
        answers, r#"["reopened","none","set"]"#,
        "the first was not settled"
    );
    let keys: Vec<&str> = second
        .writes
        .iter()
        .map(|write| write.key.as_str())
        .collect();
    assert_eq!(keys, ["b"]);
}

#[tokio::test]
async fn secrets_are_given_by_name_and_never_listed() {
    let reaching = Reaching::granted(secrets()).await;
    let steps = r#"[{"config":"region"},{"config":"token"},{"config":"TOKEN"},"config-all"]"#;
    let expected = r#"["eu","correct horse","none","Ok([(\"region\", \"eu\")])"]"#;
    reaching.check(steps, expected).await;
}

#[tokio::test]
async fn no_secret_shows_in_a_reason() {
    let reaching = Reaching::granted(secrets()).await;
    let check = async |step: &str, code: Code| {
        let ended = reaching.attempt(&format!("[{step}]")).await;
        let (Outcome::Retry(failure) | Outcome::Reject(failure)) = ended.outcome else {
            panic!("{:?}", ended.outcome)
        };
        assert_eq!(failure.code, code);
        assert!(
            failure.reason.contains("a [secret token]!"),
            "{}",
            failure.reason
        );
        assert!(!failure.reason.contains("horse"), "{}", failure.reason);
    };
    check(r#"{"retry":"a correct horse!"}"#, Code::Retry).await;
    check(r#"{"reject":"a correct horse!"}"#, Code::Reject).await;
    check(r#"{"panic":"a correct horse!"}"#, Code::Trap).await;
}

/// The attempt fails, and the host goes on with the same generation.
#[tokio::test]
async fn a_panic_in_the_host_fails_the_attempt_alone() {
    let reaching = Reaching::new(Given {
        grants: Grants {
            http: vec!["api.example:80".parse().unwrap()],
            ..state()
        },
        instances: Instances::Reused,
        outbound: Outbound::with_lookup(Arc::new(Panics)),
        ..Given::default()
    })
    .await;
    let well = r#"[{"open":"stock"},{"get":"a"}]"#;
    reaching.check(well, r#"["opened","none"]"#).await;
    let in_state = r#"[{"open":"stock"},{"set":["a","1"]},{"get":"panic"}]"#;
    for steps in [in_state, r#"[{"http":"api.example"}]"#] {
        let ended = reaching.attempt(steps).await;
        let Outcome::Retry(Failure { code, .. }) = ended.outcome else {
            panic!("{:?}", ended.outcome)
        };
        assert_eq!(code, Code::Host, "{steps}");
        assert_eq!(ended.state, StateAccess::default());
        reaching
            .check(
                r#"["reopen",{"get":"a"}]"#,
                r#"["reopened","no namespace is open"]"#,
            )
            .await;
        reaching.check(well, r#"["opened","none"]"#).await;
    }
}

struct Panics;

#[async_trait]
impl Lookup for Panics {
    async fn lookup(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        panic!("told to panic")
    }
}

/// What stands in the log.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Makes an attempt and tells what stands in the log then.
async fn logged(reaching: &Reaching, steps: &str) -> String {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    reaching.attempt(steps).with_subscriber(subscriber).await;
    let bytes = log.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn no_secret_shows_in_the_log() {
    let reaching = Reaching::granted(secrets()).await;
    let steps = r#"[{"log":"a correct horse!"},{"print":"a correct horse!"}]"#;
    let log = logged(&reaching, steps).await;
    assert_eq!(log.matches("a [secret token]!").count(), 2, "{log}");
    assert!(!log.contains("horse"), "{log}");
}

#[tokio::test]
async fn a_refused_call_is_told_once_and_how_to_grant_it() {
    let reaching = Reaching::granted(Grants::default()).await;
    let call = r#"{"http":"api.example"}"#;
    let log = logged(&reaching, &format!("[{call},{call}]")).await;
    let told = "outbound HTTP to api.example:80 is not granted; if the handler asks for it, add it \
        to [grants] http in reaching.toml";
    assert_eq!(log.matches(told).count(), 1, "{log}");
}
