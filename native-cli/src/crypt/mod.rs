//! Encryption on the client (datastore specification 6, 7.4, 10.3, 11 and 13). Core says what the bytes of key files, blobs and manifests
//! mean; here are the ciphers.
//!
//! | file | purpose |
//! |---|---|
//! | `key` | a key that is open: digests, encryption, signatures |
//! | `key_file` | key files: read, opened with a passphrase, made |
//! | `mode` | what a backup does with its key |
//! | `keyring` | which key a command has, and whether a snapshot may be read with it |
//! | `place` | where keys are if nobody names one |
//! | `resolve` | what a backup does with which key |
//! | `master` | RSA: the key of a backup for whoever has the master key |

mod key;
pub mod key_file;
mod keyring;
pub mod master;
mod mode;
pub mod place;
mod resolve;

pub use key::{EncryptionKey, WrongKey};
pub use keyring::{CREDENTIAL, Keyring, Origin, Refusal, Standing, VARIABLE, WithoutKey, passphrase};
pub use mode::Crypt;
pub use resolve::{Resolved, resolve};
