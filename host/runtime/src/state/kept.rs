//! What is kept of the state that an attempt saw.

use bytes::Bytes;
use waystation_core::{Held, StateImage, limits};

use crate::scrub::{Cut, Scrub};

/// What is kept, within its bounds and without secrets.
pub(super) struct Kept<'a> {
    scrub: &'a Scrub,
    image: StateImage,
    names_left: usize,
    values_left: usize,
    is_cut: bool,
}

impl<'a> Kept<'a> {
    pub(super) fn new(scrub: &'a Scrub) -> Self {
        Self {
            scrub,
            image: StateImage::default(),
            names_left: limits::SEEN_STATE_NAMES_BYTES_MAX,
            values_left: limits::SEEN_STATE_BYTES_MAX,
            is_cut: false,
        }
    }

    /// Keeps a value; of one for which there is no room that it is there.
    pub(super) fn value(&mut self, namespace: &str, key: &str, value: &[u8]) {
        let value = Bytes::from(self.scrub.bytes(value, Cut::Whole).into_owned());
        match self.values_left.checked_sub(value.len()) {
            Some(left) => {
                self.values_left = left;
                self.name(namespace, key, Held::Value(value));
            }
            None => {
                self.is_cut = true;
                self.name(namespace, key, Held::Unread);
            }
        }
    }

    /// Keeps what is known of a key.
    pub(super) fn name(&mut self, namespace: &str, key: &str, held: Held) {
        let [namespace, key] = [namespace, key].map(|name| self.scrub.text(name.to_owned()));
        let left = self.names_left.checked_sub(namespace.len() + key.len());
        match left {
            // Two keys may be one without their secrets.
            Some(left) if self.image.get(&namespace, &key).is_none() => {
                self.names_left = left;
                self.image.set(&namespace, &key, held);
            }
            _ => self.is_cut = true,
        }
    }

    /// What is kept, and whether that is not all.
    pub(super) fn into_image(self) -> (StateImage, bool) {
        (self.image, self.is_cut)
    }
}
