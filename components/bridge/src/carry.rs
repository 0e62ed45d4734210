//! What a message refers to by an address of its own container, carried inside the message: attachments, and bodies that
//! a component put into its object storage.
//!
//! A step in another container reaches neither. So the bytes go along, as base64, and become an object of the process that
//! gets them. Nothing is left out in silence: what is not there any more, or is too much, fails the run.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use sluice_families::{ATTACHMENTS, Cipher, HEADERS, PASSTHROUGH};
use sluice_sdk::Error;

use crate::child::Child;
use crate::objects::Object;

/// The header of a message whose body is an object.
const OBJECT: &str = "x-ipaas-object-storage-id";
/// Most bytes of all that is carried along with a message, in base64. A message has 1 MiB altogether.
const CARRIED_BYTES: usize = 960 * 1024;

/// Takes into a message what it refers to.
///
/// # Errors
/// When that is not there, or too much.
pub(crate) fn pack(child: &Child, body: &mut Value, headers: &mut Map<String, Value>) -> Result<(), Error> {
    if let Some(Value::Object(theirs)) = headers.get_mut(HEADERS) {
        if let Some(id) = theirs.remove(OBJECT) {
            *body = referred(child, &id)?;
        }
        if theirs.is_empty() {
            headers.remove(HEADERS);
        }
    }
    let mut bytes = 0;
    if let Some(attachments) = headers.get_mut(ATTACHMENTS) {
        pack_all(child, attachments, &mut bytes)?;
    }
    for message in headers.get_mut(PASSTHROUGH).and_then(Value::as_object_mut).into_iter().flatten() {
        let Some(message) = message.1.as_object_mut() else { continue };
        let theirs = message.get_mut("headers").and_then(Value::as_object_mut);
        if let Some(id) = theirs.and_then(|theirs| theirs.remove(OBJECT)) {
            message.insert("body".to_owned(), referred(child, &id)?);
        }
        if let Some(attachments) = message.get_mut("attachments") {
            pack_all(child, attachments, &mut bytes)?;
        }
    }
    Ok(())
}

/// The body that an object is.
fn referred(child: &Child, id: &Value) -> Result<Value, Error> {
    let missing =
        || Error::fatal("object_missing", "the body of a message is an object that is not in the storage");
    let id = id.as_str().ok_or_else(missing)?;
    let object = child.objects.get(id).ok_or_else(missing)?;
    child.objects.carried(id);
    // The library encrypts what it puts there itself; what components put there they do not.
    let plain = Cipher::of(&child.place).open(&object.bytes);
    serde_json::from_slice(plain.as_deref().unwrap_or(&object.bytes))
        .map_err(|_| Error::fatal("object_unreadable", "the body of a message is an object that is no JSON"))
}

fn pack_all(child: &Child, attachments: &mut Value, bytes: &mut usize) -> Result<(), Error> {
    for (name, attachment) in attachments.as_object_mut().into_iter().flatten() {
        let Some(id) = attachment["url"].as_str().and_then(local) else { continue };
        let name: String = name.chars().take(100).collect();
        let Some(object) = child.objects.get(id) else {
            let text = format!("the attachment `{name}` is not in the storage of the process any more");
            return Err(Error::fatal("attachment_missing", text));
        };
        *bytes += object.bytes.len().div_ceil(3) * 4;
        if *bytes > CARRIED_BYTES {
            let text = format!(
                "the attachments of a message have more than 720 KiB with `{name}`: a message has at most 1 MiB. \
                 Give larger ones an address that other steps reach"
            );
            return Err(Error::fatal("attachments_too_large", text));
        }
        child.objects.carried(id);
        let Some(fields) = attachment.as_object_mut() else { continue };
        fields.remove("url");
        fields.insert("data".to_owned(), STANDARD.encode(&object.bytes).into());
        fields.insert("size".to_owned(), object.bytes.len().into());
        if let Some(kind) = object.kind.filter(|_| !fields.contains_key("content-type")) {
            fields.insert("content-type".to_owned(), kind.into());
        }
    }
    Ok(())
}

/// The id of the object at an address of a container's own.
fn local(url: &str) -> Option<&str> {
    let (_, path) = url.strip_prefix("http://127.0.0.1:")?.split_once('/')?;
    path.strip_prefix("objects/").map(|id| id.split(['?', '#']).next().unwrap_or_default())
}

/// A message whose attachments are objects of the process. They stay for as long as this lives, and then as long as there is
/// room.
pub(crate) struct Unpacked {
    child: Arc<Child>,
    ids: Vec<String>,
}

impl Drop for Unpacked {
    fn drop(&mut self) {
        for id in &self.ids {
            self.child.objects.carried(id);
        }
    }
}

/// Makes objects of the process of what a message carries.
///
/// # Errors
/// When there is no room, or it is not base64.
pub(crate) fn unpack(
    child: &Arc<Child>,
    headers: &Map<String, Value>,
) -> Result<(Map<String, Value>, Unpacked), Error> {
    let mut headers = headers.clone();
    let mut unpacked = Unpacked { child: Arc::clone(child), ids: Vec::new() };
    if let Some(attachments) = headers.get_mut(ATTACHMENTS) {
        unpacked.add(attachments)?;
    }
    for (_, message) in headers.get_mut(PASSTHROUGH).and_then(Value::as_object_mut).into_iter().flatten() {
        if let Some(attachments) = message.get_mut("attachments") {
            unpacked.add(attachments)?;
        }
    }
    Ok((headers, unpacked))
}

impl Unpacked {
    fn add(&mut self, attachments: &mut Value) -> Result<(), Error> {
        let all = attachments.as_object_mut().into_iter().flatten();
        for attachment in all.filter_map(|(_, one)| one.as_object_mut()) {
            if attachment.contains_key("url") {
                continue;
            }
            let Some(Value::String(data)) = attachment.remove("data") else { continue };
            let bytes = STANDARD
                .decode(data)
                .map_err(|_| Error::fatal("bad_input", "the `data` of an attachment is no base64"))?;
            let kind = attachment.get("content-type").and_then(Value::as_str).map(str::to_owned);
            let id = uuid::Uuid::new_v4().to_string();
            let object = Object { kind, bytes: bytes.into(), headers: BTreeMap::new() };
            let kept = self.child.objects.put(&id, object);
            kept.map_err(|full| Error::retryable("storage_full", full))?;
            attachment.insert("url".to_owned(), format!("{}/objects/{id}", self.child.place.api).into());
            self.ids.push(id);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_the_container_names_an_object() {
        let check = |url: &str, id: Option<&str>| assert_eq!(local(url), id, "{url}");
        check("http://127.0.0.1:4711/objects/a1?storage_type=maester", Some("a1"));
        check("http://127.0.0.1:4711/other/a1", None);
        check("http://127.0.0.1.example.com/objects/a1", None);
        check("https://files.example.com/objects/a1", None);
    }
}
