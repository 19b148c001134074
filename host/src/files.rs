//! How many files, connections among them, the system lets the host open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use waystation_core::limits;

/// The connections that each of two listeners may serve at once.
///
/// Lets the host open as many files as it may, and takes fewer connections than
/// [`HTTP_CONNECTIONS_MAX`](limits::HTTP_CONNECTIONS_MAX), with a warning, where
/// that is too few.
pub fn connections_max() -> usize {
    let files = raise();
    let connections = share(files);
    if connections < limits::HTTP_CONNECTIONS_MAX {
        tracing::warn!(
            files,
            connections,
            "this process may open few files, so each listener serves fewer connections at once; \
             raise the limit (`ulimit -n`, `LimitNOFILE=` of systemd)"
        );
    }
    connections
}

/// Raises the limit to the highest that needs no privilege, and gives it back.
fn raise() -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let highest = Rlimit {
        current: maximum,
        maximum,
    };
    let files = match setrlimit(Resource::Nofile, highest) {
        Ok(()) => maximum,
        Err(error) => {
            tracing::warn!("the limit on open files stays as it is: {error}");
            current
        }
    };
    // None is no limit.
    files.unwrap_or(u64::MAX)
}

fn share(files: u64) -> usize {
    let each = files.saturating_sub(limits::FILES_RESERVED) / 2;
    usize::try_from(each)
        .unwrap_or(usize::MAX)
        .clamp(limits::HTTP_CONNECTIONS_MIN, limits::HTTP_CONNECTIONS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(files: u64, expected: usize) {
        assert_eq!(share(files), expected, "{files}");
    }

    #[test]
    fn the_connections_fit_into_the_files() {
        check(u64::MAX, limits::HTTP_CONNECTIONS_MAX);
        check(20_000, limits::HTTP_CONNECTIONS_MAX);
        check(1_024, 384);
        check(0, limits::HTTP_CONNECTIONS_MIN);
    }

    #[test]
    fn the_limit_is_raised_as_far_as_it_may_be() {
        let before = getrlimit(Resource::Nofile);
        let lower = Rlimit {
            current: before.maximum.map(|files| files - 1).or(Some(4_096)),
            ..before
        };
        setrlimit(Resource::Nofile, lower).unwrap();
        let files = raise();
        let after = getrlimit(Resource::Nofile);
        assert_eq!(after.current, after.maximum);
        assert_eq!(files, after.current.unwrap_or(u64::MAX));
    }
}
