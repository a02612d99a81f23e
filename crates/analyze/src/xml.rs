//! Walks through XML 1.0 that others wrote: opened elements with their path and attributes, closed
//! elements with their text. Namespaces are passed over, entities of a document type are not
//! expanded, nesting is bounded.

use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;

const DEPTH_MAX: usize = 64;
const ATTRIBUTES_MAX: usize = 64;

/// What [`walk`] reports.
pub(crate) enum Node<'a> {
    /// An element opens: the path of names down to it, its attributes.
    Open(&'a [String], &'a [(String, String)]),
    /// An element closes: its path, its text without white space around it.
    Close(&'a [String], &'a str),
}

/// Reports all elements in their order, or says at which byte the text stops being XML.
pub(crate) fn walk(text: &str, mut report: impl FnMut(Node<'_>)) -> Result<(), String> {
    let mut reader = Reader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    let mut path: Vec<String> = Vec::new();
    let mut content = String::new();
    let mut any = false;
    let mut odd: Option<String> = None;
    loop {
        let event = reader.read_event().map_err(|e| format!("byte {}: {e}", reader.error_position()))?;
        match event {
            Event::Start(start) => {
                any = true;
                if path.len() >= DEPTH_MAX {
                    return Err(format!(
                        "byte {}: elements lie too deep in one another",
                        reader.buffer_position()
                    ));
                }
                let name: &str = start.local_name().into_inner();
                if odd.is_none() && !is_name(name) {
                    odd = Some(format!("byte {}: an element has no proper name", reader.buffer_position()));
                }
                path.push(name.to_owned());
                content.clear();
                report(Node::Open(&path, &attributes(&start)));
            }
            Event::End(_) => {
                report(Node::Close(&path, content.trim()));
                path.pop();
                content.clear();
            }
            Event::Text(text) => content.push_str(&text),
            Event::CData(text) => content.push_str(&text),
            Event::GeneralRef(reference) => {
                let name: &str = &reference;
                match (reference.resolve_char_ref(), resolve_predefined_entity(name)) {
                    (Ok(Some(c)), _) => content.push(c),
                    (_, Some(known)) => content.push_str(known),
                    _ => content.push_str(&format!("&{name};")),
                }
            }
            Event::Eof => break,
            _ => {}
        }
    }
    match (any, path.last(), odd) {
        (false, _, _) => Err("it has no element".into()),
        (true, Some(open), _) => Err(format!("it ends within <{open}>")),
        (true, None, Some(odd)) => Err(odd),
        (true, None, None) => Ok(()),
    }
}

/// Whether a name has only characters that XML allows (the reader takes any).
fn is_name(name: &str) -> bool {
    let allowed = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '\u{b7}');
    name.starts_with(|c: char| c.is_alphabetic() || c == '_') && name.chars().all(allowed)
}

fn attributes(start: &BytesStart<'_>) -> Vec<(String, String)> {
    let mut attributes = Vec::new();
    for attribute in start.attributes().with_checks(false).flatten().take(ATTRIBUTES_MAX) {
        let raw: &str = &attribute.value;
        let value = quick_xml::escape::unescape(raw).map_or(raw.to_owned(), |value| value.into_owned());
        attributes.push((attribute.key.local_name().as_ref().to_owned(), value));
    }
    attributes
}

/// The value of an attribute.
pub(crate) fn attribute<'a>(attributes: &'a [(String, String)], name: &str) -> Option<&'a str> {
    attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.trim())
}
