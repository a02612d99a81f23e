//! Lists: the tags of a repository, and what refers to a manifest (signatures, attestations, SBOMs) through
//! the referrers API of OCI distribution 1.1 or, where a registry does not have it, the tag that the
//! specification names for that case. Pages are followed by `Link` (RFC 8288) within the same origin.

use super::client::Client;
use super::error::Error;
use super::manifest::{self, Descriptor, Names};
use super::place::Place;
use super::send::{Attempt, Rights, Wanted};
use super::url::Url;
use seaworthy_types::{Digest, ImageRef};
use serde::Deserialize;
use std::collections::BTreeSet;
use ureq::http::Method;

const PAGES_MAX: usize = 1_000;

/// A list as far as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed<T> {
    /// The entries.
    pub items: Vec<T>,
    /// Whether the bound was reached before the end.
    pub is_cut: bool,
    /// Entries left out because they are malformed.
    pub malformed: usize,
}

impl<T> Listed<T> {
    fn new() -> Self {
        Self { items: Vec::new(), is_cut: false, malformed: 0 }
    }
    /// Adds entries up to the bound; `more` tells whether others follow. False when there is no room left.
    fn add(&mut self, entries: impl Iterator<Item = T>, more: bool, items_max: usize) -> bool {
        self.items.extend(entries);
        self.is_cut = self.items.len() > items_max || more;
        self.items.truncate(items_max);
        self.items.len() < items_max
    }
}

/// What refers to a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Referrers {
    /// Their descriptors.
    pub list: Listed<Descriptor>,
    /// How they were found.
    pub way: Way,
}

/// How referrers were found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// The registry has the API.
    Api,
    /// It has not; a tag lists them.
    Tag,
    /// It has not, and there is no such tag.
    Neither,
}

#[derive(Deserialize)]
struct Tags {
    #[serde(default)]
    tags: Option<Vec<String>>,
}

struct Page {
    bytes: Vec<u8>,
    media_type: String,
    is_filtered: bool,
    next: Option<Url>,
}

impl Client {
    /// The tags of a repository, in the registry's order.
    pub fn tags(&self, image: &ImageRef) -> Result<Listed<String>, Error> {
        let what = format!("the tags of {}/{}", image.registry(), image.repository());
        let get = |place: &Place| {
            let mut listed = Listed::new();
            let first = place.url("tags/list?n=1000");
            self.pages(place, &what, "application/json", first, |page| {
                let read = serde_json::from_slice::<Tags>(&page.bytes);
                let read = read.map_err(|_| "not the JSON of a list of tags".to_owned())?;
                let tags = read.tags.unwrap_or_default();
                let all = tags.len();
                let good: Vec<String> = tags.into_iter().filter(|tag| image.with_tag(tag).is_ok()).collect();
                listed.malformed += all.saturating_sub(good.len());
                Ok(listed.add(good.into_iter(), page.next.is_some(), self.options.listed_max))
            })?;
            Ok(listed)
        };
        Ok(self.everywhere(image, get)?.value)
    }

    /// What refers to `subject`, perhaps of one artifact type only. Some registries list the type of the
    /// configuration instead of the artifact's own: who must miss nothing asks without a type and looks
    /// into the manifests.
    pub fn referrers(
        &self,
        image: &ImageRef,
        subject: Digest,
        artifact_type: Option<&str>,
    ) -> Result<Referrers, Error> {
        let get = |place: &Place| match self.by_api(place, image, subject, artifact_type) {
            Err(Error::NotFound { .. } | Error::Status { status: 400 | 405 | 501, .. }) => {
                self.by_tag(place, image, subject, artifact_type)
            }
            other => other,
        };
        Ok(self.everywhere(image, get)?.value)
    }

    fn by_api(
        &self,
        place: &Place,
        image: &ImageRef,
        subject: Digest,
        artifact_type: Option<&str>,
    ) -> Result<Referrers, Error> {
        let what = format!("the referrers of {}", image.with_digest(subject));
        let mut list = Listed::new();
        let mut first = place.url(&format!("referrers/{subject}"));
        if let Some(kind) = artifact_type {
            first = first.with_query(&[("artifactType", kind)]);
        }
        self.pages(place, &what, super::media::OCI_INDEX, first, |page| {
            let read = manifest::read(&page.bytes, &page.media_type);
            let Ok((_, Names::Index(entries))) = read else { return Err("no index of referrers".into()) };
            let is_wanted = |entry: &Descriptor| page.is_filtered || fits(entry, artifact_type);
            let wanted = entries.into_iter().filter(is_wanted);
            Ok(list.add(wanted, page.next.is_some(), self.options.listed_max))
        })?;
        Ok(Referrers { list, way: Way::Api })
    }

