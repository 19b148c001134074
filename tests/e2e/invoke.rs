//! One event on a component, without a host.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::Output;
use std::thread;

use serde_json::{Value, json};
use tempfile::TempDir;

use e2e::guests;
use e2e::host::{scripted_event, waystation};

/// A folder with files for `waystation invoke`.
struct Desk(TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn put(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path().join(name), content).unwrap();
    }

    fn invoke(&self, arguments: &[&str]) -> Output {
        waystation()
            .current_dir(self.path())
            .env("XDG_CACHE_HOME", guests::scratch().join("cache"))
            .arg("invoke")
            .args(arguments)
            .output()
            .unwrap()
    }

    /// The exit code and the report.
    fn report(&self, arguments: &[&str]) -> (i32, Value) {
        let output = self.invoke(&[arguments, &["--output", "json"]].concat());
        let errors = String::from_utf8_lossy(&output.stderr);
        let report = serde_json::from_slice(&output.stdout);
        (
            output.status.code().unwrap(),
            report.unwrap_or_else(|_| panic!("{errors}")),
        )
    }

    /// What is said of a mistake.
    fn refused(&self, arguments: &[&str]) -> String {
        let output = self.invoke(arguments);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{errors}");
        assert!(output.stdout.is_empty());
        errors
    }

    /// The scripted handler and an event that has it do this.
    fn scripted(data: Value) -> Self {
        let desk = Self::new();
        desk.put("scripted.wasm", guests::component("scripted"));
        desk.put("event.json", scripted_event("1", &data).to_string());
        desk
    }
}

const SCRIPTED: [&str; 2] = ["scripted.wasm", "event.json"];
const SURROUNDED: [&str; 2] = ["surrounded.wasm", "event.json"];

fn surrounded(subject: &str) -> Desk {
    let desk = Desk::new();
    desk.put("surrounded.wasm", guests::surrounded("stock.example:80"));
    let event = json!({
        "specversion": "1.0", "id": "1", "source": "/test", "type": "test.surrounded.v1",
        "subject": subject,
    });
    desk.put("event.json", event.to_string());
    desk
}

#[test]
fn an_event_that_is_handled_shows_what_follows_from_it() {
    let desk = Desk::scripted(json!({"do": "fail", "times": 1}));
    let (code, report) = desk.report(&[&SCRIPTED[..], &["--attempt", "2"]].concat());
    assert_eq!(code, 0);
    assert_eq!(report["outcome"], "ack");
    assert_eq!(report["publishes"][0]["type"], "test.result.done.v1");
    assert_eq!(report["publishes"][0]["data"]["attempt"], 2);
    assert!(report["memory_bytes"].as_u64().unwrap() >= 1024 * 1024);
    let (code, report) = desk.report(&SCRIPTED);
    assert_eq!(
        (code, &report["code"], &report["after_ms"]),
        (1, &json!("retry"), &json!(0))
    );
}

#[test]
fn a_panic_is_told_with_its_place_and_without_jargon() {
    let desk = Desk::scripted(json!({"do": "trap"}));
    let output = desk.invoke(&SCRIPTED);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text.starts_with("retry (trap)"), "{text}");
    assert!(
        text.contains("  panicked at scripted/src/lib.rs:"),
        "{text}"
    );
    assert!(text.contains(": told to trap\n  at scripted::"), "{text}");
    assert!(!text.contains("wasm trap"), "{text}");
    assert!(output.stderr.is_empty());
}

