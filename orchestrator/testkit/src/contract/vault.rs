//! The contract of [`Vault`].

use secrecy::{ExposeSecret, SecretString};
use sluice_ports::{SealedSecret, Vault, VaultError};

/// Runs the whole contract.
///
/// # Panics
/// Where the vault breaks its contract.
pub fn suite(vault: &dyn Vault) {
    what_was_sealed_opens_at_its_place(vault);
    a_secret_cannot_be_moved(vault);
    a_changed_secret_is_damaged(vault);
    an_unknown_key_is_named(vault);
}

fn sealed(vault: &dyn Vault, text: &str) -> SealedSecret {
    let secret = SecretString::from(text);
    vault.seal(&["instance", "crm", "password"], &secret).expect("a secret can be sealed")
}

fn what_was_sealed_opens_at_its_place(vault: &dyn Vault) {
    for text in ["", "hunter2", "ünïcode 🔑", &"x".repeat(100_000)] {
        let opened = vault.open(&["instance", "crm", "password"], &sealed(vault, text));
        let opened = opened.expect("what was sealed opens");
        assert_eq!(opened.expose_secret(), text);
    }
}

fn a_secret_cannot_be_moved(vault: &dyn Vault) {
    let sealed = sealed(vault, "hunter2");
    for place in [
        ["instance", "crm", "token"].as_slice(),
        &["instance", "crm"],
        &["instance", "crmpassword", ""],
        &["instance", "crm", "password", ""],
        &[],
    ] {
        let moved = vault.open(place, &sealed).map(|_| "opened");
        assert_eq!(moved, Err(VaultError::Damaged), "moved to {place:?}");
    }
}

fn a_changed_secret_is_damaged(vault: &dyn Vault) {
    let good = sealed(vault, "hunter2");
    let place = ["instance", "crm", "password"];
    for byte in 0..good.sealed.len() {
        let mut bad = good.clone();
        bad.sealed[byte] ^= 1;
        assert_eq!(vault.open(&place, &bad).map(|_| "opened"), Err(VaultError::Damaged), "byte {byte}");
    }
    for cut in [0, 1, good.sealed.len() - 1] {
        let bad = SealedSecret { sealed: good.sealed[..cut].to_vec(), ..good.clone() };
        assert_eq!(vault.open(&place, &bad).map(|_| "opened"), Err(VaultError::Damaged), "cut to {cut}");
    }
}

fn an_unknown_key_is_named(vault: &dyn Vault) {
    let foreign = SealedSecret { key_id: "foreign".to_owned(), ..sealed(vault, "x") };
    let opened = vault.open(&["instance", "crm", "password"], &foreign).map(|_| "opened");
    assert_eq!(opened, Err(VaultError::UnknownKey("foreign".to_owned())));
}
