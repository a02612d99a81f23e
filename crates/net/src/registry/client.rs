//! The client: manifests by tag or digest, from the mirrors and then the registry. Bytes are checked
//! against every digest that somebody named for them.

use super::error::Error;
use super::hosts::{self, Hosts};
use super::keyring::Keyring;
use super::manifest::{self, Descriptor, Manifest};
use super::media;
use super::options::{Options, Proxies};
use super::place::Place;
use super::send::{Attempt, Rights, Wanted};
use super::world::World;
use seaworthy_types::{Digest, ImageRef};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use ureq::http::Method;

/// Speaks with registries (OCI distribution 1.1, Docker registry v2). Usable from several threads.
pub struct Client {
    pub(super) options: Options,
    pub(super) world: Arc<dyn World>,
    pub(super) proxies: Proxies,
    pub(super) keyring: Keyring,
    hosts: OnceLock<Hosts>,
    places: Mutex<Places>,
}

/// By registry and repository.
type Places = BTreeMap<(String, String), Arc<Vec<Place>>>;

/// What was got, where, and which mirrors failed before.
pub(super) struct Got<T> {
    pub(super) value: T,
    pub(super) host: String,
    pub(super) mirrors_failed: Vec<String>,
}

impl Client {
    /// A client; nothing is read or sent yet.
    pub fn new(options: Options, world: Arc<dyn World>) -> Self {
        let proxies = options.proxies.clone().unwrap_or_else(|| Proxies::from_world(&*world));
        let (hosts, places) = (OnceLock::new(), Mutex::default());
        Self { options, world, proxies, keyring: Keyring::default(), hosts, places }
    }

    fn hosts(&self) -> Result<&Hosts, Error> {
        match self.hosts.get() {
            Some(known) => Ok(known),
            None => {
                let read = match self.options.reads_settings_of_others {
                    true => hosts::read(&*self.world)?,
                    false => Hosts::default(),
                };
                Ok(self.hosts.get_or_init(|| read))
            }
        }
    }

    pub(super) fn places(&self, image: &ImageRef) -> Result<Arc<Vec<Place>>, Error> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (image.registry().to_owned(), image.repository().to_owned());
        if let Some(known) = places.get(&key) {
            return Ok(Arc::clone(known));
        }
        let fresh = Arc::new(Place::all(&self.options, self.hosts()?, image)?);
        places.insert(key, Arc::clone(&fresh));
        Ok(fresh)
    }

    /// Asks the mirrors in their order, then the registry.
    pub(super) fn everywhere<T>(
        &self,
        image: &ImageRef,
        get: impl Fn(&Place) -> Result<T, Error>,
    ) -> Result<Got<T>, Error> {
        let mut mirrors_failed = Vec::new();
        for place in self.places(image)?.iter() {
            if !place.suits(image.digest().is_some()) {
                continue;
            }
            if let Some(resting) = place.resting(self.world.clock()) {
                mirrors_failed.push(resting);
                continue;
            }
            match get(place) {
                Ok(value) => return Ok(Got { value, host: place.base.authority(), mirrors_failed }),
                Err(error) if place.is_mirror && error.is_of_the_place() => {
                    place.note(&error, self.world.clock());
                    mirrors_failed.push(error.headline());
                }
                Err(error) if mirrors_failed.is_empty() => return Err(error),
                Err(error) => {
                    return Err(Error::Everywhere { mirrors: mirrors_failed, last: Box::new(error) });
                }
            }
        }
        Err(Error::Option(format!("no place is known for {}", image.registry())))
    }

    /// The digest that a tag stands for now by the registry's word, without the manifest itself (which some
    /// registries count). Whoever fetches by it gets verified bytes.
    pub fn digest(&self, image: &ImageRef) -> Result<Digest, Error> {
        if let Some(digest) = image.digest() {
            return Ok(digest);
        }
        let accept = media::accept();
        let asked = self.everywhere(image, |place| {
            let wanted = self.manifest_wanted(place, image, Method::HEAD, &accept);
            let answer = self.persist(&place.base.authority(), &wanted, || self.ask(&wanted));
            Ok(answer?.header("docker-content-digest").and_then(|text| Digest::parse(&text).ok()))
        });
        match asked {
            Ok(Got { value: Some(digest), .. }) => Ok(digest),
            // Not every registry names the digest or knows HEAD.
            Ok(_) | Err(Error::Status { .. }) => Ok(self.manifest(image)?.digest),
            Err(error) => Err(error),
        }
    }

    /// The manifest or index of an image.
    pub fn manifest(&self, image: &ImageRef) -> Result<Manifest, Error> {
        let got = self.everywhere(image, |place| self.manifest_at(place, image))?;
        Ok(Manifest { host: got.host, mirrors_failed: got.mirrors_failed, ..got.value })
    }

    /// A manifest that an index of the same repository names.
    pub fn manifest_of(&self, image: &ImageRef, descriptor: &Descriptor) -> Result<Manifest, Error> {
        let found = self.manifest(&image.with_digest(descriptor.digest))?;
        let size = found.bytes.len() as u64;
        if size != descriptor.size {
            let what = format!("the manifest of {}", found.image);
            return Err(Error::Length { what, host: found.host, wanted: descriptor.size, found: size });
        }
        Ok(found)
    }

    fn manifest_wanted<'a>(
        &self,
        place: &'a Place,
        image: &'a ImageRef,
        method: Method,
        accept: &'a str,
    ) -> Wanted<'a> {
        Wanted {
            what: format!("the manifest of {image}"),
            place,
            method,
            url: place.url(&format!("manifests/{}", image.selector())),
            accept,
            headers: Vec::new(),
            rights: Rights::Pull,
        }
    }

    pub(super) fn manifest_at(&self, place: &Place, image: &ImageRef) -> Result<Manifest, Error> {
        let accept = media::accept();
        let wanted = self.manifest_wanted(place, image, Method::GET, &accept);
        let host = place.base.authority();
        let (bytes, said, named) = self.persist(&host, &wanted, || {
            let answer = self.ask(&wanted)?;
            let (said, named) = (answer.media_type(), answer.header("docker-content-digest"));
            Ok::<_, Attempt>((self.body(&wanted, answer, self.options.manifest_bytes_max)?, said, named))
        })?;
        let found = digest_of(&bytes);
        // A digest of another algorithm in the header says nothing about ours.
        let named = named.and_then(|text| Digest::parse(text.trim()).ok());
        for wanted_digest in image.digest().into_iter().chain(named) {
            if wanted_digest != found {
                return Err(Error::Digest { what: wanted.what, host, wanted: wanted_digest, found });
            }
        }
        let (media_type, names) =
            manifest::read(&bytes, &said).map_err(|fault| fault.of(wanted.what.clone(), host.clone()))?;
        Ok(Manifest {
            image: image.with_digest(found),
            media_type,
            digest: found,
            bytes,
            names,
            host,
            mirrors_failed: Vec::new(),
        })
    }
}

pub(super) fn digest_of(bytes: &[u8]) -> Digest {
    Digest::from_bytes(Sha256::digest(bytes).into())
}
