//! The import as a whole.

use std::collections::{BTreeMap, BTreeSet};

use semver::Version;
use serde_json::Value;
use sluice_declarative::{Action, Auth, Http, Manifest};
use sluice_protocol::{ComponentName, FunctionName};

use crate::bounds::{MAX_DEPTH, MAX_OPERATIONS, is_within};
use crate::datatypes::{reachable, references};
use crate::document::{Document, Reason, list, object, text};
use crate::names::{component, function, line, prose};
use crate::operation::Operation;
use crate::report::{ImportReport, RemarkKind, Remarks};
use crate::schema::Schemas;
use crate::{ImportError, auth, server, version};

const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

/// What is to be imported, and how it is called.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// The connector's name; made of the document's title when absent.
    pub name: Option<ComponentName>,
    /// The connector's version; made of the API's version when absent.
    pub version: Option<Version>,
    /// Tags, and beginnings of paths, which begin with `/`: only operations with one of them. All when empty.
    pub only: Vec<String>,
}

/// A connector made of a document.
#[derive(Debug, Clone, PartialEq)]
pub struct Imported {
    /// The connector, without faults.
    pub manifest: Manifest,
    /// What was made of the document, and what was not.
    pub report: ImportReport,
}

/// Makes a connector of a document of OpenAPI 3.0 or 3.1.
///
/// # Errors
/// When it is no such document, exceeds a bound, or holds no operation that can be imported.
pub fn import(root: &Value, options: &Options) -> Result<Imported, ImportError> {
    let document = Document::new(root)?;
    if !is_within(root, MAX_DEPTH) {
        return Err(ImportError::TooDeep);
    }
    let mut remarks = Remarks::default();
    let found = operations(document, &mut remarks);
    if found.operations.is_empty() && found.lost.is_empty() {
        return Err(ImportError::Empty);
    }
    let total = found.operations.len() + found.lost.len();
    let chosen: Vec<Operation<'_>> =
        found.operations.into_iter().filter(|operation| is_chosen(operation, &options.only)).collect();
    if chosen.is_empty() && found.lost.is_empty() {
        return Err(ImportError::NoneChosen { tags: tags(root) });
    }
    if chosen.len() > MAX_OPERATIONS {
        return Err(ImportError::TooManyOperations { found: chosen.len() });
    }
    let server = usual_server(root, &chosen);
    let specs: Vec<&Value> = chosen.iter().map(|operation| operation.spec).collect();
    let auth = auth::choose(document, &specs, &mut remarks);
    let mut schemas = Schemas::new(document);
    let lost = found.lost.len();
    let mut left_out = found.lost;
    let mut actions = Actions::new();
    let mut taken = BTreeSet::new();
    for operation in &chosen {
        match action(operation, server, &mut taken, &mut schemas) {
            Ok((name, action)) => drop(actions.insert(name, (operation.place(), action))),
            Err(reason) => left_out.push((operation.place(), reason)),
        }
    }
    remarks.append(std::mem::take(&mut schemas.remarks));
    let base = server::base(server, &mut remarks);
    let head = Head { root, options, base, auth };
    let mut manifest = head.manifest(&mut remarks);
    finish(&mut manifest, actions, &mut schemas, &mut left_out)?;
    remarks.append(schemas.remarks);
    if manifest.actions.is_empty() {
        let (first, why) =
            left_out.into_iter().next().map_or_else(Default::default, |(place, why)| (place, why.0));
        return Err(ImportError::NothingLeft { operations: chosen.len() + lost, first, why });
    }
    for (place, Reason(reason)) in left_out {
        remarks.add(RemarkKind::OperationLeftOut, &place, reason);
    }
    let report = ImportReport {
        openapi: document.version(),
        operations: total,
        chosen: chosen.len(),
        actions: manifest.actions.len(),
        datatypes: manifest.datatypes.len(),
        remarks: remarks.finish(),
    };
    Ok(Imported { manifest, report })
}

/// Actions with their places in the document.
type Actions = BTreeMap<FunctionName, (String, Action)>;

/// What a document holds.
struct Found<'d> {
    operations: Vec<Operation<'d>>,
    /// Paths that cannot be read.
    lost: Vec<(String, Reason)>,
}

fn operations<'d>(document: Document<'d>, remarks: &mut Remarks) -> Found<'d> {
    let mut found = Found { operations: Vec::new(), lost: Vec::new() };
    for (path, item) in
        object(document.root, "paths").into_iter().flatten().filter(|(path, _)| path.starts_with('/'))
    {
        match document.resolve(item) {
            Ok(item) => {
                for (method, spec) in METHODS.iter().filter_map(|method| Some((method, item.get(*method)?))) {
                    let method = method.to_ascii_uppercase();
                    match document.resolve(spec) {
                        Ok(spec) => found.operations.push(Operation { method, path, item, spec }),
                        Err(reason) => found.lost.push((format!("{method} {}", line(path)), reason)),
                    }
                }
            }
            Err(reason) => found.lost.push((line(path), reason)),
        }
    }
    for key in ["webhooks", "x-webhooks"] {
        if let Some(webhooks) = object(document.root, key).filter(|webhooks| !webhooks.is_empty()) {
            remarks.part(
                "",
                format!("{} webhooks were left out: they are requests that the API makes", webhooks.len()),
            );
        }
    }
    found
}

fn is_chosen(operation: &Operation<'_>, only: &[String]) -> bool {
    let has_tag = |wanted: &str| {
        list(operation.spec, "tags")
            .iter()
            .filter_map(Value::as_str)
            .any(|tag| tag.eq_ignore_ascii_case(wanted))
    };
    only.is_empty()
        || only.iter().any(|wanted| {
            if wanted.starts_with('/') {
                operation.path.starts_with(wanted.as_str())
            } else {
                has_tag(wanted)
            }
        })
}

