//! The functions of `wasi:keyvalue` that a guest calls.

use bytes::Bytes;
use wasmtime::component::Resource;
use waystation_core::limits;

use super::staging::Refusal;
use crate::bindings::keyvalue::{atomics, batch, store};
use crate::sandbox::Sandbox;

/// An open namespace. It holds nothing of an attempt, so that one that a reused
/// instance keeps serves the next attempt, on what that one stages.
pub struct Bucket {
    namespace: String,
}

type Answer<T> = wasmtime::Result<Result<T, store::Error>>;

fn answer<T>(result: Result<T, Refusal>) -> Answer<T> {
    Ok(result.map_err(|refusal| store::Error::Other(refusal.to_string())))
}

impl Sandbox {
    fn namespace(&mut self, bucket: &Resource<Bucket>) -> wasmtime::Result<String> {
        Ok(self.table().get(bucket)?.namespace.clone())
    }
}

impl store::Host for Sandbox {
    /// Whether a namespace that is not granted exists is none of the guest's
    /// business, so there is no other refusal.
    async fn open(&mut self, identifier: String) -> Answer<Resource<Bucket>> {
        if !self.grants().state.contains(&identifier) {
            return Ok(Err(store::Error::AccessDenied));
        }
        let bucket = Bucket {
            namespace: identifier,
        };
        Ok(Ok(self.table().push(bucket)?))
    }
}

impl store::HostBucket for Sandbox {
    async fn get(&mut self, bucket: Resource<Bucket>, key: String) -> Answer<Option<Vec<u8>>> {
        let namespace = self.namespace(&bucket)?;
        let value = self.staging().get(&namespace, key).await;
        answer(value.map(|value| value.map(Vec::from)))
    }

    async fn set(&mut self, bucket: Resource<Bucket>, key: String, value: Vec<u8>) -> Answer<()> {
        let namespace = self.namespace(&bucket)?;
        answer(self.staging().put(&namespace, key, Some(value.into())))
    }

    async fn delete(&mut self, bucket: Resource<Bucket>, key: String) -> Answer<()> {
        let namespace = self.namespace(&bucket)?;
        answer(self.staging().put(&namespace, key, None))
    }

    async fn exists(&mut self, bucket: Resource<Bucket>, key: String) -> Answer<bool> {
        let namespace = self.namespace(&bucket)?;
        let value = self.staging().get(&namespace, key).await;
        answer(value.map(|value| value.is_some()))
    }

    async fn list_keys(
        &mut self,
        bucket: Resource<Bucket>,
        cursor: Option<u64>,
    ) -> Answer<store::KeyResponse> {
        let namespace = self.namespace(&bucket)?;
        let page = self.staging().keys(&namespace, cursor).await;
        answer(page.map(|page| store::KeyResponse {
            keys: page.keys,
            cursor: page.next,
        }))
    }

    async fn drop(&mut self, bucket: Resource<Bucket>) -> wasmtime::Result<()> {
        self.table().delete(bucket)?;
        Ok(())
    }
}

impl atomics::Host for Sandbox {
    async fn increment(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
        delta: u64,
    ) -> Answer<u64> {
        let namespace = self.namespace(&bucket)?;
        answer(self.staging().increment(&namespace, key, delta).await)
    }
}

impl batch::Host for Sandbox {
    async fn get_many(
        &mut self,
        bucket: Resource<Bucket>,
        keys: Vec<String>,
    ) -> Answer<Vec<Option<(String, Vec<u8>)>>> {
        let namespace = self.namespace(&bucket)?;
        let mut found = Vec::new();
        let mut bytes = 0;
        for key in keys {
            let value = match self.staging().get(&namespace, key.clone()).await {
                Ok(value) => value,
                Err(refusal) => return answer(Err(refusal)),
            };
            // The same key may be asked for many times, each for a copy.
            bytes += value.as_ref().map_or(0, Bytes::len);
            if bytes > limits::STATE_READ_BYTES_MAX {
                return answer(Err(Refusal::ReadBytes));
            }
            found.push(value.map(|value| (key, Vec::from(value))));
        }
        Ok(Ok(found))
    }

    async fn set_many(
        &mut self,
        bucket: Resource<Bucket>,
        key_values: Vec<(String, Vec<u8>)>,
    ) -> Answer<()> {
        let namespace = self.namespace(&bucket)?;
        let staging = self.staging();
        let mut writes = key_values.into_iter();
        answer(writes.try_for_each(|(key, value)| staging.put(&namespace, key, Some(value.into()))))
    }

    async fn delete_many(&mut self, bucket: Resource<Bucket>, keys: Vec<String>) -> Answer<()> {
        let namespace = self.namespace(&bucket)?;
        let staging = self.staging();
        let mut keys = keys.into_iter();
        answer(keys.try_for_each(|key| staging.put(&namespace, key, None)))
    }
}
