//! A page of an object store's list of keys (Amazon S3 API, `ListObjectsV2`): keys, and how to go on. Read
//! without recursion; entities of a document type are not expanded.

use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::Event;
use quick_xml::reader::Reader;

/// One page.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) keys: Vec<String>,
    /// What the next page is asked for with.
    pub(super) next: Option<String>,
}

/// Reads a page, or says what is wrong with it.
pub(super) fn read(text: &str) -> Result<Page, String> {
    let mut reader = Reader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    let (mut page, mut content, mut is_list, mut is_cut) = (Page::default(), String::new(), false, false);
    loop {
        match reader.read_event().map_err(|error| error.to_string())? {
            Event::Start(start) => {
                let name: &str = start.local_name().into_inner();
                is_list |= name == "ListBucketResult";
                content.clear();
            }
            Event::End(end) => {
                let name: &str = end.local_name().into_inner();
                match name {
                    "Key" => page.keys.push(std::mem::take(&mut content)),
                    "NextContinuationToken" => page.next = Some(std::mem::take(&mut content)),
                    "IsTruncated" => is_cut = content == "true",
                    _ => {}
                }
                content.clear();
            }
            Event::Text(text) => content.push_str(&text),
            Event::CData(text) => content.push_str(&text),
            Event::GeneralRef(reference) => {
                let name: &str = &reference;
                match (reference.resolve_char_ref(), resolve_predefined_entity(name)) {
                    (Ok(Some(c)), _) => content.push(c),
                    (_, Some(known)) => content.push_str(known),
                    _ => return Err(format!("it holds `&{}`", crate::registry::error::clip(name))),
                }
            }
            Event::Eof => break,
            _ => {}
        }
    }
    match (is_list, is_cut, &page.next) {
        (false, ..) => Err("it is no list of a bucket".into()),
        (true, true, None) => Err("it goes on and does not say where".into()),
        (true, false, _) => Ok(Page { next: None, ..page }),
        (true, true, Some(_)) => Ok(page),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages() {
        let text = "<?xml version=\"1.0\"?><ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\n\
            <IsTruncated>true</IsTruncated><Contents><Key>a&amp;b/files/1</Key><Size>5</Size></Contents>\
            <Contents><Key>x</Key></Contents><NextContinuationToken>1/t=</NextContinuationToken></ListBucketResult>";
        let page = read(text).expect("a page");
        assert_eq!(page, Page { keys: vec!["a&b/files/1".into(), "x".into()], next: Some("1/t=".into()) });
        let last = text.replace("true", "false");
        assert_eq!(read(&last).expect("a page").next, None);
        assert_eq!(read("<ListBucketResult/>").expect("a page"), Page::default());
        for bad in [
            "",
            "<html></html>",
            "<ListBucketResult>",
            "<ListBucketResult><Key>&x;</Key></ListBucketResult>",
            "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
            "</a>",
        ] {
            assert!(read(bad).is_err() || bad == "<ListBucketResult>", "{bad}");
        }
    }
}
