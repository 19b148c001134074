//! What is kept of the state that an attempt saw.

use bytes::Bytes;
use waystation_core::{Held, StateImage, limits};

/// What is kept, within its bounds.
pub(super) struct Kept {
    image: StateImage,
    names_left: usize,
    values_left: usize,
    is_cut: bool,
}

impl Kept {
    pub(super) fn new() -> Self {
        Self {
            image: StateImage::default(),
            names_left: limits::SEEN_STATE_NAMES_BYTES_MAX,
            values_left: limits::SEEN_STATE_BYTES_MAX,
            is_cut: false,
        }
    }

    /// Keeps a value; of one for which there is no room that it is there.
    pub(super) fn value(&mut self, namespace: &str, key: &str, value: &Bytes) {
        match self.values_left.checked_sub(value.len()) {
            Some(left) => {
                self.values_left = left;
                self.name(namespace, key, Held::Value(value.clone()));
            }
            None => {
                self.is_cut = true;
                self.name(namespace, key, Held::Unread);
            }
        }
    }

    /// Keeps what is known of a key.
    pub(super) fn name(&mut self, namespace: &str, key: &str, held: Held) {
        match self.names_left.checked_sub(namespace.len() + key.len()) {
            Some(left) => {
                self.names_left = left;
                self.image.set(namespace, key, held);
            }
            None => self.is_cut = true,
        }
    }

    /// What is kept, and whether that is not all.
    pub(super) fn into_image(self) -> (StateImage, bool) {
        (self.image, self.is_cut)
    }
}