fn tags(root: &Value) -> String {
    let items = object(root, "paths").into_iter().flatten().map(|(_, item)| item);
    let specs = items.flat_map(|item| METHODS.iter().filter_map(|method| item.get(*method)));
    let tags: BTreeSet<String> =
        specs.flat_map(|spec| list(spec, "tags")).filter_map(Value::as_str).map(line).collect();
    if tags.is_empty() {
        "none".to_owned()
    } else {
        tags.into_iter().take(100).collect::<Vec<_>>().join(", ")
    }
}

/// The server of most operations.
fn usual_server<'d>(root: &'d Value, operations: &[Operation<'d>]) -> Option<&'d Value> {
    let mut votes: BTreeMap<&str, (usize, Option<&Value>)> = BTreeMap::new();
    for operation in operations {
        let server = server::of_operation(root, operation.item, operation.spec);
        votes.entry(server::key(server)).or_insert((0, server)).0 += 1;
    }
    votes.into_values().max_by_key(|(votes, _)| *votes).and_then(|(_, server)| server)
}

fn action<'d>(
    operation: &Operation<'d>,
    server: Option<&Value>,
    taken: &mut BTreeSet<String>,
    schemas: &mut Schemas<'d>,
) -> Result<(FunctionName, Action), Reason> {
    let own = server::of_operation(schemas.document.root, operation.item, operation.spec);
    if server::key(own) != server::key(server) {
        let url = line(server::key(own));
        return Err(Reason(format!("it has another server than most operations, {url}")));
    }
    let name = function(&operation.label(), taken);
    match operation.action(name.as_str(), schemas) {
        Ok(action) => Ok((name, action)),
        Err(reason) => {
            taken.remove(name.as_str());
            Err(reason)
        }
    }
}

/// What a connector has beside its actions.
struct Head<'d> {
    root: &'d Value,
    options: &'d Options,
    base: server::Base,
    auth: Auth,
}

impl Head<'_> {
    fn manifest(self, remarks: &mut Remarks) -> Manifest {
        let info = self.root.get("info").unwrap_or(&Value::Null);
        let title = text(info, "title").map(line).filter(|title| !title.is_empty());
        let name = self.options.name.clone().or_else(|| component(title.as_deref()?)).unwrap_or_else(|| {
            remarks.choice("the connector is called `imported`: the document's title makes no name");
            "imported".parse().expect("`imported` is a name")
        });
        let version = self.options.version.clone().unwrap_or_else(|| {
            let given = text(info, "version").map(line).unwrap_or_default();
            let version = version::coerce(&given).unwrap_or(Version::new(1, 0, 0));
            if version.to_string() != given {
                remarks.choice(format!("the connector's version is {version}; the document says `{given}`"));
            }
            version
        });
        let contact = info.get("contact").unwrap_or(&Value::Null);
        Manifest {
            sluice: 1,
            kind: serde_json::from_value(Value::from("connector")).expect("it is the only kind"),
            title: title.unwrap_or_else(|| name.to_string()),
            name,
            version,
            description: text(info, "description").map(prose).unwrap_or_default(),
            category: None,
            logo: None,
            support: ["url", "email"].into_iter().find_map(|key| text(contact, key)).map(line),
            release_notes: None,
            guide: None,
            variables: Some(self.base.variables),
            datatypes: BTreeMap::new(),
            http: Some(Http::new(self.base.url)),
            auth: self.auth,
            scripts: BTreeMap::new(),
            uses: BTreeMap::new(),
            test: None,
            actions: BTreeMap::new(),
            triggers: BTreeMap::new(),
        }
    }
}

/// Gives the connector its actions and the datatypes that they need, without those that would be faults.
fn finish(
    manifest: &mut Manifest,
    mut actions: Actions,
    schemas: &mut Schemas<'_>,
    left_out: &mut Vec<(String, Reason)>,
) -> Result<(), ImportError> {
    let used = |action: &Action| -> BTreeSet<String> {
        [&action.input, &action.output].into_iter().flatten().flat_map(references).collect()
    };
    let roots: BTreeSet<String> = actions.values().flat_map(|(_, action)| used(action)).collect();
    let closure = schemas.close(&roots);
    actions.retain(|_, (place, action)| {
        let broken = used(action).into_iter().find_map(|name| closure.broken.get(&name));
        left_out.extend(broken.map(|reason| (place.clone(), reason.clone())));
        broken.is_none()
    });
    let needed =
        reachable(actions.values().flat_map(|(_, action)| used(action)).collect(), &closure.datatypes);
    manifest.datatypes = closure.datatypes;
    manifest.datatypes.retain(|name, _| needed.contains(name));
    let places: BTreeMap<FunctionName, String> =
        actions.iter().map(|(name, (place, _))| (name.clone(), place.clone())).collect();
    manifest.actions = actions.into_iter().map(|(name, (_, action))| (name, action)).collect();
    if manifest.actions.is_empty() {
        return Ok(());
    }
    // The checks of connectors have the last word.
    for problem in manifest.check() {
        let name = problem.pointer.strip_prefix("/actions/").and_then(|rest| rest.split('/').next());
        let Some(name) = name.and_then(|name| name.parse::<FunctionName>().ok()) else {
            return Err(ImportError::Invalid(problem.message));
        };
        if manifest.actions.remove(&name).is_some() {
            let place = places.get(&name).cloned().unwrap_or_default();
            left_out.push((place, Reason(problem.message)));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
