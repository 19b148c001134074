//! A running host.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::guests;

/// How long anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long to wait for a line before looking again.
const GLANCE: Duration = Duration::from_millis(50);

/// Names another binary to drive than the one that was built along.
const BINARY: &str = "WAYSTATION_BINARY";

/// The binary.
pub fn waystation() -> Command {
    let binary = std::env::var_os(BINARY).map_or_else(
        || guests::profile().join("waystation"),
        |binary| std::path::absolute(binary).unwrap(),
    );
    assert!(
        binary.exists(),
        "{} is not there; run `cargo build` first",
        binary.display()
    );
    let mut command = Command::new(binary);
    command
        .env_remove("WAYSTATION_ADMIN")
        .env_remove("WAYSTATION_TOKEN")
        .env_remove("RUST_LOG");
    command
}

/// A place for a host: a handlers folder and a data folder.
pub struct Site {
    root: TempDir,
}

impl Site {
    /// An empty handlers folder and no data folder yet.
    pub fn empty() -> Self {
        Self::at(tempfile::tempdir().unwrap())
    }

    /// The same in a new folder below this one.
    pub fn below(folder: &Path) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        Self::at(tempfile::tempdir_in(folder).unwrap())
    }

    fn at(root: TempDir) -> Self {
        std::fs::create_dir(root.path().join("handlers")).unwrap();
        Self { root }
    }

    /// A handlers folder with these components.
    pub fn with(names: &[&str]) -> Self {
        let site = Self::empty();
        for name in names {
            site.drop_in(name, &guests::component(name));
        }
        site
    }

    pub fn root(&self) -> &Path {
        self.root.path()
    }

    pub fn handlers(&self) -> PathBuf {
        self.root.path().join("handlers")
    }

    pub fn data(&self) -> PathBuf {
        self.root.path().join("data")
    }

    /// Writes its configuration.
    pub fn configure(&self, text: &str) {
        std::fs::write(self.root().join("waystation.toml"), text).unwrap();
    }

    pub fn drop_in(&self, name: &str, bytes: &[u8]) {
        guests::drop_in(&self.handlers(), name, bytes);
    }

    pub fn sidecar(&self, name: &str, text: &str) {
        std::fs::write(self.handlers().join(format!("{name}.toml")), text).unwrap();
    }

    /// `waystation run` in this place, on free ports.
    pub fn command(&self) -> Command {
        self.command_on(["127.0.0.1:0"; 2])
    }

    /// `waystation run` in this place, on these addresses.
    pub fn command_on(&self, [listen, admin]: [&str; 2]) -> Command {
        let mut command = waystation();
        command
            .current_dir(self.root())
            .args(["run", "--listen", listen, "--admin", admin]);
        command
    }

    /// Starts a host on free ports and waits until it is ready.
    pub fn start(&self) -> Host {
        self.start_on(["127.0.0.1:0"; 2])
    }

    /// Starts a host on these addresses and waits until it is ready.
    pub fn start_on(&self, addresses: [&str; 2]) -> Host {
        Self::start_from(self.command_on(addresses))
    }

    /// Starts a host from its command and waits until it is ready.
    pub fn start_from(command: Command) -> Host {
        let mut host = Self::spawn_from(command);
        host.wait_until_ready();
        host
    }

    /// Starts a host on free ports and waits for nothing.
    pub fn spawn(&self) -> Host {
        Self::spawn_from(self.command_on(["127.0.0.1:0"; 2]))
    }

    fn spawn_from(mut command: Command) -> Host {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = mpsc::channel();
        let stdout = child.stdout.take().unwrap();
        let reader = read_lines(stdout, sender.clone());
        let errors = read_lines(child.stderr.take().unwrap(), sender);
        Host {
            child,
            started: Instant::now(),
            lines,
            seen: Vec::new(),
            events: String::new(),
            admin: String::new(),
            agent: agent(),
            reader: Some(reader),
            errors: Some(errors),
        }
    }
}

/// A running host. It is killed when it is dropped.
pub struct Host {
    child: Child,
    started: Instant,
    lines: Receiver<String>,
    seen: Vec<String>,
    events: String,
    admin: String,
    agent: ureq::Agent,
    reader: Option<JoinHandle<String>>,
    errors: Option<JoinHandle<String>>,
}

