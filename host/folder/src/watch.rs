//! Hints that something in the folder changed.
//!
//! A hint says when to look, never what is there. Where the system gives no
//! hints, the folder is listed every few seconds all the same.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;

use crate::listing::Identity;

/// The system's watch on the folder.
#[derive(Debug)]
pub(crate) struct Watch {
    path: PathBuf,
    hints: Arc<Notify>,
    /// What is watched, and by what.
    followed: Option<(Identity, Option<RecommendedWatcher>)>,
}

impl Watch {
    /// A watch that begins with the first [`follow`](Self::follow).
    pub fn new(path: PathBuf, hints: Arc<Notify>) -> Self {
        Self {
            path,
            hints,
            followed: None,
        }
    }

    /// Watches the folder to which the path leads now. A watch sticks to the
    /// folder that it began with, so a link that was swapped needs a new one.
    pub fn follow(&mut self, identity: &Identity) {
        if self.followed.as_ref().map(|(known, _)| known) == Some(identity) {
            return;
        }
        let watcher = self
            .begin(identity)
            .inspect_err(|error| {
                tracing::warn!(
                    folder = %self.path.display(), %error,
                    "the system gives no hints of changes; the folder is listed at intervals only"
                );
            })
            .ok();
        self.followed = Some((identity.clone(), watcher));
        // Something may have changed between the listing and the watch.
        self.hints.notify_one();
    }

    fn begin(&self, identity: &Identity) -> notify::Result<RecommendedWatcher> {
        let hints = Arc::clone(&self.hints);
        let mut watcher =
            notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
                if event.map_or(true, |event| is_change(event.kind)) {
                    hints.notify_one();
                }
            })?;
        for folder in folders(&self.path, identity) {
            watcher.watch(&folder, RecursiveMode::NonRecursive)?;
        }
        Ok(watcher)
    }
}

/// The folder itself; and where the path is a link, the folder in which the link
/// is and the one in which its target is: either may swap it.
fn folders(path: &Path, identity: &Identity) -> BTreeSet<PathBuf> {
    let mut folders = BTreeSet::from([identity.path.clone()]);
    if path.is_symlink() {
        folders.extend(identity.path.parent().map(Path::to_owned));
        let parent = path.parent().filter(|parent| *parent != Path::new(""));
        folders.insert(parent.unwrap_or(Path::new(".")).to_owned());
    }
    folders
}

/// Whether anything may have changed. Merely looking at the folder is an event
/// too; taken for a hint, each listing would lead to the next.
fn is_change(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(access) => access == AccessKind::Close(AccessMode::Write),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use notify::event::{CreateKind, ModifyKind, RemoveKind};

    use super::*;

    #[test]
    fn looking_is_no_hint_and_writing_is() {
        let check = |kind, hint| assert_eq!(is_change(kind), hint, "{kind:?}");
        check(EventKind::Access(AccessKind::Open(AccessMode::Any)), false);
        check(EventKind::Access(AccessKind::Read), false);
        check(
            EventKind::Access(AccessKind::Close(AccessMode::Write)),
            true,
        );
        check(EventKind::Create(CreateKind::File), true);
        check(EventKind::Modify(ModifyKind::Any), true);
        check(EventKind::Remove(RemoveKind::File), true);
        // The queue ran over, so anything may have happened.
        check(EventKind::Other, true);
    }

    #[test]
    fn a_link_is_watched_where_it_may_be_swapped() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path().canonicalize().unwrap();
        let target = home.join("releases").join("1");
        std::fs::create_dir_all(&target).unwrap();
        let identity = crate::listing::read(&target).unwrap().identity;
        let only = |folders: &[&Path]| folders.iter().map(|path| path.to_path_buf()).collect();
        assert_eq!(folders(&target, &identity), only(&[&target]));
        #[cfg(unix)]
        {
            let link = home.join("handlers");
            std::os::unix::fs::symlink(&target, &link).unwrap();
            let expected = only(&[&target, &home, &home.join("releases")]);
            assert_eq!(folders(&link, &identity), expected);
        }
    }
}