    fn by_tag(
        &self,
        place: &Place,
        image: &ImageRef,
        subject: Digest,
        artifact_type: Option<&str>,
    ) -> Result<Referrers, Error> {
        let mut list = Listed::new();
        let tagged = image.with_tag(&format!("sha256-{}", subject.hex()));
        let tagged = tagged.map_err(|error| Error::Option(error.to_string()))?;
        let found = match self.manifest_at(place, &tagged) {
            Ok(found) => found,
            Err(Error::NotFound { .. }) => return Ok(Referrers { list, way: Way::Neither }),
            Err(error) => return Err(error),
        };
        let Names::Index(entries) = found.names else {
            let detail = "the tag that lists referrers is no index".to_owned();
            return Err(Error::Malformed { what: tagged.to_string(), host: found.host, detail });
        };
        let wanted = entries.into_iter().filter(|entry| fits(entry, artifact_type));
        list.add(wanted, false, self.options.listed_max);
        Ok(Referrers { list, way: Way::Tag })
    }

    /// Calls `take` with each page until it says that it has enough.
    fn pages(
        &self,
        place: &Place,
        what: &str,
        accept: &str,
        first: Url,
        mut take: impl FnMut(&Page) -> Result<bool, String>,
    ) -> Result<(), Error> {
        let host = place.base.authority();
        let malformed = |detail: String| Error::Malformed { what: what.into(), host: host.clone(), detail };
        let mut seen = BTreeSet::new();
        let mut next = Some(first);
        while let Some(url) = next {
            if !seen.insert(url.whole()) {
                return Err(malformed("its pages lead in a circle".into()));
            }
            if seen.len() > PAGES_MAX {
                return Err(malformed(format!("it has more than {PAGES_MAX} pages")));
            }
            let page = self.page(place, what, accept, url)?;
            if !take(&page).map_err(malformed)? {
                return Ok(());
            }
            next = page.next;
        }
        Ok(())
    }

    fn page(&self, place: &Place, what: &str, accept: &str, url: Url) -> Result<Page, Error> {
        let what = what.to_owned();
        let wanted = Wanted {
            what,
            place,
            method: Method::GET,
            url,
            accept,
            headers: Vec::new(),
            rights: Rights::Pull,
        };
        let host = place.base.authority();
        let page = self.persist(&host, &wanted, || {
            let answer = self.ask(&wanted)?;
            let next = answer.header("link").as_deref().and_then(next_of).map(|to| wanted.url.join(&to));
            let filters = answer.header("oci-filters-applied").unwrap_or_default();
            let is_filtered = filters.split(',').any(|filter| filter.trim() == "artifactType");
            let media_type = answer.media_type();
            let bytes = self.body(&wanted, answer, self.options.manifest_bytes_max)?;
            Ok::<_, Attempt>((Page { bytes, media_type, is_filtered, next: None }, next))
        })?;
        let (page, next) = page;
        match next {
            None => Ok(page),
            Some(Some(next)) if next.origin() == place.base.origin() => Ok(Page { next: Some(next), ..page }),
            Some(other) => {
                let to = other.map_or_else(|| "nowhere".into(), |url| url.shown());
                Err(Error::Redirect { what: wanted.what, host, to, reason: "the next page is elsewhere" })
            }
        }
    }
}

fn fits(entry: &Descriptor, artifact_type: Option<&str>) -> bool {
    artifact_type.is_none_or(|wanted| entry.artifact_type.as_deref() == Some(wanted))
}

/// The target of `rel="next"`.
pub(super) fn next_of(link: &str) -> Option<String> {
    link.split(',').find_map(|one| {
        let (target, parameters) = one.trim().strip_prefix('<')?.split_once('>')?;
        let is_next = parameters.split(';').map(str::trim).any(|parameter| {
            parameter.split_once('=').is_some_and(|(key, value)| {
                key.trim().eq_ignore_ascii_case("rel") && value.trim().trim_matches('"') == "next"
            })
        });
        (is_next && target.len() <= 8 << 10).then(|| target.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links() {
        for (link, target) in [
            ("</v2/a/tags/list?last=b&n=2>; rel=\"next\"", Some("/v2/a/tags/list?last=b&n=2")),
            ("</x>; rel=prev, </y>;rel=next", Some("/y")),
            ("</x>; title=\"next\"", None),
            ("/x; rel=next", None),
            ("<>", None),
            ("", None),
        ] {
            assert_eq!(next_of(link).as_deref(), target, "{link}");
        }
    }
}
