//! Texts that must not be seen: no `Debug`, no `Display`, no comparison that prints.

use std::fmt;

/// A password or token.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
    /// The text, for the one place that sends it.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// How somebody logs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// User and password: HTTP Basic, at the registry or at the token endpoint.
    Password {
        /// User.
        user: String,
        /// Password.
        password: Secret,
    },
    /// A refresh token for the OAuth2 token endpoint (`identitytoken` of Docker).
    Identity(Secret),
    /// A token that the registry itself takes (`registrytoken` of Docker).
    Token(Secret),
}
