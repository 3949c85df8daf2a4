//! What nobody can guess.

use std::fmt;

use anyhow::Context as _;
use pxkit_core::format::Digest;
use rustix::rand::{GetRandomFlags, getrandom};
use subtle::ConstantTimeEq as _;

/// 256 random bits, as 64 hexadecimal digits.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// A new one.
    ///
    /// # Errors
    /// The system has no random bytes.
    pub fn new() -> anyhow::Result<Self> {
        let mut bytes = [0; 32];
        let mut filled = 0;
        while filled < bytes.len() {
            filled += getrandom(&mut bytes[filled..], GetRandomFlags::empty())
                .context("the system hands out no random bytes")?;
        }
        Ok(Self(Digest(bytes).to_string()))
    }

    /// Whether somebody knows it. How long that takes does not depend on where a guess is wrong.
    pub fn is(&self, guess: &str) -> bool {
        self.0.as_bytes().ct_eq(guess.as_bytes()).into()
    }

    /// For those who may know it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_secret_is_right() {
        let secret = Secret::new().unwrap();
        let text = secret.reveal().to_owned();
        assert_eq!(text.len(), 64);
        assert!(secret.is(&text));
        assert!(!secret.is("") && !secret.is(&text[..63]) && !secret.is(&format!("{text}0")));
        assert!(!secret.is(&text.to_uppercase()) || text == text.to_uppercase());
        assert!(!secret.is(Secret::new().unwrap().reveal()));
        assert!(!format!("{secret:?}").contains(&text));
    }
}
