//! The task that keeps the handlers in service what the folder says.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::{Notify, Semaphore, mpsc, watch};
use tokio::task::{self, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};
use waystation_core::{Clock, Digest, HandlerName, limits};

use crate::approvals::Approvals;
use crate::board::Board;
use crate::entry::Entry;
use crate::handle::{Answer, Approval};
use crate::judge::{Case, Judgement, Verdict};
use crate::listing::{self, Listing, Marks};
use crate::settling::{Reading, Settling};
use crate::snapshot::Paths;
use crate::status::Quarantine;
use crate::strays::Strays;
use crate::watch::Watch;
use crate::{ApproveError, Error, Handle, Loader, Options};

/// The handlers folder.
pub struct Folder<L: Loader> {
    options: Options,
    clock: Arc<dyn Clock>,
    loader: Arc<L>,
    entries: BTreeMap<HandlerName, Entry<L::Component>>,
    strays: Strays,
    /// When the folder was last listed.
    listed: Instant,
    watch: Watch,
    hints: Arc<Notify>,
    tasks: JoinSet<Judgement<L::Component>>,
    /// What each task works on.
    working: HashMap<task::Id, Work>,
    approvals: Arc<Approvals>,
    /// What the operator lets in.
    approving: mpsc::Receiver<Approval>,
    permits: Arc<Semaphore>,
    board: Board,
    stop: watch::Receiver<bool>,
}

/// What a task works on.
struct Work {
    handler: HandlerName,
    /// How its files read.
    reading: Reading,
    /// What the operator lets in, and who waits to hear of it.
    approving: Option<(Quarantine, Answer)>,
}

