//! JUnit XML read back with an XML parser: the structure that CI systems rely on (the elements and
//! attributes of the schema of Jenkins' xUnit plug-in), and that all counts are true.

mod common;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use seaworthy_report::{Options, by_name};
use seaworthy_types::{Decision, Grade, Report};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Default)]
struct Element {
    name: String,
    attributes: BTreeMap<String, String>,
    children: Vec<Element>,
    text: String,
}

impl Element {
    fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).unwrap_or_else(|| panic!("<{}> without {name}: {self:?}", self.name))
    }
    fn number(&self, name: &str) -> usize {
        self.attribute(name).parse().unwrap_or_else(|_| panic!("{name} of <{}>", self.name))
    }
    /// How many test cases below hold such an element.
    fn cases_with(&self, name: &str) -> usize {
        let own =
            usize::from(self.name == "testcase" && self.children.iter().any(|child| child.name == name));
        own + self.children.iter().map(|child| child.cases_with(name)).sum::<usize>()
    }
}

fn element(start: &BytesStart<'_>) -> Element {
    let mut element = Element { name: start.name().as_ref().to_owned(), ..Element::default() };
    for attribute in start.attributes() {
        let attribute = attribute.expect("well formed, and each once");
        let name = attribute.key.as_ref().to_owned();
        let value = quick_xml::escape::unescape(&attribute.value).expect("known entities").into_owned();
        element.attributes.insert(name, value);
    }
    element
}

fn parse(bytes: &[u8]) -> Element {
    let mut reader = Reader::from_reader(bytes);
    reader.config_mut().check_end_names = true;
    let mut open = vec![Element::default()];
    loop {
        let top = open.last_mut().expect("the document");
        match reader.read_event().unwrap_or_else(|error| panic!("at {}: {error}", reader.error_position())) {
            Event::Start(start) => open.push(element(&start)),
            Event::Empty(start) => top.children.push(element(&start)),
            Event::End(_) => {
                let ended = open.pop().expect("an element");
                open.last_mut().expect("its parent").children.push(ended);
            }
            Event::Text(text) => top.text.push_str(&text),
            Event::GeneralRef(entity) => {
                let entity = format!("&{};", &*entity);
                top.text.push_str(&quick_xml::escape::unescape(&entity).expect("a known entity"));
            }
            Event::Decl(_) => {}
            Event::Eof => break,
            other => panic!("unexpected {other:?}"),
        }
    }
    assert_eq!(open.len(), 1, "every element ends");
    let mut document = open.remove(0);
    assert_eq!(document.children.len(), 1, "one root");
    document.children.remove(0)
}

fn written(report: &Report) -> Element {
    let mut bytes = Vec::new();
    by_name("junit").expect("junit").write(report, &Options::default(), &mut bytes).expect("writes");
    parse(&bytes)
}

#[test]
fn structure_and_counts() {
    for (name, report) in common::all() {
        let root = written(&report);
        assert_eq!(root.name, "testsuites", "{name}");
        let mut total = [0; 4];
        for suite in &root.children {
            assert_eq!(suite.name, "testsuite", "{name}");
            assert!(!suite.attribute("name").is_empty(), "{name}");
            suite.attribute("time").parse::<f64>().expect("seconds");
            let cases: Vec<&Element> =
                suite.children.iter().filter(|child| child.name == "testcase").collect();
            assert_eq!(cases.len(), suite.children.len(), "{name}: only test cases in a suite");
            let counts = [
                cases.len(),
                suite.cases_with("failure"),
                suite.cases_with("error"),
                suite.cases_with("skipped"),
            ];
            for (index, what) in ["tests", "failures", "errors", "skipped"].into_iter().enumerate() {
                assert_eq!(
                    suite.number(what),
                    counts[index],
                    "{name}: {what} of {}",
                    suite.attribute("name")
                );
                total[index] += counts[index];
            }
            for case in cases {
                assert!(
                    !case.attribute("name").is_empty() && !case.attribute("classname").is_empty(),
                    "{name}"
                );
                case.attribute("time").parse::<f64>().expect("seconds");
                assert!(case.children.len() <= 1, "{name}: one result");
                for result in &case.children {
                    let known = ["failure", "error", "skipped", "system-out"].contains(&result.name.as_str());
                    assert!(known && result.children.is_empty(), "{name}: {}", result.name);
                    if ["failure", "error"].contains(&result.name.as_str()) {
                        assert!(
                            !result.attribute("message").is_empty() && !result.attribute("type").is_empty()
                        );
                    }
                }
            }
        }
        for (index, what) in ["tests", "failures", "errors"].into_iter().enumerate() {
            assert_eq!(root.number(what), total[index], "{name}: {what} in all");
        }
    }
}

/// Each finding is a failure or skipped, each kind of gap an error, and the verdict a case of its own.
#[test]
fn nothing_is_left_out() {
    for (name, report) in common::all() {
        let root = written(&report);
        let denied = report.verdict.decision == Decision::Deny && !report.verdict.incomplete;
        assert_eq!(root.cases_with("failure"), report.findings.len() + usize::from(denied), "{name}");
        assert_eq!(root.cases_with("skipped"), report.suppressed.len(), "{name}");
        let gaps = report.coverage.iter().filter(|note| note.grade == Grade::Gap);
        let kinds: BTreeSet<&str> = gaps.map(|note| note.code.as_str()).collect();
        assert_eq!(root.cases_with("error"), kinds.len() + usize::from(report.verdict.incomplete), "{name}");
        let verdict = root.children.iter().find(|suite| suite.attribute("name") == "verdict").expect(name);
        assert_eq!(verdict.children[0].attribute("name"), "may it sail");
        for finding in report.findings.iter().take(20).filter(|f| f.vulnerability.is_ascii()) {
            let told = root.children.iter().flat_map(|suite| &suite.children).any(|case| {
                case.attribute("name").contains(&finding.vulnerability)
                    && case.attribute("classname").contains(&finding.subject.name)
            });
            assert!(told || name == "hostile", "{name}: {}", finding.vulnerability);
        }
    }
}
