//! TLS: who the server must be (server protocol 3).

use std::sync::{Arc, Mutex, OnceLock};

use anyhow::{Context as _, anyhow};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use super::Fingerprint;
use crate::codec;

/// What is expected of the server, and what came.
#[derive(Debug)]
pub(super) struct Verifier {
    /// The certificate that it must have, whoever vouches for another.
    pinned: Option<Fingerprint>,
    /// What the system trusts; `None` if that is nothing.
    system: Option<Arc<WebPkiServerVerifier>>,
    algorithms: WebPkiSupportedAlgorithms,
    /// The certificate that was refused last.
    refused: Mutex<Option<Fingerprint>>,
}

impl Verifier {
    fn new(pinned: Option<Fingerprint>, provider: &Arc<CryptoProvider>) -> anyhow::Result<Self> {
        // Nobody is asked whom the system trusts where that does not count; reading it takes a while.
        let system = match pinned {
            Some(_) => None,
            None => system_roots()
                .map(|roots| WebPkiServerVerifier::builder_with_provider(roots, provider.clone()).build())
                .transpose()
                .context("cannot use the certificates that the system trusts")?,
        };
        let algorithms = provider.signature_verification_algorithms;
        Ok(Self { pinned, system, algorithms, refused: Mutex::new(None) })
    }

    /// Says why a certificate was refused, if one was.
    pub fn explain(&self) -> Option<anyhow::Error> {
        let got = self.refused.lock().unwrap_or_else(|e| e.into_inner()).take()?;
        Some(match self.pinned {
            Some(expected) => anyhow!(
                "it is not the server that was meant, or has a new certificate: expected the fingerprint {expected}, got \
                {got}; nothing was sent to it"
            ),
            None => anyhow!(
                "this system does not trust its certificate, and no fingerprint was given; it has the fingerprint {got}: \
                compare that with what the server shows (Dashboard, Show Fingerprint) and give it as \
                PBS_FINGERPRINT if it is the same"
            ),
        })
    }
}

/// What the system trusts, read once.
fn system_roots() -> Option<Arc<RootCertStore>> {
    static ROOTS: OnceLock<Option<Arc<RootCertStore>>> = OnceLock::new();
    let load = || {
        let mut roots = RootCertStore::empty();
        // What is broken among them trusts nobody.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        (!roots.is_empty()).then(|| Arc::new(roots))
    };
    ROOTS.get_or_init(load).clone()
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let got = Fingerprint(codec::digest(end_entity).0);
        let verdict = match (&self.pinned, &self.system) {
            (Some(pinned), _) if *pinned == got => Ok(ServerCertVerified::assertion()),
            (None, Some(system)) => {
                system.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
            }
            _ => Err(CertificateError::UnknownIssuer.into()),
        };
        if verdict.is_err() {
            *self.refused.lock().unwrap_or_else(|e| e.into_inner()) = Some(got);
        }
        verdict
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// How to speak TLS with a server, and who looks at its certificate. No protocol is offered: HTTP/2 comes by an upgrade, never by ALPN.
pub(super) fn config(pinned: Option<Fingerprint>) -> anyhow::Result<(Arc<ClientConfig>, Arc<Verifier>)> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = Arc::new(Verifier::new(pinned, &provider)?);
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("cannot set up TLS")?
        .dangerous()
        .with_custom_certificate_verifier(verifier.clone())
        .with_no_client_auth();
    Ok((Arc::new(config), verifier))
}
