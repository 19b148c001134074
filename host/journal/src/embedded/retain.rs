//! Dropping what is old, in steps between which others have their turn.

use waystation_core::{HandlerName, Sequence, Timestamp, limits};

use super::Embedded;
use super::change::Size;
use super::retention::{self, Room, Standing};
use crate::{Error, Retained, Retention};

/// What may go: events up to `floor` that were accepted at `before` or earlier,
/// until the journal fills no more than `down_to` bytes.
#[derive(Clone, Copy)]
struct Sweep {
    floor: Sequence,
    before: Timestamp,
    down_to: u64,
}

/// What a sweep dropped.
#[derive(Default)]
struct Swept {
    events: u64,
    /// The newest of them; 0 if there is none.
    newest: Sequence,
}

impl Embedded {
    pub(super) async fn drop_old(
        &self,
        retention: Retention,
        counted: &[HandlerName],
    ) -> Result<Retained, Error> {
        let now = self.clock.now();
        let standing = self.readers.read(Standing::of).await?;
        let of_counted = standing.floor(|handler| counted.contains(handler));
        let of_all = standing.floor(|_| true);
        let by_age = Sweep {
            floor: of_counted,
            before: now.before(retention.age.max(limits::DEDUPE_WINDOW)),
            down_to: 0,
        };
        let by_size = Sweep {
            floor: of_all,
            before: now.before(limits::DEDUPE_WINDOW),
            down_to: retention.bytes,
        };
        let aged = self.sweep(by_age, now).await?;
        let done = self.sweep(by_size, now).await?;
        let mut lost = Swept::default();
        if of_all < of_counted {
            let by_size = Sweep {
                floor: of_counted,
                ..by_size
            };
            lost = self.sweep(by_size, now).await?;
        }
        let given_back = self.give_back().await?;
        let bytes = self.room().await?.bytes_used();
        let full = bytes > retention.bytes;
        self.set_full(full.then_some(retention.bytes));
        Ok(Retained {
            dropped: aged.events + done.events + lost.events,
            given_back,
            bytes,
            full,
            lost_to_age: standing.before(aged.newest),
            lost_to_room: standing.before(lost.newest),
            last: standing.last(counted),
        })
    }

    /// Drops what may go.
    async fn sweep(&self, sweep: Sweep, now: Timestamp) -> Result<Swept, Error> {
        let Sweep {
            floor,
            before,
            down_to,
        } = sweep;
        let (mut swept, mut after) = (Swept::default(), Sequence(0));
        while self.room().await?.bytes_used() > down_to {
            let batch = self
                .readers
                .read(move |connection| retention::batch(connection, after, floor, before, now))
                .await?;
            let Some(last) = batch.last else {
                break;
            };
            after = last;
            let Some(newest) = batch.droppable.last().copied() else {
                continue;
            };
            let size = Size {
                operations: batch.droppable.len(),
                bytes: 0,
            };
            let change =
                move |group: &mut super::group::Group<'_>| group.drop_events(&batch.droppable);
            swept.events += self.write(size, change).await?;
            swept.newest = newest;
        }
        Ok(swept)
    }

    /// Gives the room of what was dropped back to the system, and gives back the
    /// number of bytes.
    async fn give_back(&self) -> Result<u64, Error> {
        let before = self.room().await?;
        let mut left = before.surplus();
        while left > 0 {
            let pages = left.min(limits::RETENTION_STEP_PAGES);
            left -= pages;
            let size = Size {
                operations: limits::RETENTION_BATCH_EVENTS,
                bytes: 0,
            };
            let is_last = left == 0;
            self.write(size, move |group| group.give_back(pages, is_last))
                .await?;
        }
        let after = self.room().await?;
        Ok(before.pages.saturating_sub(after.pages) * before.page_bytes)
    }

    async fn room(&self) -> Result<Room, Error> {
        self.readers.read(Room::of).await
    }
}
