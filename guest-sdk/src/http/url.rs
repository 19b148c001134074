//! Where a request goes.

/// An absolute URL of HTTP, taken apart. Its text is ASCII without blanks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    pub is_secure: bool,
    /// `host` or `host:port`.
    pub authority: String,
    /// With the `/` that it begins with.
    pub path_and_query: String,
}

impl Url {
    /// Reads a URL. A fragment is not sent, so it is left out.
    pub fn parse(text: &str) -> Result<Self, String> {
        let expected = "expected a URL such as `https://host/path`";
        let (scheme, rest) = text
            .split_once("://")
            .ok_or_else(|| format!("{expected}, found no `://`"))?;
        let is_secure = match scheme {
            "https" => true,
            "http" => false,
            other => return Err(format!("{expected}, found the scheme `{other}`")),
        };
        let rest = rest.split('#').next().unwrap_or_default();
        if let Some(found) = rest.chars().find(|c| !c.is_ascii_graphic()) {
            return Err(format!(
                "{expected}, found {found:?}, which a URL has only encoded: `query` encodes \
                 what follows the `?`"
            ));
        }
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if authority.is_empty() {
            return Err(format!("{expected}, found no host"));
        }
        if authority.contains('@') {
            return Err(format!("{expected}, found a user name in it"));
        }
        let slash = if path.starts_with('/') { "" } else { "/" };
        Ok(Self {
            is_secure,
            authority: authority.to_owned(),
            path_and_query: format!("{slash}{path}"),
        })
    }

    /// What the attribute and the operator name to let it be called: the port may
    /// be left out if it is 443.
    pub fn grant(&self) -> String {
        let authority = self.authority.to_ascii_lowercase();
        if has_port(&authority) {
            return without_default_port(&authority).to_owned();
        }
        if self.is_secure {
            authority
        } else {
            format!("{authority}:80")
        }
    }

    /// Adds to the query.
    pub fn push_query(&mut self, pair: &str) {
        let separator = if self.path_and_query.contains('?') {
            '&'
        } else {
            '?'
        };
        self.path_and_query.push(separator);
        self.path_and_query.push_str(pair);
    }

    /// All of it.
    #[cfg(not(target_family = "wasm"))]
    pub fn text(&self) -> String {
        let scheme = if self.is_secure { "https" } else { "http" };
        format!("{scheme}://{}{}", self.authority, self.path_and_query)
    }
}

/// A URL as an error may show it: a query may hold what is secret.
pub fn shown(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or_default()
}

/// `host` of `host:443`, which is the same for the host.
pub fn without_default_port(authority: &str) -> &str {
    authority.strip_suffix(":443").unwrap_or(authority)
}

/// The colons of an IPv6 address stand in brackets.
fn has_port(authority: &str) -> bool {
    authority
        .rsplit_once(':')
        .is_some_and(|(_, port)| !port.ends_with(']'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_what_must_be_granted() {
        for (url, grant, path) in [
            ("https://a.example", "a.example", "/"),
            ("https://A.example:443/x", "a.example", "/x"),
            (
                "https://a.example:8443/x?y=/z#f",
                "a.example:8443",
                "/x?y=/z",
            ),
            ("http://a.example/x", "a.example:80", "/x"),
            ("http://a.example:8080?x", "a.example:8080", "/?x"),
            ("https://[::1]/", "[::1]", "/"),
            ("https://[::1]:8443/", "[::1]:8443", "/"),
        ] {
            let parsed = Url::parse(url).unwrap();
            assert_eq!(
                (parsed.grant().as_str(), parsed.path_and_query.as_str()),
                (grant, path),
                "{url}"
            );
        }
    }

    #[test]
    fn what_is_no_url_says_what_was_found() {
        for (url, found) in [
            ("a.example/x", "found no `://`"),
            ("ftp://a.example/", "found the scheme `ftp`"),
            ("https:///x", "found no host"),
            ("https://u:p@a.example/", "found a user name in it"),
            (
                "https://a.example/a b",
                "found ' ', which a URL has only encoded",
            ),
        ] {
            let error = Url::parse(url).unwrap_err();
            assert!(error.contains(found), "{error}");
        }
    }
}
