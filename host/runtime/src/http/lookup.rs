//! From the name of a host to its addresses.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::spawn_blocking;
use waystation_core::limits;

/// Finds the addresses of names.
#[async_trait]
pub trait Lookup: Send + Sync {
    /// The addresses of a name, best first.
    async fn lookup(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// Asks for the addresses of a name and blocks until there is an answer.
type Resolve = dyn Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync;

/// The lookup of the operating system.
pub(super) struct System {
    resolve: Arc<Resolve>,
    /// The places for lookups. Each keeps its own until the system answers, even
    /// if nobody waits any more.
    places: Arc<Semaphore>,
    under_way: UnderWay,
}

/// The answers to come, by name. All who ask for one name meanwhile share the
/// answer, so that a name for which none comes takes one place and no more.
type UnderWay = Arc<Mutex<HashMap<String, watch::Receiver<Option<Found>>>>>;

/// The addresses of a name, or why there are none.
type Found = Result<Vec<IpAddr>, (io::ErrorKind, String)>;

impl System {
    pub(super) fn new() -> Self {
        Self::with(|name| {
            let found = (name, 0).to_socket_addrs()?;
            Ok(found.map(|address: SocketAddr| address.ip()).collect())
        })
    }

    fn with(resolve: impl Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync + 'static) -> Self {
        Self {
            resolve: Arc::new(resolve),
            places: Arc::new(Semaphore::new(limits::OUTBOUND_LOOKUPS_MAX)),
            under_way: UnderWay::default(),
        }
    }

    fn answer_to(&self, name: &str) -> Option<watch::Receiver<Option<Found>>> {
        lock(&self.under_way).get(name).cloned()
    }

    /// Begins to look a name up, unless another did meanwhile.
    fn begin(&self, name: &str, place: OwnedSemaphorePermit) -> watch::Receiver<Option<Found>> {
        let mut under_way = lock(&self.under_way);
        if let Some(answer) = under_way.get(name) {
            return answer.clone();
        }
        let (found, answer) = watch::channel(None);
        under_way.insert(name.to_owned(), answer.clone());
        let ending = Ending {
            name: name.to_owned(),
            under_way: self.under_way.clone(),
            _place: place,
        };
        let resolve = self.resolve.clone();
        spawn_blocking(move || {
            let resolved = resolve(&ending.name);
            let resolved = resolved.map_err(|error| (error.kind(), error.to_string()));
            drop(ending);
            // Whoever asked may have given up.
            found.send(Some(resolved)).ok();
        });
        answer
    }
}

/// A lookup that runs. With it ends what it takes, however that comes.
struct Ending {
    name: String,
    under_way: UnderWay,
    _place: OwnedSemaphorePermit,
}

impl Drop for Ending {
    fn drop(&mut self) {
        lock(&self.under_way).remove(&self.name);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing between lock and unlock can leave it half changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl Lookup for System {
    async fn lookup(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let mut answer = match self.answer_to(name) {
            Some(answer) => answer,
            None => {
                let place = self.places.clone().acquire_owned().await;
                self.begin(name, place.map_err(io::Error::other)?)
            }
        };
        let found = answer.wait_for(Option::is_some).await;
        match found.map_err(io::Error::other)?.clone() {
            Some(Ok(addresses)) => Ok(addresses),
            Some(Err((kind, reason))) => Err(io::Error::new(kind, reason)),
            None => Err(io::Error::other("there is no answer")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    #[tokio::test]
    async fn a_name_without_an_answer_takes_one_place_however_many_ask() {
        let (answer, silence) = mpsc::channel();
        let silence = Mutex::new(silence);
        let asked = Arc::new(AtomicUsize::new(0));
        let system = {
            let asked = asked.clone();
            Arc::new(System::with(move |name| {
                if name == "silent" {
                    asked.fetch_add(1, Ordering::SeqCst);
                    lock(&silence).recv().map_err(io::Error::other)?;
                }
                Ok(vec![ADDRESS])
            }))
        };
        let many = (0..=limits::OUTBOUND_LOOKUPS_MAX).map(|_| {
            let system = system.clone();
            tokio::spawn(async move { system.lookup("silent").await })
        });
        let many: Vec<_> = many.collect();
        tokio::task::yield_now().await;
        let other = timeout(Duration::from_secs(30), system.lookup("other")).await;
        assert_eq!(other.unwrap().unwrap(), [ADDRESS]);
        answer.send(()).unwrap();
        for one in many {
            assert_eq!(one.await.unwrap().unwrap(), [ADDRESS]);
        }
        assert_eq!(asked.load(Ordering::SeqCst), 1);

        // The next one asks anew, and is told what went wrong.
        drop(answer);
        let error = system.lookup("silent").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Other);
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }
}
