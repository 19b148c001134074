//! The token that a listener asks for.

use std::fmt;

use subtle::ConstantTimeEq as _;
use waystation_core::{Digest, limits};

/// A token, known by its SHA-256 only: nothing in the process can give it away.
#[derive(Clone)]
pub struct Token(Digest);

/// Why a text is no token. It never holds the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is easily guessed.
    #[error(
        "the token is shorter than {min} characters, so it could be guessed; \
         `openssl rand -hex 32` makes a good one",
        min = limits::TOKEN_BYTES_MIN
    )]
    Short,
    /// It does not fit into a header.
    #[error("the token is longer than {max} characters", max = limits::TOKEN_BYTES_MAX)]
    Long,
    /// It cannot stand in a header.
    #[error("the token may hold visible ASCII characters only, and no spaces")]
    Characters,
}

impl Token {
    /// The token with this text.
    pub fn new(text: &str) -> Result<Self, TokenError> {
        check(text)?;
        Ok(Self::from_digest(Digest::of(text.as_bytes())))
    }

    /// The token whose SHA-256 this is.
    pub fn from_digest(digest: Digest) -> Self {
        Self(digest)
    }

    /// Whether this is its text. Takes the same time for any text of a length.
    pub fn matches(&self, presented: &[u8]) -> bool {
        let presented = Digest::of(presented);
        presented.as_bytes().ct_eq(self.0.as_bytes()).into()
    }
}

/// Whether a text may be a token.
pub fn check(text: &str) -> Result<(), TokenError> {
    match text.len() {
        ..limits::TOKEN_BYTES_MIN => Err(TokenError::Short),
        limits::TOKEN_BYTES_MIN..=limits::TOKEN_BYTES_MAX => text
            .bytes()
            .all(|byte| byte.is_ascii_graphic())
            .then_some(())
            .ok_or(TokenError::Characters),
        _ => Err(TokenError::Long),
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<(), TokenError>) {
        assert_eq!(Token::new(text).map(drop), expected, "{text}");
    }

    #[test]
    fn a_token_that_could_be_guessed_or_not_be_sent_is_refused() {
        check("0123456789abcdef", Ok(()));
        check("0123456789abcde", Err(TokenError::Short));
        check("", Err(TokenError::Short));
        check("0123456789 abcdef", Err(TokenError::Characters));
        check("0123456789abcdef\n", Err(TokenError::Characters));
        check("0123456789abcdéf", Err(TokenError::Characters));
        check(&"x".repeat(limits::TOKEN_BYTES_MAX), Ok(()));
        let long = "x".repeat(limits::TOKEN_BYTES_MAX + 1);
        check(&long, Err(TokenError::Long));
    }

    #[test]
    fn a_token_is_known_by_its_digest_and_shown_to_nobody() {
        let text = "0123456789abcdef";
        let token = Token::new(text).unwrap();
        assert!(token.matches(text.as_bytes()));
        assert!(!token.matches(b"0123456789abcdeg"));
        assert!(Token::from_digest(Digest::of(text.as_bytes())).matches(text.as_bytes()));
        assert_eq!(format!("{token:?}"), "Token(..)");
    }
}
