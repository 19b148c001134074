//! What a handler reaches beyond its event, through the host's interfaces. What
//! a handler does not use is not imported by its component.

use std::time::SystemTime;

use super::bindings::wasi::config::store as config;
use super::bindings::wasi::keyvalue::{atomics, store};
use super::bindings::wasi::random::random;
use super::http;
use crate::StateError;
use crate::http::{HttpFault, Parts, Received};

/// The host.
#[derive(Clone, Debug)]
pub struct Outside;

/// A namespace of state.
#[derive(Debug)]
pub struct Bucket(store::Bucket);

impl Outside {
    pub fn open(&self, namespace: &str) -> Result<Bucket, StateError> {
        store::open(namespace)
            .map(Bucket)
            .map_err(|error| match error {
                store::Error::AccessDenied | store::Error::NoSuchStore => {
                    StateError::Denied(namespace.to_owned())
                }
                other => host(other),
            })
    }

    pub fn config(&self, key: &str) -> Result<Option<String>, String> {
        config::get(key).map_err(|error| match error {
            config::Error::Upstream(why) | config::Error::Io(why) => why,
        })
    }

    pub fn send(&self, request: &Parts<'_>) -> Result<Received, HttpFault> {
        http::send(request)
    }

    pub fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    pub fn random_bytes(&self, bytes: &mut [u8]) {
        let drawn = random::get_random_bytes(bytes.len() as u64);
        for (byte, drawn) in bytes.iter_mut().zip(drawn) {
            *byte = drawn;
        }
    }
}

impl Bucket {
    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StateError> {
        self.0.get(key).map_err(host)
    }

    pub fn set(&self, key: &str, value: &[u8]) -> Result<(), StateError> {
        self.0.set(key, value).map_err(host)
    }

    pub fn delete(&self, key: &str) -> Result<(), StateError> {
        self.0.delete(key).map_err(host)
    }

    pub fn increment(&self, key: &str, by: u64) -> Result<u64, StateError> {
        atomics::increment(&self.0, key, by).map_err(host)
    }

    pub fn keys(&self) -> Result<Vec<String>, StateError> {
        let mut keys = Vec::new();
        let mut cursor = None;
        loop {
            let page = self.0.list_keys(cursor).map_err(host)?;
            keys.extend(page.keys);
            cursor = page.cursor;
            if cursor.is_none() {
                return Ok(keys);
            }
        }
    }
}

fn host(error: store::Error) -> StateError {
    StateError::Host(match error {
        store::Error::NoSuchStore => "there is no such namespace".to_owned(),
        store::Error::AccessDenied => "access is denied".to_owned(),
        store::Error::Other(why) => why,
    })
}
