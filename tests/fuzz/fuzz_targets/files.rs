//! Files: templates, instances, connectors and flows, read and checked. Every fault is a diagnostic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sluice_planner::{Catalogue, SourceFile, check_instance, check_template, read};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let files = [SourceFile { name: "x.yaml".to_owned(), text: text.to_owned() }];
    let (documents, mut report) = read(&files);
    let catalogue = Catalogue::default();
    for doc in &documents.templates {
        report.merge(check_template(doc, &catalogue));
    }
    for doc in &documents.instances {
        report.merge(check_instance(doc, &catalogue));
    }
    // YAML ends a line with a carriage return, too, and what breaks off does so behind the last line.
    let lines = text.matches(['\n', '\r']).count();
    let lines = u32::try_from(lines).unwrap_or(u32::MAX).saturating_add(2);
    for found in &report.sorted() {
        assert!(found.line <= lines, "{found:?} is not in {lines} lines");
        assert!(!found.message.is_empty(), "{found:?}");
    }
});
