//! Redis Streams: a stream with a consumer group, kept in the append-only file.

use std::process::Command;

use super::{Lines, Peer, Server, event};
use crate::cpu::{Took, Whose};

/// The entries that are asked for at once.
const READ: u64 = 64;

pub struct Redis {
    server: Server,
    control: Lines,
}

/// Starts a server that syncs its file so often.
pub fn start(appendfsync: &str) -> Redis {
    let server = Server::start(|_, port| {
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--port", &port.to_string()]);
        command.args(["--save", "", "--appendonly", "yes"]);
        command.args(["--appendfsync", appendfsync]);
        command
    });
    let control = Lines::connect(server.address);
    Redis { server, control }
}

impl Peer for Redis {
    fn pid(&self) -> u32 {
        self.server.child.id()
    }

    fn publisher(&self) -> Box<dyn FnMut(u64) + Send> {
        let mut connection = Lines::connect(self.server.address);
        Box::new(move |number| {
            let event = event(number);
            connection.send(&command(&["XADD", "bench", "*", "event", &event]));
            let answer = read(&mut connection);
            assert!(matches!(answer, Answer::Text(_)), "{answer:?}");
        })
    }

    fn stored(&mut self) -> u64 {
        self.control.send(&command(&["XLEN", "bench"]));
        read(&mut self.control).number()
    }

    fn consume(&mut self, events: u64) -> (u64, Took) {
        let connection = &mut self.control;
        connection.send(&command(&["XGROUP", "CREATE", "bench", "work", "0"]));
        read(connection);
        let count = READ.to_string();
        let next = command(&[
            "XREADGROUP",
            "GROUP",
            "work",
            "one",
            "COUNT",
            &count,
            "STREAMS",
            "bench",
            ">",
        ]);
        let span = Whose::Process(self.server.child.id()).begin();
        let mut taken = 0;
        while taken < events {
            connection.send(&next);
            let ids = read(connection).ids();
            let acks = ids.iter().map(|id| command(&["XACK", "bench", "work", id]));
            connection.send(&acks.collect::<Vec<_>>().concat());
            for _ in &ids {
                assert_eq!(read(connection).number(), 1);
            }
            taken += ids.len() as u64;
        }
        (taken, span.end())
    }
}

fn command(words: &[&str]) -> Vec<u8> {
    let mut text = format!("*{}\r\n", words.len());
    for word in words {
        text.push_str(&format!("${}\r\n{word}\r\n", word.len()));
    }
    text.into_bytes()
}

#[derive(Debug)]
enum Answer {
    Text(String),
    Number(u64),
    List(Vec<Self>),
}

impl Answer {
    fn number(&self) -> u64 {
        match self {
            Self::Number(number) => *number,
            other => panic!("{other:?}"),
        }
    }

    fn list(&self) -> &[Self] {
        match self {
            Self::List(list) => list,
            other => panic!("{other:?}"),
        }
    }

    fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            other => panic!("{other:?}"),
        }
    }

    /// The ids of the entries of one stream: a list of streams, each a name and a
    /// list of entries, each an id and its fields.
    fn ids(&self) -> Vec<String> {
        let entries = self.list()[0].list()[1].list();
        let ids = entries.iter().map(|entry| entry.list()[0].text());
        ids.map(str::to_owned).collect()
    }
}

fn read(connection: &mut Lines) -> Answer {
    let line = connection.line();
    let (kind, rest) = line.split_at(1);
    let rest = rest.to_owned();
    match kind {
        "+" => Answer::Text(rest),
        ":" => Answer::Number(rest.parse().unwrap()),
        "$" => {
            let bytes = connection.bytes(rest.parse().unwrap());
            connection.bytes(2);
            Answer::Text(String::from_utf8(bytes).unwrap())
        }
        "*" => {
            let count: usize = rest.parse().unwrap();
            Answer::List((0..count).map(|_| read(connection)).collect())
        }
        _ => panic!("{kind}{rest}"),
    }
}
