//! The documentation under test: each code has a page whose wrong example has that fault, and whose right one has none.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use sluice_domain::{FlowId, FlowVersion};

use crate::fixtures::{all, catalogue, read_text};
use crate::{Code, Demand, Report, compile};

fn docs() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs"))
}

fn blocks(page: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut open: Option<String> = None;
    for line in page.lines() {
        match (&mut open, line) {
            (None, "```yaml") => open = Some(String::new()),
            (Some(_), "```") => blocks.extend(open.take()),
            (Some(text), line) => {
                text.push_str(line);
                text.push('\n');
            }
            (None, _) => {}
        }
    }
    blocks
}

/// Everything that is said about a file, its flows compiled with its own templates.
fn verdict(text: &str) -> Report {
    let mut report = all(text);
    let (documents, _) = read_text(text);
    for flow in &documents.flows {
        let Some(doc) = documents.templates.iter().find(|doc| doc.template.name == flow.template.name) else {
            continue;
        };
        let demand = Demand {
            doc,
            flow: FlowId::from_bits(1),
            name: flow.name.clone(),
            version: FlowVersion(1),
            params: flow.params.clone(),
            instances: flow.instances.clone(),
        };
        let (compiled, found) = compile(&demand, &catalogue());
        assert_eq!(compiled.is_some(), !found.has_errors(), "{found}");
        report.merge(found);
    }
    report
}

#[test]
fn every_code_has_a_page_and_every_page_a_code() {
    let codes: BTreeSet<String> = Code::ALL.iter().map(|code| format!("{code}.md")).collect();
    let pages: BTreeSet<String> = fs::read_dir(docs().join("errors"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with('F'))
        .collect();
    assert_eq!(codes, pages);
    for code in Code::ALL {
        let page = fs::read_to_string(docs().join(format!("errors/{code}.md"))).unwrap();
        assert!(page.starts_with(&format!("# {code}: {}", code.title())), "{code}");
    }
}

#[test]
fn the_examples_of_the_pages_do_what_the_pages_say() {
    for code in Code::ALL {
        let page = fs::read_to_string(docs().join(format!("errors/{code}.md"))).unwrap();
        let blocks = blocks(&page);
        let [wrong, right] = blocks.as_slice() else {
            assert!(blocks.is_empty(), "{code} has {} examples", blocks.len());
            continue;
        };
        let found = verdict(wrong);
        assert!(found.iter().any(|one| one.code == *code), "the wrong example of {code} says:\n{found}");
        let others: Vec<_> = found.iter().filter(|one| one.code != *code).collect();
        assert!(others.is_empty(), "the wrong example of {code} says more:\n{found}");
        let found = verdict(right);
        assert!(found.is_empty(), "the right example of {code} says:\n{found}");
    }
}

#[test]
fn the_examples_of_the_reference_have_no_errors() {
    let page = fs::read_to_string(docs().join("flow-reference.md")).unwrap();
    let blocks = blocks(&page);
    assert!(blocks.len() > 5, "{} examples", blocks.len());
    for block in blocks {
        let found = verdict(&block);
        assert!(found.is_empty(), "{block}\n{found}");
    }
}