impl Host {
    /// What it wrote to its terminal so far.
    pub fn seen(&mut self) -> &[String] {
        self.seen.extend(self.lines.try_iter());
        &self.seen
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it takes events: how long that took.
    pub fn wait_until_ready(&mut self) -> Duration {
        self.wait_for_line(|line| line == "Ready");
        let took = self.started.elapsed();
        self.events = self.address("events");
        self.admin = self.address("admin");
        took
    }

    /// The URL of its ingest.
    pub fn events_url(&self) -> &str {
        &self.events
    }

    /// The address of its admin API.
    pub fn admin(&self) -> &str {
        &self.admin
    }

    fn address(&self, name: &str) -> String {
        let line = self
            .seen
            .iter()
            .find(|line| line.starts_with(name))
            .unwrap();
        line.split_whitespace().nth(1).unwrap().to_owned()
    }

    /// Waits for a line on its terminal.
    pub fn wait_for_line(&mut self, wanted: impl Fn(&str) -> bool) -> String {
        let end = Instant::now() + PATIENCE;
        let mut from = 0;
        loop {
            if let Some(line) = self.seen.iter().skip(from).find(|line| wanted(line)) {
                return line.clone();
            }
            from = self.seen.len();
            match self
                .lines
                .recv_timeout(end.saturating_duration_since(Instant::now()))
            {
                Ok(line) => self.seen.push(line),
                Err(why) => self.give_up(&format!("no such line came: {why}")),
            }
        }
    }

    /// Waits until something holds, and looks again at each line of its terminal
    /// and a few times a second.
    pub fn wait_until<T>(&mut self, what: &str, mut look: impl FnMut(&Self) -> Option<T>) -> T {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = look(self) {
                return found;
            }
            if Instant::now() > end {
                self.give_up(&format!("{what}: it never came to that"));
            }
            match self.lines.recv_timeout(GLANCE) {
                Ok(line) => self.seen.push(line),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => self.give_up("the host ended"),
            }
        }
    }

    /// Shows every further line of its terminal until it ends.
    pub fn follow(&mut self, show: impl Fn(&str)) {
        while let Ok(line) = self.lines.recv() {
            show(&line);
        }
    }

    fn give_up(&mut self, why: &str) -> ! {
        let _ = self.child.kill();
        let errors = self
            .errors
            .take()
            .map(|errors| errors.join().unwrap())
            .unwrap_or_default();
        panic!(
            "{why}\n--- stdout\n{}\n--- stderr\n{errors}",
            self.seen.join("\n")
        );
    }