impl<L: Loader> Folder<L> {
    /// Finds out whether a folder can be watched, without beginning to.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn check(path: &Path) -> Result<(), Error> {
        let unreadable = |source| Error::Unreadable {
            path: path.to_owned(),
            source,
        };
        std::fs::read_dir(path).map(drop).map_err(unreadable)
    }

    /// Begins to watch a folder, in a task of its own.
    ///
    /// # Errors
    /// The folder cannot be read, or the approvals. Later on the former is logged,
    /// and the handlers go on serving.
    pub async fn start(
        options: Options,
        clock: Arc<dyn Clock>,
        loader: Arc<L>,
    ) -> Result<Handle, Error> {
        let hints = Arc::new(Notify::new());
        let board = Board::new();
        let (stopper, stop) = watch::channel(false);
        let (approve, approving) = mpsc::channel(limits::APPROVALS_WAITING_MAX);
        let approvals = Arc::new(Approvals::open(&options.approvals)?);
        let handle = Handle {
            view: board.view(),
            notices: board.notices(),
            stop: Arc::new(stopper),
            approvals: approve,
        };
        let mut folder = Self {
            clock,
            loader,
            entries: BTreeMap::new(),
            strays: Strays::default(),
            listed: Instant::now(),
            watch: Watch::new(options.path.clone(), Arc::clone(&hints)),
            hints,
            tasks: JoinSet::new(),
            working: HashMap::new(),
            approvals,
            approving,
            permits: Arc::new(Semaphore::new(limits::LOADS_AT_ONCE_MAX)),
            board,
            stop,
            options,
        };
        let listing = folder.read().await.map_err(|source| Error::Unreadable {
            path: folder.options.path.clone(),
            source,
        })?;
        let wake = folder.take(listing);
        tokio::spawn(folder.run(wake));
        Ok(handle)
    }

    /// Waits for whatever comes next until it is to stop.
    async fn run(mut self, mut wake: Instant) {
        // Hints come in bursts, and a listing soon after the last says little.
        let apart = self.options.settle / 4;
        loop {
            tokio::select! {
                // It changes once, or all handles are gone.
                _ = self.stop.changed() => break,
                Some(ended) = self.tasks.join_next_with_id() => {
                    wake = wake.min(self.conclude(ended).unwrap_or(wake));
                }
                Some(approval) = self.approving.recv() => self.approve(approval),
                () = self.hints.notified() => wake = wake.min(self.listed + apart),
                () = sleep_until(wake) => wake = self.list().await,
            }
        }
        self.tasks.shutdown().await;
    }

    /// Lists the folder. Gives the moment to do so again.
    async fn list(&mut self) -> Instant {
        let folder = self.options.path.display();
        match self.read().await {
            Ok(listing) => {
                if self.board.show_unreadable(None) {
                    tracing::info!(%folder, "the handlers folder can be read again");
                }
                self.take(listing)
            }
            Err(error) => {
                if self.board.show_unreadable(Some(error.to_string())) {
                    tracing::warn!(%folder, %error, "the handlers folder cannot be read; its handlers go on");
                }
                self.listed = Instant::now();
                self.listed + self.options.rescan
            }
        }
    }

    async fn read(&self) -> io::Result<Listing> {
        let path = self.options.path.clone();
        task::spawn_blocking(move || listing::read(&path))
            .await
            .map_err(io::Error::other)?
    }

    /// Acts on a listing. Gives the moment to list again.
    fn take(&mut self, listing: Listing) -> Instant {
        let now = Instant::now();
        self.listed = now;
        self.watch.follow(&listing.identity);
        let Listing {
            handlers,
            mut strays,
            ..
        } = listing;

        strays.extend(self.admit(&handlers, now));
        let mut wake = now + self.options.rescan;
        let mut ripe = Vec::new();
        for (name, entry) in &mut self.entries {
            let reading = handlers.get(name).copied();
            match entry.settling.observe(reading, now) {
                Some(due) if due > now => wake = wake.min(due),
                Some(_) if !entry.busy => ripe.push((name.clone(), reading)),
                _ => {}
            }
        }
        for (name, reading) in ripe {
            self.act(name, reading, None);
        }
        self.show_loaded();
        let due = self.strays.observe(strays, now, self.options.settle);
        self.board.show_strays(self.strays.told());
        wake.min(due.unwrap_or(wake))
    }

    /// Takes in the handlers that are new. Gives those for which there is no room,
    /// as strays.
    fn admit(
        &mut self,
        handlers: &BTreeMap<HandlerName, Marks>,
        now: Instant,
    ) -> BTreeMap<String, String> {
        let mut strays = BTreeMap::new();
        for (name, marks) in handlers {
            if self.entries.contains_key(name) {
                continue;
            }
            if self.make_room() {
                let settling = Settling::new(*marks, now, (&self.options).into());
                let entry = Entry::new(settling);
                self.board.show(entry.status(name));
                self.entries.insert(name.clone(), entry);
            } else {
                let reason = format!("there are {} handlers already", limits::HANDLERS_MAX);
                strays.insert(format!("{name}.wasm"), reason);
            }
        }
        strays
    }

    /// Whether one more handler can be known. One that is retired gives way.
    fn make_room(&mut self) -> bool {
        if self.entries.len() < limits::HANDLERS_MAX {
            return true;
        }
        let mut entries = self.entries.iter();
        let retired = entries.find(|(_, entry)| entry.retired);
        let Some(name) = retired.map(|(name, _)| name.clone()) else {
            return false;
        };
        self.forget(&name);
        true
    }

    /// Judges files that stood still, or retires a handler whose component is
    /// gone for good.
    fn act(
        &mut self,
        name: HandlerName,
        reading: Reading,
        approving: Option<(Quarantine, Answer)>,
    ) {
        let Some(entry) = self.entries.get_mut(&name) else {
            return;
        };
        let loader = Arc::clone(&self.loader);
        let task = match reading {
            Some(marks) => {
                let case = Case {
                    paths: Paths::new(&self.options.path, &name),
                    handler: name.clone(),
                    marks,
                    serving: entry.serving.clone(),
                    loaded: entry.loaded.clone(),
                    kept_out: entry.kept_out.as_ref().map(|(version, _)| *version),
                    approvals: Arc::clone(&self.approvals),
                    consent: self.options.consent,
                    approved: approving.as_ref().map(|(quarantine, _)| quarantine.clone()),
                };
                let (clock, permits) = (Arc::clone(&self.clock), Arc::clone(&self.permits));
                self.tasks.spawn(async move {
                    let _permit = permits.acquire_owned().await;
                    case.judge(loader.as_ref(), clock.as_ref()).await
                })
            }
            None if entry.serving.is_some() => {
                let handler = name.clone();
                self.tasks.spawn(async move {
                    loader.retire(&handler).await;
                    Verdict::Retired.into()
                })
            }
            None if entry.retired => {
                entry.settling.judge(None);
                return;
            }
            None => return self.forget(&name),
        };
        entry.busy = true;
        let work = Work {
            handler: name,
            reading,
            approving,
        };
        self.working.insert(task.id(), work);
    }

    /// Begins to let in what the operator approves, if it is what is quarantined.
    fn approve(&mut self, approval: Approval) {
        let Approval {
            handler,
            digest,
            answer,
        } = approval;
        match self.quarantined(&handler, digest) {
            Ok((quarantine, marks)) => {
                self.act(handler, Some(marks), Some((quarantine, answer)));
            }
            // An error means that nobody waits for it any more.
            Err(error) => drop(answer.send(Err(error))),
        }
    }

    /// What is quarantined of a handler, which must be this, and how its files
    /// read.
    fn quarantined(
        &self,
        handler: &HandlerName,
        digest: Digest,
    ) -> Result<(Quarantine, Marks), ApproveError> {
        let entry = self.entries.get(handler);
        let quarantined = entry.and_then(|entry| Some((entry, entry.quarantine()?)));
        let (entry, quarantine) =
            quarantined.ok_or_else(|| ApproveError::NotQuarantined(handler.clone()))?;
        if quarantine.digest != digest {
            return Err(ApproveError::Another {
                handler: handler.clone(),
                digest: quarantine.digest,
            });
        }
        let marks = entry.settling.judged().filter(|_| !entry.busy);
        let marks = marks.ok_or_else(|| ApproveError::Changed(handler.clone()))?;
        Ok((quarantine.clone(), marks))
    }

    /// Takes in what a task made of its handler. Gives the moment at which the
    /// handler's files count again, if they changed meanwhile.
    fn conclude(
        &mut self,
        ended: Result<(task::Id, Judgement<L::Component>), JoinError>,
    ) -> Option<Instant> {
        let (id, judgement) = ended.unwrap_or_else(|error| {
            let reason = format!("the host failed while loading it: {error}");
            (error.id(), Verdict::Refused(None, reason).into())
        });
        let work = self.working.remove(&id)?;
        let name = work.handler;
        let entry = self.entries.get_mut(&name)?;
        entry.busy = false;
        entry.settling.judge(work.reading);
        entry.loaded = judgement.loaded;
        let answer = work
            .approving
            .map(|(approved, answer)| (answer, judgement.verdict.answers(&name, approved)));
        let now = Instant::now();
        let clock = self.clock.as_ref();
        let notice = match judgement.verdict {
            Verdict::Changed => {
                entry.settling.restart(now);
                None
            }
            Verdict::NotNow(reason) => {
                entry.settling.restart(now + self.options.rescan);
                entry.refuse(&name, None, reason, clock)
            }
            Verdict::Current => entry.mend(&name),
            Verdict::KeptOutBefore => entry.keep_out_again(&name),
            Verdict::Refused(version, reason) => entry.refuse(&name, version, reason, clock),
            Verdict::Quarantined(version, asks) => {
                entry.quarantine_for(&name, version, asks, clock)
            }
            Verdict::Installed(generation, took) => Some(entry.install(&name, generation, took)),
            Verdict::Retired => entry.retire(&name),
        };
        let due = entry.settling.due();
        self.board.show(entry.status(&name));
        if let Some(notice) = notice {
            self.board.tell(notice);
        }
        if let Some((waiting, answer)) = answer {
            // An error means that nobody waits for it any more.
            drop(waiting.send(answer));
        }
        self.show_loaded();
        due
    }

    fn forget(&mut self, name: &HandlerName) {
        self.entries.remove(name);
        self.board.forget(name);
    }

    fn show_loaded(&self) {
        if !self.entries.values().any(Entry::is_pending) {
            self.board.show_loaded();
        }
    }
}