#[test]
fn state_and_http_are_what_the_files_say_and_nothing_goes_out() {
    let desk = surrounded("look");
    desk.put(
        "state.json",
        r#"{"orders": {"last": {"id": 1}, "none": {"$base64": "aGk="}}}"#,
    );
    let http = json!([{
        "request": {"method": "POST", "url": "http://stock.example:80/stock?key=placeholder"},
        "answer": {"status": 200, "headers": [["content-type", "text/plain"]], "body": "plenty"},
    }]);
    desk.put("http.json", http.to_string());
    let given = [
        "--state",
        "state.json",
        "--http-replay",
        "http.json",
        "--secret",
        "token=placeholder",
    ];
    let (code, report) = desk.report(&[&SURROUNDED[..], &given].concat());
    assert_eq!(code, 1);
    let reason = report["reason"].as_str().unwrap();
    assert!(
        reason.contains(r#"last {"id": 1}, none hi, keys ["last", "none"]"#),
        "{reason}"
    );
    assert!(reason.contains("answer 200 plenty"), "{reason}");

    let output = desk.invoke(&SURROUNDED);
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(
        told.contains("no answer is recorded for `POST http://stock.example:80/stock?key="),
        "{told}"
    );
    assert!(told.contains("--http-live"), "{told}");
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(!shown.contains("internal"), "{shown}");
    assert!(
        told.contains("note: the secret `token` is not given"),
        "{told}"
    );
    assert!(told.contains("--secret token=VALUE"), "{told}");
}

#[test]
fn a_secret_may_come_from_the_environment() {
    let desk = surrounded("look");
    let output = waystation()
        .current_dir(desk.path())
        .env("XDG_CACHE_HOME", guests::scratch().join("cache"))
        .env("token", "open-sesame")
        .arg("invoke")
        .args(SURROUNDED)
        .args(["--secret", "token"])
        .output()
        .unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(!told.contains("placeholder"), "{told}");
    assert!(told.contains("no answer is recorded"), "{told}");
}

#[test]
fn recorded_http_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let desk = Desk::scripted(json!({"do": "ack"}));
    desk.put("http.json", "for all to read");
    let file = desk.path().join("http.json");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let (code, report) =
        desk.report(&[&SCRIPTED[..], &["--http-live", "--record", "http.json"]].concat());
    assert_eq!(code, 0, "{report:#}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "[]\n");
    assert_eq!(
        std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
}

#[test]
fn a_sidecar_that_grants_no_secret_leaves_none() {
    let desk = surrounded("session");
    let token = |desk: &Desk| {
        let (_, report) = desk.report(&SURROUNDED);
        report["log"][0]["text"].as_str().unwrap().to_owned()
    };
    assert!(token(&desk).starts_with("the token is [secret token]"));
    desk.put("surrounded.toml", "[config]\nregion = \"eu\"\n");
    assert_eq!(token(&desk), "the token is , the region eu");
    desk.put(
        "surrounded.toml",
        "[secrets]\ntoken = { env = \"NOT_READ\" }\n",
    );
    assert!(token(&desk).starts_with("the token is [secret token]"));
}

/// A server that gives one large answer.
fn large_answer(bytes: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"0\r\n\r\n") {
            let mut piece = [0; 1024];
            let length = stream.read(&mut piece).unwrap();
            assert!(length > 0, "the request ends early");
            request.extend_from_slice(&piece[..length]);
        }
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {bytes}\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&vec![b'x'; bytes]).unwrap();
    });
    address
}

#[test]
fn a_large_answer_is_recorded_whole() {
    const BYTES: usize = 300_000;
    let desk = surrounded("look");
    let server = large_answer(BYTES);
    desk.put("surrounded.wasm", guests::surrounded(&server));
    let (code, report) =
        desk.report(&[&SURROUNDED[..], &["--http-live", "--record", "http.json"]].concat());
    let recorded = std::fs::read(desk.path().join("http.json")).unwrap();
    let recorded: Value = serde_json::from_slice(&recorded).unwrap();
    let body = recorded[0]["answer"]["body"].as_str().unwrap_or_default();
    assert_eq!((code, body.len()), (1, BYTES), "{report:#}");
    assert_eq!(recorded[0]["error"], Value::Null);
}

#[test]
fn a_change_of_state_shows_before_and_after() {
    let desk = surrounded("set");
    desk.put("state.json", r#"{"orders": {"last": 6}}"#);
    let (code, report) = desk.report(&[&SURROUNDED[..], &["--state", "state.json"]].concat());
    assert_eq!(code, 0, "{report:#}");
    let change = json!({"namespace": "orders", "key": "last", "before": 6, "after": {"id": 7.0}});
    assert_eq!(report["state"], json!([change]));
}

#[test]
fn a_mistake_is_told_with_what_was_meant() {
    let desk = Desk::scripted(json!({"do": "ack"}));
    let event = scripted_event("1", &json!({})).to_string();
    desk.put(
        "event.json",
        event.replace("test.scripted.v1", "test.scrpted.v1"),
    );
    let told = desk.refused(&SCRIPTED);
    assert!(
        told.contains("does not ask for events of the type `test.scrpted.v1`"),
        "{told}"
    );

    // Types look alike: another one is not taken for a slip of the pen.
    let desk = surrounded("look");
    let event = std::fs::read_to_string(desk.path().join("event.json")).unwrap();
    desk.put(
        "other.json",
        event.replace("surrounded.v1", "surrendered.v1"),
    );
    let told = desk.refused(&[SURROUNDED[0], "other.json"]);
    assert!(!told.contains("did you mean"), "{told}");
    assert!(told.contains("it asks for `test.surrounded.v1`"), "{told}");

    let told = desk.refused(&[&SURROUNDED[..], &["--config", "regoin=eu"]].concat());
    assert!(told.contains("did you mean `region`?"), "{told}");
    for mistaken in ["hunter2secretvalue", "hunter2secretvalue="] {
        let told = desk.refused(&[&SURROUNDED[..], &["--secret", mistaken]].concat());
        assert!(!told.contains("hunter2"), "{told}");
    }
    desk.put("state.json", "{\n\"orders\": 1}");
    let told = desk.refused(&[&SURROUNDED[..], &["--state", "state.json"]].concat());
    assert!(told.contains("state.json:2:"), "{told}");
    let whole = guests::surrounded("stock.example:80");
    desk.put("cut.wasm", &whole[..20_000]);
    let told = desk.refused(&["cut.wasm", "event.json"]);
    let expected = "`cut.wasm` is no handler: the file ends early or is damaged; build or copy it";
    assert!(told.contains(expected), "{told}");
    desk.put("event.json", "{}");
    let told = desk.refused(&SURROUNDED);
    assert!(told.contains("`event.json` is no event"), "{told}");
}
