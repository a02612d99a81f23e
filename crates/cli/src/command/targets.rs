//! From the words a person typed to targets: what each is gets found out when its turn comes, so that one
//! of many that cannot be had does not keep the others from being scanned.

use super::setup::{Chosen, platform};
use super::{engine, registry};
use crate::arguments::TargetArguments;
use anyhow::{Result, bail};
use seaworthy_scan::TargetSpec;
use seaworthy_types::ImageRef;

/// A target that has a name, and has not been looked for.
pub struct Planned {
    name: String,
    find: Box<dyn FnOnce() -> Result<Chosen>>,
}

impl Planned {
    /// A target and the way to find it.
    pub fn new(name: impl Into<String>, find: impl FnOnce() -> Result<Chosen> + 'static) -> Self {
        Self { name: name.into(), find: Box::new(find) }
    }
    /// Its name as people know it.
    pub fn name(&self) -> &str {
        &self.name
    }
    /// Looks for it. An image in a registry is asked for here.
    pub fn find(self) -> Result<Chosen> {
        (self.find)()
    }
}

/// Every target that was named, in that order. What can be wrong with the words is said here.
pub fn planned(options: &TargetArguments, names: &[String]) -> Result<Vec<Planned>> {
    let is_all = wants_platforms(options);
    let wish = options.platform.as_deref().filter(|_| !is_all).map(platform).transpose()?;
    let mut all = Vec::with_capacity(names.len());
    for name in names {
        if let Some(wanted) = engine::named(name) {
            if is_all {
                bail!("--platform all is for images in a registry: name the platform of `{name}`");
            }
            all.extend(engine::planned(&options.engine, name, wanted, wish.clone())?);
            continue;
        }
        if options.engine.all {
            anyhow::bail!(
                "--all is for engines: `docker:`, `podman:`, `containerd:` or `crio:`, not `{name}`"
            );
        }
        let image = registry::named(name)?;
        if is_all {
            let Some(image) = image else {
                bail!(
                    "--platform all is for images in a registry, and `{name}` is none: name a platform, or \
                     fetch with seaworthy pull --all-platforms and scan one platform after another"
                );
            };
            all.extend(every_platform(options, name, &image));
            continue;
        }
        let (options, text, wish) = (options.registry.clone(), name.clone(), wish.clone());
        all.push(Planned::new(name, move || {
            let image =
                image.map(|image| registry::resolve(&options, &text, &image, wish.clone())).transpose()?;
            Ok(Chosen { spec: TargetSpec::parse(&text), image, archive: None, platform: wish })
        }));
    }
    Ok(all)
}

/// Whether every platform is wanted.
fn wants_platforms(options: &TargetArguments) -> bool {
    options.platform.as_deref() == Some("all")
}

/// Whether one word stands for any number of targets.
pub fn wants_all(options: &TargetArguments) -> bool {
    options.engine.all || wants_platforms(options)
}

/// Every image of an index; when it cannot be had, one that says so when its turn comes.
fn every_platform(options: &TargetArguments, name: &str, image: &ImageRef) -> Vec<Planned> {
    match registry::platforms(&options.registry, name, image) {
        Ok(all) => all
            .into_iter()
            .map(|one| {
                let spec = TargetSpec::parse(&one.name);
                Planned::new(one.name.clone(), move || {
                    Ok(Chosen { spec, image: Some(one.find()?), archive: None, platform: None })
                })
            })
            .collect(),
        Err(error) => vec![Planned::new(name, move || Err(error))],
    }
}

/// The one target that was named.
pub fn one(options: &TargetArguments, name: &str) -> Result<Chosen> {
    let mut all = planned(options, &[name.to_owned()])?;
    match all.pop() {
        Some(target) if all.is_empty() => target.find(),
        _ => bail!("`{name}` names several targets: name one"),
    }
}
