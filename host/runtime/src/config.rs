//! Configuration and secrets, as a guest sees them: `wasi:config/store`.

use crate::bindings::config::{Error, Host};
use crate::sandbox::Sandbox;

impl Host for Sandbox {
    /// The value of a key of the configuration, or the secret of that name.
    fn get(&mut self, key: String) -> Result<Option<String>, Error> {
        let grants = self.grants();
        let secret = || grants.secrets.get(&key).map(|secret| secret.reveal());
        let value = grants.config.get(&key).map(String::as_str);
        Ok(value.or_else(secret).map(str::to_owned))
    }

    /// All configuration. A secret is given only to whoever asks for it by name.
    fn get_all(&mut self) -> Result<Vec<(String, String)>, Error> {
        Ok(self.grants().config.clone().into_iter().collect())
    }
}
