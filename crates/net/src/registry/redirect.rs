//! Where redirects may lead: one rule for registries and for everything else that is fetched. Never from https
//! to http, in a circle, on and on, or from elsewhere to an address on or beside this machine. Who leaves the
//! origin is no longer at home and gets no login, even when led back.

use super::place::Place;
use super::url::Url;

/// Redirects that are followed.
const REDIRECTS_MAX: usize = 5;

/// Why a redirect is not followed.
pub(crate) struct Astray {
    /// Where it leads, for people.
    pub to: String,
    /// What is wrong with that.
    pub reason: &'static str,
}

impl Astray {
    pub(crate) fn new(to: &Url, reason: &'static str) -> Self {
        Self { to: to.shown(), reason }
    }
}

/// The way that redirects have led so far.
pub(crate) struct Trail<'p> {
    place: &'p Place,
    home: String,
    seen: Vec<String>,
    is_home: bool,
}

impl<'p> Trail<'p> {
    /// Begins at an address.
    pub(crate) fn new(place: &'p Place, url: &Url) -> Self {
        let home = place.base.origin();
        Self { place, is_home: url.origin() == home, seen: vec![url.whole()], home }
    }
    /// Whether it never left the place's own origin.
    pub(crate) fn is_home(&self) -> bool {
        self.is_home
    }
    /// The next address, if it may be followed.
    pub(crate) fn next(&mut self, url: &Url, location: &str) -> Result<Url, Astray> {
        let Some(next) = url.join(location) else {
            return Err(Astray { to: "nowhere".into(), reason: "it names no http(s) address" });
        };
        if self.place.base.is_https && !next.is_https {
            return Err(Astray::new(&next, "it leads from https to plain http"));
        }
        if self.seen.contains(&next.whole()) {
            return Err(Astray::new(&next, "it leads in a circle"));
        }
        if self.seen.len() > REDIRECTS_MAX {
            return Err(Astray::new(&next, "it is the sixth redirect"));
        }
        self.is_home &= next.origin() == self.home;
        if !self.is_home && self.place.permit.check_literal(&next.host).is_err() {
            return Err(Astray::new(&next, "it leads to an address on or beside this machine"));
        }
        self.seen.push(next.whole());
        Ok(next)
    }
}