    /// Posts to the ingest: the status and the body.
    pub fn post(&self, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> (u16, Value) {
        post(&self.events, headers, body.as_ref())
    }

    /// Posts one structured event of type `test.scripted.*`, and expects a 202.
    pub fn script(&self, id: &str, data: Value) {
        let (status, body) = self.post(&[STRUCTURED], scripted_event(id, &data).to_string());
        assert_eq!(status, 202, "{body}");
    }

    /// Asks the admin API.
    pub fn get(&self, path: &str) -> Value {
        let url = format!("{}{path}", self.admin);
        let mut response = self.agent.get(url).call().unwrap();
        let text = read(&mut response);
        assert_eq!(response.status(), 200, "{path}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    /// All events of the journal, oldest first.
    pub fn journal(&self) -> Vec<Value> {
        let mut events = Vec::new();
        self.each_event(|event| events.push(event.clone()));
        events.reverse();
        events
    }

    /// Shows each event of the journal, newest first.
    pub fn each_event(&self, mut show: impl FnMut(&Value)) {
        let mut before = String::new();
        loop {
            let page = self.get(&format!("/api/events?limit=1000{before}"));
            let page = page.as_array().unwrap();
            let Some(last) = page.last() else { break };
            before = format!("&before={}", last["sequence"]);
            page.iter().for_each(&mut show);
        }
    }

    /// Waits until every handler has come to the end of the journal and nothing
    /// waits for another attempt. Gives up only when nothing moves any more.
    pub fn wait_until_settled(&mut self) {
        let mut last = Value::Null;
        let mut moved = Instant::now();
        loop {
            let newest = self.get("/api/events?limit=1")[0]["sequence"].clone();
            let handlers = self.get("/api/handlers");
            let rows = handlers.as_array().unwrap();
            let is_settled = rows
                .iter()
                .all(|row| row["cursor"] == newest && row["waiting"] == 0 && row["behind"] == 0);
            let now = json!([newest, handlers]);
            // A delivery may go from running to waiting between two numbers of
            // one answer, so only two answers alike tell that all is settled.
            if now != last {
                (last, moved) = (now, Instant::now());
            } else if is_settled {
                return;
            } else if moved.elapsed() > PATIENCE {
                self.give_up(&format!("it does not come to rest: {last}"));
            }
            match self.lines.recv_timeout(GLANCE) {
                Ok(_) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => self.give_up("the host ended"),
            }
        }
    }

    /// The events of a type, oldest first.
    pub fn of_type(&self, event_type: &str) -> Vec<Value> {
        let all = self
            .journal()
            .into_iter()
            .map(|entry| entry["event"].clone());
        all.filter(|event| event["type"] == event_type).collect()
    }

    /// A handler as the admin API shows it.
    pub fn handler(&self, name: &str) -> Value {
        let handlers = self.get("/api/handlers");
        let found = handlers
            .as_array()
            .unwrap()
            .iter()
            .find(|handler| handler["name"] == name);
        found.cloned().unwrap_or(Value::Null)
    }

    /// The tree of an event.
    pub fn tree(&self, id: &str) -> Value {
        self.get(&format!("/api/events/tree?id={id}"))[0].clone()
    }

    /// The delivery of an event to a handler, with its attempts, once it is in a
    /// state.
    pub fn wait_for_delivery(&mut self, id: &str, handler: &str, state: &str) -> Value {
        self.wait_until(&format!("{id} for {handler} is {state}"), |host| {
            let tree = host.tree(id);
            let deliveries = tree["deliveries"].as_array().unwrap();
            deliveries
                .iter()
                .find(|delivery| delivery["handler"] == handler && delivery["state"] == state)
                .cloned()
        })
    }

    /// A verb of the command line, asking this host.
    pub fn cli(&self, arguments: &[&str]) -> Output {
        waystation()
            .args(arguments)
            .env("WAYSTATION_ADMIN", &self.admin)
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// The JSON that a verb prints.
    pub fn cli_json(&self, arguments: &[&str]) -> Value {
        let output = self.cli(&[arguments, &["--output", "json"]].concat());
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {errors}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// SIGKILL: no chance to say goodbye.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        let sent = Command::new("kill")
            .args(["-s", name, &pid])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    /// SIGTERM, and waits for the end: the exit status and what it wrote to stderr.
    pub fn stop(mut self) -> (ExitStatus, String) {
        self.signal("TERM");
        self.ended()
    }

    /// Waits for the end.
    pub fn ended(&mut self) -> (ExitStatus, String) {
        let status = self.child.wait().unwrap();
        let errors = self
            .errors
            .take()
            .map(|errors| errors.join().unwrap())
            .unwrap_or_default();
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        self.seen.extend(self.lines.try_iter());
        (status, errors)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub const STRUCTURED: (&str, &str) = ("content-type", "application/cloudevents+json");
pub const BATCH: (&str, &str) = ("content-type", "application/cloudevents-batch+json");

/// An event for the `scripted` fixture.
pub fn scripted_event(id: &str, data: &Value) -> Value {
    json!({
        "specversion": "1.0", "id": id, "source": "/test", "type": "test.scripted.v1",
        "data": data,
    })
}

/// A client that hands errors over as answers.
fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(PATIENCE))
        .build()
        .into()
}

/// The body of an answer, however large.
fn read(response: &mut ureq::http::Response<ureq::Body>) -> String {
    let body = response.body_mut().with_config().limit(u64::MAX);
    body.read_to_string().unwrap()
}

/// Hands every line over as it comes, and gives back all of them at the end.
fn read_lines(from: impl Read + Send + 'static, to: Sender<String>) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut text = String::new();
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            text.push_str(&line);
            text.push('\n');
            // The test may have seen enough.
            let _ = to.send(line);
        }
        text
    })
}

/// Posts to a URL: the status and the body.
pub fn post(url: &str, headers: &[(&str, &str)], body: &[u8]) -> (u16, Value) {
    let mut request = agent().post(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut response = request.send(body).unwrap();
    let text = read(&mut response);
    (
        response.status().as_u16(),
        serde_json::from_str(&text).unwrap_or(Value::String(text)),
    )
}
