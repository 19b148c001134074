//! The errors of outbound HTTP as text, in the words of `wasi:http`.

use std::io;

use wasmtime_wasi_http::Error;

/// The errors that are nothing but a name.
macro_rules! names {
    ($($name:literal $error:ident)*) => {
        fn plain_name(error: &Error) -> Option<&'static str> {
            match error {
                $(Error::$error => Some($name),)*
                _ => None,
            }
        }

        fn plain(name: &str) -> Option<Error> {
            match name {
                $($name => Some(Error::$error),)*
                _ => None,
            }
        }

        /// Every such name.
        #[cfg(test)]
        const NAMES: &[&str] = &[$($name),*];
    };
}

names! {
    "dns-timeout" DnsTimeout
    "destination-not-found" DestinationNotFound
    "destination-unavailable" DestinationUnavailable
    "destination-ip-prohibited" DestinationIpProhibited
    "destination-ip-unroutable" DestinationIpUnroutable
    "connection-refused" ConnectionRefused
    "connection-terminated" ConnectionTerminated
    "connection-timeout" ConnectionTimeout
    "connection-read-timeout" ConnectionReadTimeout
    "connection-write-timeout" ConnectionWriteTimeout
    "connection-limit-reached" ConnectionLimitReached
    "tls-protocol-error" TlsProtocolError
    "tls-certificate-error" TlsCertificateError
    "http-request-denied" HttpRequestDenied
    "http-response-incomplete" HttpResponseIncomplete
    "http-response-timeout" HttpResponseTimeout
    "http-protocol-error" HttpProtocolError
    "loop-detected" LoopDetected
    "configuration-error" ConfigurationError
}

const DNS: &str = "dns-error: ";
const INTERNAL: &str = "internal-error: ";
const REQUEST_SIZE: &str = "http-request-body-size: ";
const ANSWER_SIZE: &str = "http-response-body-size: ";
const HEAD_SIZE: &str = "http-response-header-section-size: ";

/// What a guest is told of an error.
pub(super) fn name(error: &Error) -> String {
    if let Some(name) = plain_name(error) {
        return name.to_owned();
    }
    match error {
        Error::Hyper(_) => "http-protocol-error".into(),
        Error::Connect(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            "connection-refused".into()
        }
        Error::Connect(_) => "destination-unavailable".into(),
        Error::Tls(error) if is_certificate(error) => "tls-certificate-error".into(),
        Error::Tls(_) => "tls-protocol-error".into(),
        Error::DnsError { rcode, .. } => format!("{DNS}{}", rcode.as_deref().unwrap_or_default()),
        Error::HttpRequestBodySize(Some(size)) => format!("{REQUEST_SIZE}{size}"),
        Error::HttpResponseBodySize(Some(size)) => format!("{ANSWER_SIZE}{size}"),
        Error::HttpResponseHeaderSectionSize(Some(size)) => format!("{HEAD_SIZE}{size}"),
        Error::InternalError(Some(reason)) => format!("{INTERNAL}{reason}"),
        other => format!("{INTERNAL}{other}"),
    }
}

/// The error of that name; one without a name of its own keeps its text.
pub(super) fn named(text: &str) -> Error {
    if let Some(error) = plain(text) {
        return error;
    }
    if let Some(rcode) = text.strip_prefix(DNS) {
        return Error::DnsError {
            rcode: Some(rcode.to_owned()),
            info_code: None,
        };
    }
    let size = |lead: &str| text.strip_prefix(lead)?.parse::<u64>().ok();
    if let Some(size) = size(REQUEST_SIZE) {
        return Error::HttpRequestBodySize(Some(size));
    }
    if let Some(size) = size(ANSWER_SIZE) {
        return Error::HttpResponseBodySize(Some(size));
    }
    if let Some(size) = size(HEAD_SIZE).and_then(|size| u32::try_from(size).ok()) {
        return Error::HttpResponseHeaderSectionSize(Some(size));
    }
    let reason = text.strip_prefix(INTERNAL).unwrap_or(text);
    Error::InternalError(Some(reason.to_owned()))
}

/// Whether the other side's certificate is what failed.
pub(super) fn is_certificate(error: &io::Error) -> bool {
    use tokio_rustls::rustls::Error as Tls;
    let cause = error.get_ref().and_then(|error| error.downcast_ref());
    matches!(cause, Some(Tls::InvalidCertificate(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_that_is_kept_comes_back() {
        let texts = [
            "dns-error: no address",
            "http-request-body-size: 7",
            "http-response-body-size: 8",
            "http-response-header-section-size: 9",
            "internal-error: no answer is recorded",
        ];
        for text in NAMES.iter().chain(&texts) {
            assert_eq!(name(&named(text)), *text);
        }
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        assert_eq!(name(&Error::Connect(refused)), "connection-refused");
        assert!(matches!(named("odd"), Error::InternalError(Some(text)) if text == "odd"));
    }
}
