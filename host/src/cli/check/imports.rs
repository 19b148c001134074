//! What the imports of a component are for.

use waystation_runtime::Surface;

use super::report::Group;

/// The names begin with these, and are for that.
const PURPOSES: [(&str, &str); 11] = [
    ("waystation:events/", "the event"),
    ("wasi:logging/", "log lines"),
    ("wasi:keyvalue/", "durable state"),
    ("wasi:config/", "configuration and secrets"),
    ("wasi:http/", "outbound HTTP"),
    ("wasi:clocks/", "the time"),
    ("wasi:random/", "random numbers"),
    ("wasi:cli/", LANGUAGE),
    ("wasi:filesystem/", LANGUAGE),
    ("wasi:io/", LANGUAGE),
    ("wasi:sockets/", LANGUAGE),
];

/// What the library of a language links, whether it is used or not. It reaches
/// nothing.
const LANGUAGE: &str = "its language's library";

/// What a host does not have.
const UNKNOWN: &str = "not offered by this host";

/// The imports, those for one thing together.
pub fn grouped(names: &[String]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for name in names {
        let purpose = PURPOSES.iter().find(|(start, _)| name.starts_with(start));
        let what = match purpose {
            Some((_, what)) if Surface::is_offered(name) => what,
            _ => UNKNOWN,
        };
        match groups.iter_mut().find(|group| group.what == what) {
            Some(group) => group.names.push(name.clone()),
            None => groups.push(Group {
                what,
                names: vec![name.clone()],
            }),
        }
    }
    let rank = |group: &Group| PURPOSES.iter().position(|(_, what)| *what == group.what);
    groups.sort_by_key(|group| rank(group).unwrap_or(PURPOSES.len()));
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_for_one_thing_stand_together() {
        let names = [
            "wasi:io/streams@0.2.6",
            "acme:ledger/accounts",
            "wasi:cli/stdout@0.2.6",
            "wasi:logging/logging@0.1.0-draft",
            "wasi:http/incoming-handler@0.2.0",
        ];
        let groups = grouped(&names.map(str::to_owned));
        let found: Vec<(&str, usize)> = groups
            .iter()
            .map(|group| (group.what, group.names.len()))
            .collect();
        assert_eq!(found, [("log lines", 1), (LANGUAGE, 2), (UNKNOWN, 2)]);
    }
}
