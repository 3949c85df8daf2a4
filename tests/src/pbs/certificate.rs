//! Certificates of the server.

use std::fmt::Write as _;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use sha2::{Digest as _, Sha256};
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// Who vouches for the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Vouch {
    /// Nobody.
    #[default]
    Itself,
    /// An authority of the test, of which clients may be told, with one certificate between.
    Authority,
}

/// A certificate with all that goes with it.
pub struct Certificate {
    pub config: Arc<ServerConfig>,
    /// SHA-256 of the leaf.
    pub fingerprint: String,
    /// The last certificate of the chain, for those who are to trust it.
    pub root: String,
}

/// A fingerprint as people see it.
pub fn fingerprint(der: &[u8]) -> String {
    let mut text = String::new();
    for byte in Sha256::digest(der) {
        let separator = if text.is_empty() { "" } else { ":" };
        write!(text, "{separator}{byte:02x}").expect("a string");
    }
    text
}

impl Certificate {
    /// Makes a new one for `localhost` and 127.0.0.1.
    pub fn new(vouch: Vouch) -> Self {
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
        let leaf = CertificateParams::new(names).expect("names");
        let key = KeyPair::generate().expect("a key");
        let (chain, root) = match vouch {
            Vouch::Itself => {
                let leaf = leaf.self_signed(&key).expect("a certificate");
                let pem = leaf.pem();
                (vec![leaf.der().clone()], pem)
            }
            Vouch::Authority => {
                let authority = |name: &str| {
                    let mut params = CertificateParams::new([]).expect("no names");
                    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
                    params.distinguished_name.push(rcgen::DnType::CommonName, name);
                    params
                };
                let new_key = || KeyPair::generate().expect("a key");
                let root =
                    CertifiedIssuer::self_signed(authority("pxkit test root"), new_key()).expect("a root");
                let between = CertifiedIssuer::signed_by(authority("pxkit test between"), new_key(), &root)
                    .expect("a certificate");
                let leaf = leaf.signed_by(&key, &between).expect("a certificate");
                (vec![leaf.der().clone(), between.der().clone()], root.pem())
            }
        };
        let fingerprint = fingerprint(&chain[0]);
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let chain: Vec<CertificateDer<'static>> = chain.into_iter().map(|der| der.into_owned()).collect();
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .expect("protocol versions")
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .expect("a certificate and its key");
        Self { config: Arc::new(config), fingerprint, root }
    }
}
