//! Getting and keeping permission: HTTP Basic, and bearer tokens from the login server that a registry
//! names (distribution's `token` and `oauth2` specifications). A token is kept per place and scope until it
//! ends; threads that need the same one wait for one request.

use super::challenge::{self, Challenge};
use super::client::Client;
use super::credential::{self, Found};
use super::error::Error;
use super::place::Place;
use super::secret::{Credential, Secret};
use super::send::{Attempt, Rights, Wanted};
use super::url::{Url, escape};
use base64::Engine;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

const TOKEN_BYTES_MAX: usize = 64 << 10;
const ANSWER_BYTES_MAX: u64 = 1 << 20;

/// Permissions got so far.
#[derive(Default)]
pub(super) struct Keyring {
    slots: Mutex<BTreeMap<String, Slot>>,
    logins: Mutex<BTreeMap<String, Found>>,
}

type Slot = Arc<Mutex<Option<Pass>>>;

/// A value of the `Authorization` header and when it ends.
struct Pass {
    header: Secret,
    end: Option<Duration>,
}

impl Pass {
    fn is_alive(&self, now: Duration) -> bool {
        self.end.is_none_or(|end| now < end)
    }
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    token: Option<String>,
    #[serde(default)]
    access_token: Option<String>,
    #[serde(default)]
    expires_in: Option<u64>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Client {
    fn slot(&self, wanted: &Wanted<'_>) -> Slot {
        let place = wanted.place;
        let rights = match &wanted.rights {
            Rights::Pull => String::new(),
            Rights::Push { from } => format!(" push {}", from.as_deref().unwrap_or_default()),
        };
        let key = format!("{} {}{rights}", place.base.origin(), place.repository);
        Arc::clone(locked(&self.keyring.slots).entry(key).or_default())
    }

    /// The permission at hand, when it has not ended.
    pub(super) fn pass(&self, wanted: &Wanted<'_>) -> Option<Secret> {
        let slot = self.slot(wanted);
        let pass = locked(&slot);
        let now = self.world.clock();
        pass.as_ref().filter(|pass| pass.is_alive(now)).map(|pass| pass.header.clone())
    }

    /// Gets a permission after a refusal with these challenges; `used` is the one that was refused.
    pub(super) fn renew(
        &self,
        wanted: &Wanted<'_>,
        challenges: &[String],
        used: Option<&Secret>,
    ) -> Result<Secret, Error> {
        let slot = self.slot(wanted);
        let mut pass = locked(&slot);
        // Another thread may have been here meanwhile.
        let now = self.world.clock();
        let is_newer = |pass: &&Pass| Some(&pass.header) != used && pass.is_alive(now);
        if let Some(other) = pass.as_ref().filter(is_newer) {
            return Ok(other.header.clone());
        }
        *pass = None;
        let found = self.login(wanted)?;
        let refused = || Error::Login {
            what: wanted.what.clone(),
            host: wanted.place.base.authority(),
            registry: wanted.place.registry.clone(),
            tried: found.tried.clone(),
        };
        let challenge = challenge::choose(challenges.iter().map(String::as_str)).map_err(|offered| {
            let offered = if offered.is_empty() { "it names none".to_owned() } else { offered };
            let host = wanted.place.base.authority();
            Error::LoginKind { what: wanted.what.clone(), host, offered: super::error::clip(&offered) }
        })?;
        let fresh = match (&found.credential, challenge) {
            (Some(Credential::Token(token)), _) => Pass { header: bearer(token.reveal())?, end: None },
            (Some(Credential::Password { user, password }), Challenge::Basic) => {
                Pass { header: basic(user, password), end: None }
            }
            (_, Challenge::Basic) => return Err(refused()),
            (credential, Challenge::Bearer { realm, service, scope }) => {
                let scopes = scopes(wanted, scope);
                self.token(wanted, &found, credential.as_ref(), &realm, service.as_deref(), &scopes)?
            }
        };
        // The same once more would be refused once more.
        if used == Some(&fresh.header) {
            return Err(refused());
        }
        let header = fresh.header.clone();
        *pass = Some(fresh);
        Ok(header)
    }

    /// The error for a permission that was refused.
    pub(super) fn refused(&self, wanted: &Wanted<'_>, host: String) -> Error {
        let registry = wanted.place.registry.clone();
        let tried = match self.login(wanted) {
            Ok(found) => found.tried,
            Err(error) => error.headline(),
        };
        Error::Login { what: wanted.what.clone(), host, registry, tried }
    }

    fn login(&self, wanted: &Wanted<'_>) -> Result<Found, Error> {
        let place = wanted.place;
        let repository = &place.repository;
        let key = format!("{}/{repository} {}", place.registry, place.is_named);
        let mut logins = locked(&self.keyring.logins);
        if let Some(found) = logins.get(&key) {
            return Ok(found.clone());
        }
        let found =
            credential::find(&self.options, &*self.world, &place.registry, repository, place.is_named)?;
        logins.insert(key, found.clone());
        Ok(found)
    }

    fn token(
        &self,
        wanted: &Wanted<'_>,
        found: &Found,
        credential: Option<&Credential>,
        realm: &str,
        service: Option<&str>,
        scopes: &[String],
    ) -> Result<Pass, Error> {
        let realm = realm_of(wanted.place, realm)?;
        let asked = self.world.clock();
        let service = service.unwrap_or_default();
        // The form knows one scope of several words (distribution's `oauth2` specification).
        let joined = scopes.join(" ");
        let mut query: Vec<(&str, &str)> = scopes.iter().map(|scope| ("scope", scope.as_str())).collect();
        if !service.is_empty() {
            query.insert(0, ("service", service));
        }
        let answer = self.persist(&realm.authority(), wanted, || match credential {
            Some(Credential::Identity(token)) => {
                let mut query = query.clone();
                query.retain(|(key, _)| *key != "scope");
                query.push(("scope", &joined));
                let form = form(&query, token);
                self.post(wanted, &realm, &form)
            }
            Some(Credential::Password { user, password }) => {
                let mut query = query.clone();
                query.push(("account", user.as_str()));
                self.get_token(wanted, &realm.with_query(&query), Some(basic(user, password)))
            }
            _ => self.get_token(wanted, &realm.with_query(&query), None),
        });
        let bytes = answer.map_err(|error| match error {
            Error::Login { what, host, .. } | Error::Denied { what, host } if host == realm.authority() => {
                let registry = wanted.place.registry.clone();
                Error::Login { what, host, registry, tried: found.tried.clone() }
            }
            other => other,
        })?;
        let malformed = |detail: &str| Error::Malformed {
            what: "the login server's answer".into(),
            host: realm.authority(),
            detail: detail.into(),
        };
        let answer: Answer =
            serde_json::from_slice(&bytes).map_err(|_| malformed("not the JSON of a token"))?;
        let token = answer.token.filter(|token| !token.is_empty()).or(answer.access_token);
        let token = token.filter(|token| !token.is_empty()).ok_or_else(|| malformed("it holds no token"))?;
        // The specification's default is a minute; a little earlier avoids a refusal on the way.
        let seconds = answer.expires_in.unwrap_or(60).clamp(1, 86_400);
        let life = Duration::from_secs(seconds).saturating_sub(Duration::from_secs((seconds / 6).min(10)));
        Ok(Pass { header: bearer(&token)?, end: Some(asked.saturating_add(life)) })
    }

    fn get_token(&self, wanted: &Wanted<'_>, url: &Url, header: Option<Secret>) -> Result<Vec<u8>, Attempt> {
        let builder = ureq::http::Request::get(url.whole()).header("accept", "application/json");
        self.login_server(wanted, url, with_authorization(builder, header).body(String::new()))
    }

    fn post(&self, wanted: &Wanted<'_>, url: &Url, form: &Secret) -> Result<Vec<u8>, Attempt> {
        let request = ureq::http::Request::post(url.whole())
            .header("accept", "application/json")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form.reveal().to_owned());
        self.login_server(wanted, url, request)
    }

