//! The key file.

use std::os::unix::fs::PermissionsExt;

use secrecy::{ExposeSecret, SecretString};
use sluice_ports::{Vault, VaultError};
use sluice_store::{FileVault, KeyFileError};

const PLACE: [&str; 2] = ["instance", "crm"];

#[test]
fn a_key_file_is_made_once_and_for_its_owner_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    let sealed =
        FileVault::open(&path).unwrap().seal("default", &PLACE, &SecretString::from("hunter2")).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(text.starts_with('#') && text.contains(&sealed.key_id), "{text}");
    let again = FileVault::open(&path).unwrap();
    assert_eq!(again.open(&PLACE, &sealed).unwrap().expose_secret(), "hunter2");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left over");
}

#[test]
fn a_key_file_that_others_can_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    drop(FileVault::open(&path).unwrap());
    for mode in [0o604, 0o640, 0o660] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let refused = FileVault::open(&path).err().expect("it is refused").to_string();
        assert!(refused.contains(&format!("chmod 600 {}", path.display())), "{refused}");
    }
}

#[test]
fn a_lost_key_is_named_and_an_added_one_seals() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (folder.path().join("first"), folder.path().join("second"));
    let sealed =
        FileVault::open(&first).unwrap().seal("default", &PLACE, &SecretString::from("old")).unwrap();
    let other = FileVault::open(&second).unwrap();
    let missing = other.open(&PLACE, &sealed).expect_err("the key is not there");
    assert_eq!(missing, VaultError::UnknownKey(sealed.key_id.clone()));

    let added = std::fs::read_to_string(&second).unwrap();
    let both = std::fs::read_to_string(&first).unwrap() + &added;
    std::fs::write(&first, both).unwrap();
    let rotated = FileVault::open(&first).unwrap();
    assert_eq!(rotated.open(&PLACE, &sealed).unwrap().expose_secret(), "old");
    assert_ne!(rotated.seal("default", &PLACE, &SecretString::from("new")).unwrap().key_id, sealed.key_id);
}

#[test]
fn a_wrong_line_is_named_without_its_text() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    for (text, expect) in [("", 1), ("# only a comment\n", 2), ("# x\nk1 c2hvcnQ=\n", 2), ("hunter2\n", 1)] {
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let refused = FileVault::open(&path).err().expect("it is refused");
        assert!(matches!(refused, KeyFileError::Line { line, .. } if line == expect), "{refused:?}");
        assert!(!refused.to_string().contains("hunter2"));
    }
}

#[test]
fn the_same_secret_is_never_sealed_alike() {
    let folder = tempfile::tempdir().unwrap();
    let vault = FileVault::open(&folder.path().join("keys")).unwrap();
    let secret = SecretString::from("hunter2");
    assert_ne!(
        vault.seal("default", &PLACE, &secret).unwrap().sealed,
        vault.seal("default", &PLACE, &secret).unwrap().sealed
    );
}
