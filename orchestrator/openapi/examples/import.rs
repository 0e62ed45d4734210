//! Imports an OpenAPI document (JSON or YAML), says what became of it, and checks the file as `sluice validate` does:
//! `cargo run -p sluice-openapi --example import -- FILE [TAG|/PATH]...`
#![expect(clippy::print_stdout, reason = "an example that is run by hand")]

use std::error::Error;
use std::time::Instant;

use serde_json::Value;
use sluice_openapi::{Imported, Options, import, to_yaml};
use sluice_planner::SourceFile;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().ok_or("name a file")?;
    let text = std::fs::read_to_string(&file)?;
    let root: Value = match serde_json::from_str(&text) {
        Ok(root) => root,
        Err(_) => serde_saphyr::from_str_with_options(&text, serde_saphyr::options! { budget: None })?,
    };
    let begin = Instant::now();
    let options = Options { only: arguments.collect(), ..Options::default() };
    let Imported { manifest, report } = import(&root, &options)?;
    let yaml = to_yaml(&manifest);
    let imported = begin.elapsed();
    println!(
        "{file}: OpenAPI {}, {} operations, {} chosen, {} actions, {} datatypes; {} bytes in {imported:?}",
        report.openapi,
        report.operations,
        report.chosen,
        report.actions,
        report.datatypes,
        yaml.len()
    );
    for remark in &report.remarks {
        println!(
            "  {:?} ({}): {} {:?}",
            remark.kind,
            remark.places.len(),
            remark.message,
            remark.places.first()
        );
    }
    println!(
        "  {} values, {} bytes of texts",
        size(&serde_json::to_value(&manifest)?).0,
        size(&serde_json::to_value(&manifest)?).1
    );
    let begin = Instant::now();
    let (_, checked) = sluice_planner::read(&[SourceFile { name: file, text: yaml.clone() }]);
    println!("  checked in {:?}: {} errors", begin.elapsed(), checked.errors().count());
    checked.errors().take(5).for_each(|error| println!("    {error:?}"));
    if let Some(target) = std::env::var_os("KEEP") {
        std::fs::write(target, yaml)?;
    }
    Ok(())
}

/// How many values and bytes of texts a value has.
fn size(value: &Value) -> (usize, usize) {
    let add = |a: (usize, usize), b: (usize, usize)| (a.0 + b.0, a.1 + b.1);
    match value {
        Value::Array(items) => items.iter().map(size).fold((1, 0), add),
        Value::Object(members) => {
            members.iter().map(|(key, value)| add(size(value), (1, key.len()))).fold((1, 0), add)
        }
        Value::String(text) => (1, text.len()),
        Value::Null | Value::Bool(_) | Value::Number(_) => (1, 0),
    }
}