    fn login_server(
        &self,
        wanted: &Wanted<'_>,
        url: &Url,
        request: Result<ureq::http::Request<String>, ureq::http::Error>,
    ) -> Result<Vec<u8>, Attempt> {
        let unsendable =
            |_| Attempt::Final(Error::Option("a login holds characters that cannot be sent".into()));
        let request = request.map_err(unsendable)?;
        let is_home = url.origin() == wanted.place.base.origin();
        let answer = self.send(wanted, url, is_home, request)?;
        if answer.status / 100 == 3 {
            let reason = "login servers are not followed elsewhere, for the login's sake";
            let to = answer.header("location").and_then(|to| url.join(&to)).map(|to| to.shown());
            let (what, host) = (wanted.what.clone(), url.authority());
            let to = to.unwrap_or_else(|| "nowhere".into());
            return Err(Attempt::Final(Error::Redirect { what, host, to, reason }));
        }
        let answer = self.judge(wanted, answer)?;
        self.body(wanted, answer, ANSWER_BYTES_MAX)
    }
}

/// What a token is asked for: what the registry named, or by what is wanted. For a push always both rights:
/// a registry that is asked whether it has a blob would name the right to pull alone.
fn scopes(wanted: &Wanted<'_>, named: Option<String>) -> Vec<String> {
    let repository = &wanted.place.repository;
    match &wanted.rights {
        Rights::Pull => {
            let named = named.filter(|scope| scope.len() <= 1_024);
            vec![named.unwrap_or_else(|| format!("repository:{repository}:pull"))]
        }
        Rights::Push { from } => {
            let other = from.iter().map(|from| format!("repository:{from}:pull"));
            std::iter::once(format!("repository:{repository}:pull,push")).chain(other).collect()
        }
    }
}

