//! The contract of [`Vault`].

use secrecy::{ExposeSecret, SecretString};
use sluice_ports::{DataKey, SealedSecret, Vault, VaultError};

/// Runs the whole contract.
///
/// # Panics
/// Where the vault breaks its contract.
pub fn suite(vault: &dyn Vault) {
    what_was_sealed_opens_at_its_place(vault);
    a_secret_cannot_be_moved(vault);
    a_changed_secret_is_damaged(vault);
    an_unknown_key_is_named(vault);
    data_keys_seal_once_they_are_learned(vault);
    a_data_key_belongs_to_its_tenant_and_master_key(vault);
    each_tenant_has_a_data_key_of_its_own(vault);
    master_keys_come_and_go(vault);
}

fn sealed(vault: &dyn Vault, text: &str) -> SealedSecret {
    let secret = SecretString::from(text);
    vault.seal("default", &["instance", "crm", "password"], &secret).expect("a secret can be sealed")
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

fn opened(vault: &dyn Vault, sealed: &SealedSecret) -> Result<String, VaultError> {
    let opened = vault.open(&["instance", "crm", "password"], sealed);
    opened.map(|secret| secret.expose_secret().to_owned())
}

fn data_key(vault: &dyn Vault) -> DataKey {
    vault.make_data_key("default").expect("a data key can be made")
}

fn data_keys_seal_once_they_are_learned(vault: &dyn Vault) {
    let before = sealed(vault, "old");
    let (first, second) = (data_key(vault), data_key(vault));
    assert_ne!(first.id, second.id);
    assert_eq!(sealed(vault, "old").key_id, before.key_id, "made is not learned");
    vault.learn(&first).expect("it opens");
    let by_first = sealed(vault, "one");
    assert_eq!(by_first.key_id, first.id);
    vault.learn(&second).expect("it opens");
    let by_second = sealed(vault, "two");
    assert_eq!(by_second.key_id, second.id);
    for (sealed, text) in [(&before, "old"), (&by_first, "one"), (&by_second, "two")] {
        assert_eq!(opened(vault, sealed).as_deref(), Ok(text));
    }
    vault.forget(&first.id);
    vault.forget(&second.id);
    assert_eq!(opened(vault, &by_first), Err(VaultError::UnknownKey(first.id)));
    assert_eq!(opened(vault, &by_second).as_deref(), Ok("two"), "the one that seals is not forgotten");
}

fn a_data_key_belongs_to_its_tenant_and_master_key(vault: &dyn Vault) {
    let key = data_key(vault);
    let others = DataKey { tenant: "another".to_owned(), ..key.clone() };
    assert_eq!(vault.learn(&others), Err(VaultError::Damaged));
    let renamed = DataKey { id: "d0".to_owned(), ..key.clone() };
    assert_eq!(vault.learn(&renamed), Err(VaultError::Damaged));
    let foreign = SealedSecret { key_id: "foreign".to_owned(), ..key.sealed.clone() };
    let foreign = DataKey { sealed: foreign, ..key };
    assert_eq!(vault.learn(&foreign), Err(VaultError::UnknownKey("foreign".to_owned())));
    assert!(vault.rewrap(&foreign).is_err());
}

fn each_tenant_has_a_data_key_of_its_own(vault: &dyn Vault) {
    let (place, secret) = (["instance", "acme.crm", "password"], SecretString::from("hunter2"));
    let refused = vault.seal("acme", &place, &secret).map(|_| "sealed");
    assert_eq!(refused, Err(VaultError::NoKey("acme".to_owned())), "no other tenant's key seals");
    let key = vault.make_data_key("acme").expect("a data key can be made");
    vault.learn(&key).expect("it opens");
    let of_acme = vault.seal("acme", &place, &secret).expect("its key is known");
    assert_eq!(of_acme.key_id, key.id);
    assert_ne!(sealed(vault, "x").key_id, key.id, "the others keep theirs");
    vault.forget(&key.id);
    assert!(vault.open(&place, &of_acme).is_ok(), "the one that seals is not forgotten");
}

fn master_keys_come_and_go(vault: &dyn Vault) {
    let key = data_key(vault);
    vault.learn(&key).expect("it opens");
    let secret = sealed(vault, "kept");
    let old = vault.master_keys();
    let added = vault.add_master_key().expect("a master key can be made");
    assert_eq!(vault.master_keys(), [old.clone(), vec![added.clone()]].concat());
    let wrapped = vault.rewrap(&key).expect("it opens");
    assert_eq!((&wrapped.id, &wrapped.sealed.key_id), (&key.id, &added));
    for id in &old {
        vault.remove_master_key(id).expect("an old one can go");
    }
    assert_eq!(vault.master_keys(), std::slice::from_ref(&added));
    assert_eq!(vault.remove_master_key(&added), Err(VaultError::UnknownKey(added)), "the last one stays");
    vault.learn(&wrapped).expect("it opens with the new master key");
    assert_eq!(vault.learn(&key), Err(VaultError::UnknownKey(key.sealed.key_id)));
    assert_eq!(opened(vault, &secret).as_deref(), Ok("kept"));
}
