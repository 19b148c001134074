//! TLS to the hosts that were granted.

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio::task::spawn_blocking;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};
use wasmtime_wasi_http::Error;
use waystation_core::Authority;

/// A connection, over TLS or not.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// What is trusted. Read once, when it is needed first.
pub(super) struct Tls(OnceCell<TlsConnector>);

impl Tls {
    pub(super) fn new() -> Self {
        Self(OnceCell::new())
    }

    /// Trusts these certificates instead of those of the operating system.
    #[cfg(test)]
    pub(super) fn trusting(roots: RootCertStore) -> Self {
        Self(OnceCell::new_with(Some(connector(roots).unwrap())))
    }

    /// Makes a connection one over TLS. The other side must prove that it is the
    /// host of the authority.
    pub(super) async fn connect(
        &self,
        authority: &Authority,
        stream: TcpStream,
    ) -> Result<Box<dyn Stream>, Error> {
        let connector = self.0.get_or_try_init(native).await?;
        let name = ServerName::try_from(authority.host().to_owned())
            .map_err(|error| Error::Tls(io::Error::other(error)))?;
        let stream = connector.connect(name, stream).await.map_err(Error::Tls)?;
        Ok(Box::new(stream))
    }
}

/// Trusts what the operating system trusts, so that a company's own authority is
/// among them; `SSL_CERT_FILE` and `SSL_CERT_DIR` replace it.
async fn native() -> Result<TlsConnector, Error> {
    let loaded = spawn_blocking(rustls_native_certs::load_native_certs).await;
    let loaded = loaded.map_err(|error| Error::InternalError(Some(error.to_string())))?;
    for error in &loaded.errors {
        tracing::warn!("a trusted certificate cannot be read: {error}");
    }
    let mut roots = RootCertStore::empty();
    let (usable, _) = roots.add_parsable_certificates(loaded.certs);
    if usable == 0 {
        tracing::error!(
            "no trusted certificates were found, so no handler can call a host over TLS; install \
             the system's (often the package `ca-certificates`) or set SSL_CERT_FILE"
        );
        return Err(Error::ConfigurationError);
    }
    connector(roots).map_err(|error| Error::InternalError(Some(error.to_string())))
}

fn connector(roots: RootCertStore) -> Result<TlsConnector, tokio_rustls::rustls::Error> {
    let provider = Arc::new(crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config).into())
}