/// A login server over https, or at the same host when the registry itself is spoken to in plain HTTP.
fn realm_of(place: &Place, realm: &str) -> Result<Url, Error> {
    let fault = |shown: String, reason| Error::Realm { host: place.base.authority(), realm: shown, reason };
    let url = Url::parse(realm).ok_or_else(|| fault("no address".into(), "it is no https address"))?;
    let is_same = !place.base.is_https && url.host == place.base.host;
    if !url.is_https && !is_same {
        return Err(fault(url.shown(), "it is not https"));
    }
    Ok(url)
}

pub(super) fn with_authorization(
    builder: ureq::http::request::Builder,
    header: Option<Secret>,
) -> ureq::http::request::Builder {
    let Some(header) = header else { return builder };
    match ureq::http::HeaderValue::from_str(header.reveal()) {
        Ok(mut value) => {
            value.set_sensitive(true);
            builder.header("authorization", value)
        }
        // Makes the builder fail, with a text that holds nothing of it.
        Err(_) => builder.header("authorization", "\n"),
    }
}

fn basic(user: &str, password: &Secret) -> Secret {
    let pair = format!("{user}:{}", password.reveal());
    Secret::new(format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair)))
}

fn bearer(token: &str) -> Result<Secret, Error> {
    let is_sendable = token.len() <= TOKEN_BYTES_MAX && token.bytes().all(|b| b.is_ascii_graphic());
    if !is_sendable {
        return Err(Error::Option("a token is too long or holds characters that cannot be sent".into()));
    }
    Ok(Secret::new(format!("Bearer {token}")))
}

fn form(query: &[(&str, &str)], token: &Secret) -> Secret {
    let mut form = "grant_type=refresh_token&client_id=seaworthy".to_owned();
    for (key, value) in query.iter().copied().chain([("refresh_token", token.reveal())]) {
        form.push_str(&format!("&{key}={}", escape(value)));
    }
    Secret::new(form)
}
