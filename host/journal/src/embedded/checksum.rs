//! The checksum that an event is stored with.
//!
//! SQLite finds damage to the order of its file, but gives back whatever bytes a
//! row holds by now.

use crc32fast::Hasher;

use super::column::integer;
use crate::Entry;

/// The CRC-32 (that of IEEE 802.3) of all that is stored of an event. It finds
/// every flipped bit, and every run of garbled ones up to 32 bits long.
pub(super) fn of(entry: &Entry) -> u32 {
    let Entry {
        sequence,
        accepted,
        depth,
        cause,
        event,
    } = entry;
    let mut hasher = Hasher::new();
    hasher.update(&integer(sequence.0).to_le_bytes());
    hasher.update(&integer(accepted.as_millis()).to_le_bytes());
    hasher.update(&depth.to_le_bytes());
    if let Some(cause) = cause {
        add(&mut hasher, Some(cause.handler.as_str().as_bytes()));
        hasher.update(&integer(cause.sequence.0).to_le_bytes());
    }
    let texts = [
        Some(&event.source),
        Some(&event.id),
        Some(&event.event_type),
        event.subject.as_ref(),
        event.time.as_ref(),
        event.data_content_type.as_ref(),
        event.data_schema.as_ref(),
    ];
    for text in texts {
        add(&mut hasher, text.map(|text| text.as_bytes()));
    }
    for (name, value) in &event.extensions {
        add(&mut hasher, Some(name.as_bytes()));
        add(&mut hasher, Some(value.as_bytes()));
    }
    add(&mut hasher, event.data.as_deref());
    hasher.finalize()
}

/// Adds a value with its length, so that no byte of it passes for another's.
fn add(hasher: &mut Hasher, value: Option<&[u8]>) {
    let Some(bytes) = value else {
        return hasher.update(&[0]);
    };
    hasher.update(&[1]);
    hasher.update(&(bytes.len() as u64).to_le_bytes());
    hasher.update(bytes);
}
