//! Certificates: whom we believe and how we show ourselves. The system's bundle when there is one, else
//! the roots compiled in; beside them the caller's authorities and those in `certs.d/HOST` as Docker and
//! Podman lay them out (`*.crt` authorities, `X.cert` with `X.key` for us).

use super::error::Error;
use super::options::Options;
use super::world::World;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig};

const FILE_BYTES_MAX: u64 = 8 << 20;
const SYSTEM_BUNDLES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// TLS towards the registry itself and towards others (where we show no certificate of ours).
pub(super) struct Trust {
    pub(super) home: TlsConfig,
    pub(super) away: TlsConfig,
}

/// Reads what is needed for one registry.
pub(super) fn of(options: &Options, world: &dyn World, registry: &str) -> Result<Trust, Error> {
    let mut more = Vec::new();
    for path in &options.ca_files {
        more.extend(certificates(world, path)?);
    }
    let mut shown = match &options.client_certificate {
        Some((chain, key)) => Some(client(world, chain, key)?),
        None => None,
    };
    for folder in folders(world, registry) {
        let files = world.list(&folder);
        for path in files.iter().filter(|path| has_ending(path, "crt")) {
            more.extend(certificates(world, path)?);
        }
        if shown.is_none()
            && let Some(chain) = files.iter().find(|path| has_ending(path, "cert"))
        {
            shown = Some(client(world, chain, &chain.with_extension("key"))?);
        }
    }
    let system = system(world)?;
    let roots = if system.is_empty() && more.is_empty() {
        RootCerts::WebPki
    } else {
        RootCerts::Specific(Arc::new(system.into_iter().chain(more).collect()))
    };
    let away = TlsConfig::builder().root_certs(roots.clone()).build();
    let home = TlsConfig::builder().root_certs(roots).client_cert(shown).build();
    Ok(Trust { home, away })
}

fn folders(world: &dyn World, registry: &str) -> Vec<PathBuf> {
    let home = world.variable("HOME").map(|home| Path::new(&home).join(".config/containers/certs.d"));
    let fixed = ["/etc/containers/certs.d", "/etc/docker/certs.d"].map(PathBuf::from);
    home.into_iter().chain(fixed).map(|folder| folder.join(registry)).collect()
}

fn has_ending(path: &Path, ending: &str) -> bool {
    path.extension().is_some_and(|extension| extension == ending)
}

fn system(world: &dyn World) -> Result<Vec<Certificate<'static>>, Error> {
    if let Some(named) = world.variable("SSL_CERT_FILE") {
        return certificates(world, Path::new(&named));
    }
    for path in SYSTEM_BUNDLES.map(Path::new) {
        // A broken bundle of the system is as none: the roots compiled in serve then.
        if let Ok(Some(bytes)) = world.read(path, FILE_BYTES_MAX) {
            let found: Vec<_> = CertificateDer::pem_slice_iter(&bytes).flatten().map(own).collect();
            if !found.is_empty() {
                return Ok(found);
            }
        }
    }
    Ok(Vec::new())
}

fn own(der: CertificateDer<'_>) -> Certificate<'static> {
    Certificate::from_der(&der).to_owned()
}

fn fault(path: &Path, detail: impl ToString) -> Error {
    Error::File { path: path.display().to_string(), detail: super::error::clip(&detail.to_string()) }
}

fn read(world: &dyn World, path: &Path) -> Result<Vec<u8>, Error> {
    match world.read(path, FILE_BYTES_MAX) {
        Ok(Some(bytes)) => Ok(bytes),
        Ok(None) => Err(fault(path, "there is no such file")),
        Err(error) => Err(fault(path, error)),
    }
}

fn chain(world: &dyn World, path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let bytes = read(world, path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let found = found.map_err(|_| fault(path, "it is no PEM file of certificates"))?;
    if found.is_empty() {
        return Err(fault(path, "it holds no certificate (PEM)"));
    }
    Ok(found)
}

fn certificates(world: &dyn World, path: &Path) -> Result<Vec<Certificate<'static>>, Error> {
    let found = chain(world, path)?;
    for certificate in &found {
        let mut store = rustls::RootCertStore::empty();
        store.add(certificate.clone()).map_err(|error| fault(path, error))?;
    }
    Ok(found.into_iter().map(own).collect())
}

/// Reads and checks chain and key together: what does not fit must fail here, with the file's name.
fn client(world: &dyn World, chain_path: &Path, key_path: &Path) -> Result<ClientCert, Error> {
    let found = chain(world, chain_path)?;
    let bytes = read(world, key_path)?;
    let no_key = || fault(key_path, "it holds no private key (PEM)");
    let key = PrivateKeyDer::from_pem_slice(&bytes).map_err(|_| no_key())?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| fault(key_path, error))?
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_client_auth_cert(found.clone(), key)
        .map_err(|error| fault(key_path, error))?;
    let key = PrivateKey::from_pem(&bytes).map_err(|_| no_key())?;
    let certificates: Vec<_> = found.into_iter().map(own).collect();
    Ok(ClientCert::new_with_certs(&certificates, key))
}
