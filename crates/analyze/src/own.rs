//! Reads what our own writers put into bills of materials (`types::sbom`): the document's properties
//! and those of its components. Formats differ only in where the pairs of name and value stand.

use crate::component::{Intake, clipped};
use crate::sbom::SbomContent;
use seaworthy_types::{Note, sbom};

/// Takes the properties of the document; true when they say that it is one of ours.
pub fn document<'a>(
    pairs: impl Iterator<Item = (&'a str, &'a str)>,
    content: &mut SbomContent,
    intake: &mut Intake,
) -> bool {
    let mut own = false;
    for (name, value) in pairs {
        let damaged = match name {
            sbom::VOCABULARY => {
                own = true;
                if value != sbom::VOCABULARY_VERSION {
                    let detail = "made by a newer Seaworthy; what this one does not know was left out";
                    intake.note(Note::gap("sbom-vocabulary", "sbom", clipped(value, 40), detail));
                }
                false
            }
            sbom::TARGET_NAME => {
                content.target_name = Some(value.to_owned());
                false
            }
            sbom::TARGET_KIND => {
                content.target_kind = serde_json::from_value(value.into()).ok();
                content.target_kind.is_none()
            }
            sbom::IMAGE => {
                content.image = serde_json::from_str(value).ok();
                content.image.is_none()
            }
            sbom::NOTE => match serde_json::from_str(value) {
                Ok(note) => {
                    intake.note(note);
                    false
                }
                Err(_) => true,
            },
            _ => false,
        };
        if damaged {
            let detail = "a property of the document is damaged and was left out";
            intake.note(Note::gap("sbom-damaged", "sbom", name, detail));
        }
    }
    own
}

/// Takes a component that carries our properties; false when it carries none.
pub fn component<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)> + Clone, intake: &mut Intake) -> bool {
    for (name, _) in pairs.clone().filter(|(name, _)| name.starts_with("seaworthy:")) {
        match name {
            sbom::ECOSYSTEM => {
                return sbom::to_package(pairs).map(|package| intake.package(package)).is_some();
            }
            sbom::UNIDENTIFIED => {
                intake.inventory.unidentified.extend(sbom::to_unidentified(pairs));
                return true;
            }
            sbom::OS_ID => {
                intake.inventory.os = sbom::to_os(pairs);
                return true;
            }
            _ => {}
        }
    }
    false
}
