//! The token that a host asks for.

use std::env::{self, VarError};
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};

use waystation_folder::SecretSource;

use super::exit::Failure;
use crate::token;

/// The variable of the environment that may hold the token.
const VARIABLE: &str = "WAYSTATION_TOKEN";

/// What to do when a host asks for a token.
pub const HINT: &str = "give the token of the host with --token-file or WAYSTATION_TOKEN";

/// Where the token is.
#[derive(Clone, Debug, clap::Args)]
pub struct Credentials {
    /// A file with the token that the host asks for [env: WAYSTATION_TOKEN, the
    /// token itself]
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

/// A token as it is shown to a host.
pub struct Bearer(String);

impl Credentials {
    /// The token, if there is one: that of the file before that of the
    /// environment.
    pub fn token(&self) -> Result<Option<Bearer>, Failure> {
        if let Some(path) = &self.token_file {
            let secret = SecretSource::File(path.clone()).read(Path::new(""));
            let secret = secret.map_err(|problem| anyhow!("--token-file: {problem}"))?;
            let token = Bearer::new(secret.reveal())
                .with_context(|| format!("cannot use the token in `{}`", path.display()))?;
            return Ok(Some(token));
        }
        let unusable = || format!("cannot use the token in {VARIABLE}");
        match env::var(VARIABLE) {
            Ok(text) => Ok(Some(Bearer::new(&text).with_context(unusable)?)),
            Err(VarError::NotPresent) => Ok(None),
            Err(VarError::NotUnicode(_)) => Err(anyhow!("{VARIABLE} is not text").into()),
        }
    }
}

impl Bearer {
    fn new(text: &str) -> Result<Self, token::TokenError> {
        token::check(text)?;
        Ok(Self(format!("Bearer {text}")))
    }

    /// The value of the header Authorization.
    pub fn header(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bearer(..)")
    }
}
