//! NATS JetStream: a stream in a file, and a durable pull consumer.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use super::{Lines, Peer, Server, event};
use crate::cpu::{Took, Whose};

pub const DEFAULT: &str = "JetStream, default";

/// The messages that are asked for at once: as many as others publish.
const PULL: u64 = 64;

#[derive(Clone, Copy)]
pub enum Syncing {
    /// Once in some minutes.
    Default,
    /// Before it acknowledges.
    Always,
}

impl Syncing {
    fn setting(self) -> &'static str {
        match self {
            Self::Default => "",
            Self::Always => "sync_interval: always",
        }
    }
}

pub struct JetStream {
    server: Server,
    control: Client,
}

/// Whether it can be told to sync before it acknowledges; since 2.10.
pub fn can_sync() -> bool {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nats.conf");
    fs::write(&path, configuration(0, Syncing::Always)).unwrap();
    let checked = Command::new("nats-server")
        .arg("-t")
        .arg("-c")
        .arg(path)
        .output();
    checked.unwrap().status.success()
}

fn configuration(port: u16, sync: Syncing) -> String {
    format!(
        "listen: '127.0.0.1:{port}'\njetstream {{\n  store_dir: 'store'\n  {}\n}}\n",
        sync.setting()
    )
}

pub fn start(sync: Syncing) -> JetStream {
    let server = Server::start(|folder, port| {
        fs::write(folder.join("nats.conf"), configuration(port, sync)).unwrap();
        let mut command = Command::new("nats-server");
        command.args(["-c", "nats.conf"]);
        command
    });
    let mut control = Client::connect(&server);
    let stream = json!({"name": "BENCH", "subjects": ["bench"], "storage": "file"});
    control.ask("$JS.API.STREAM.CREATE.BENCH", &stream);
    JetStream { server, control }
}

impl Peer for JetStream {
    fn pid(&self) -> u32 {
        self.server.child.id()
    }

    fn publisher(&self) -> Box<dyn FnMut(u64) + Send> {
        let mut client = Client::connect(&self.server);
        Box::new(move |number| {
            client.publish("bench", event(number).as_bytes());
            let answer: Value = serde_json::from_slice(&client.message().data).unwrap();
            assert!(answer["seq"].is_u64(), "{answer}");
        })
    }

    fn stored(&mut self) -> u64 {
        let answer = self.control.ask("$JS.API.STREAM.INFO.BENCH", &Value::Null);
        answer["state"]["messages"].as_u64().unwrap()
    }

    fn consume(&mut self, events: u64) -> (u64, Took) {
        let consumer = json!({
            "stream_name": "BENCH",
            "config": {"durable_name": "WORK", "ack_policy": "explicit"},
        });
        let create = "$JS.API.CONSUMER.DURABLE.CREATE.BENCH.WORK";
        self.control.ask(create, &consumer);
        let mut client = Client::connect(&self.server);
        let span = Whose::Process(self.pid()).begin();
        let mut taken = 0;
        while taken < events {
            let wanted = PULL.min(events - taken);
            let pull = json!({"batch": wanted}).to_string();
            client.publish("$JS.API.CONSUMER.MSG.NEXT.BENCH.WORK", pull.as_bytes());
            let replies: Vec<String> = (0..wanted).map(|_| client.message().reply).collect();
            client.acknowledge(&replies);
            taken += wanted;
        }
        // Acknowledgements are not answered.
        loop {
            let info = "$JS.API.CONSUMER.INFO.BENCH.WORK";
            let answer = self.control.ask(info, &Value::Null);
            if answer["num_ack_pending"] == 0 {
                return (taken, span.end());
            }
        }
    }
}

/// A connection with an inbox.
struct Client {
    lines: Lines,
    inbox: String,
}

struct Message {
    /// Where it is acknowledged.
    reply: String,
    data: Vec<u8>,
}

impl Client {
    fn connect(server: &Server) -> Self {
        let mut lines = Lines::connect(server.address);
        let hello = lines.line();
        assert!(hello.starts_with("INFO "), "{hello}");
        let inbox = format!("_INBOX.{:016x}", fastrand::u64(..));
        let begin = format!("CONNECT {{\"verbose\":false}}\r\nSUB {inbox} 1\r\nPING\r\n");
        lines.send(begin.as_bytes());
        let answer = lines.line();
        assert_eq!(answer, "PONG");
        Self { lines, inbox }
    }

    /// Publishes; what is answered comes to the inbox.
    fn publish(&mut self, subject: &str, data: &[u8]) {
        let head = format!("PUB {subject} {} {}\r\n", self.inbox, data.len());
        self.lines.send(&[head.as_bytes(), data, b"\r\n"].concat());
    }

    fn acknowledge(&mut self, replies: &[String]) {
        let acks = replies.iter();
        let acks = acks.map(|reply| format!("PUB {reply} 4\r\n+ACK\r\n"));
        self.lines.send(acks.collect::<String>().as_bytes());
    }

    /// The next message in the inbox.
    fn message(&mut self) -> Message {
        loop {
            let line = self.lines.line().to_owned();
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["PING"] => self.lines.send(b"PONG\r\n"),
                ["MSG", _, _, ref rest @ ..] => {
                    let bytes = rest.last().unwrap().parse().unwrap();
                    let data = self.lines.bytes(bytes);
                    self.lines.bytes(2);
                    let reply = rest[..rest.len() - 1].join("");
                    return Message { reply, data };
                }
                _ => panic!("{line}"),
            }
        }
    }

    /// Asks the API of JetStream.
    fn ask(&mut self, subject: &str, request: &Value) -> Value {
        let request = match request {
            Value::Null => String::new(),
            request => request.to_string(),
        };
        self.publish(subject, request.as_bytes());
        let answer: Value = serde_json::from_slice(&self.message().data).unwrap();
        assert!(answer["error"].is_null(), "{subject}: {answer}");
        answer
    }
}
