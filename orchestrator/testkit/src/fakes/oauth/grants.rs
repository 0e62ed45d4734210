//! What people granted, and the tokens of it.

use std::collections::BTreeMap;

use secrecy::SecretString;
use sluice_domain::oauth::Pkce;

/// What people granted.
#[derive(Debug)]
pub(crate) struct Grants {
    pub(crate) rotating: bool,
    /// How many tokens, codes and grants there were.
    made: u64,
    codes: BTreeMap<String, Code>,
    /// By the device's code: the person's code, and what became of it.
    devices: BTreeMap<String, (String, Device)>,
    /// The grant of each access token that works.
    access: BTreeMap<String, u64>,
    /// The grant of each refresh token, and whether it works still.
    refresh: BTreeMap<String, (u64, bool)>,
}

#[derive(Debug)]
struct Code {
    challenge: Option<String>,
    redirect_uri: String,
}

/// What became of a device's code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Device {
    /// Nobody has typed it in.
    Waiting,
    Approved,
    Denied,
}

/// An access token, and a refresh token where there is a new one.
type Pair = (String, Option<String>);

impl Default for Grants {
    fn default() -> Self {
        Self {
            rotating: true,
            made: 0,
            codes: BTreeMap::new(),
            devices: BTreeMap::new(),
            access: BTreeMap::new(),
            refresh: BTreeMap::new(),
        }
    }
}

impl Grants {
    pub(crate) fn add_code(&mut self, code: &str, challenge: Option<&str>, redirect_uri: &str) {
        let challenge = challenge.map(str::to_owned);
        self.codes.insert(code.to_owned(), Code { challenge, redirect_uri: redirect_uri.to_owned() });
    }

    pub(crate) fn exchange(
        &mut self,
        code: &str,
        verifier: Option<&SecretString>,
        redirect_uri: &str,
    ) -> Result<Pair, &'static str> {
        let code = self.codes.remove(code).ok_or("invalid_grant")?;
        let proof = verifier.map(Pkce::challenge_of);
        if code.challenge != proof || code.redirect_uri != redirect_uri {
            return Err("invalid_grant");
        }
        let grant = self.next();
        Ok(self.pair(grant, true))
    }

    /// A token of the client itself.
    pub(crate) fn alone(&mut self) -> String {
        let grant = self.next();
        self.pair(grant, false).0
    }

    pub(crate) fn refresh(&mut self, token: &str) -> Result<Pair, &'static str> {
        let Some((grant, works)) = self.refresh.get_mut(token) else { return Err("invalid_grant") };
        let (grant, worked) = (*grant, *works);
        *works = !self.rotating && worked;
        if !worked {
            // Somebody has a copy: nobody can tell who.
            self.end(grant);
            return Err("invalid_grant");
        }
        Ok(self.pair(grant, self.rotating))
    }

    pub(crate) fn start_device(&mut self) -> (String, String) {
        let number = self.next();
        let codes = (format!("device-{number}"), format!("CODE-{number}"));
        self.devices.insert(codes.0.clone(), (codes.1.clone(), Device::Waiting));
        codes
    }

    pub(crate) fn decide(&mut self, user_code: &str, decision: Device) {
        self.devices
            .values_mut()
            .filter(|(code, _)| code == user_code)
            .for_each(|(_, device)| *device = decision);
    }

    pub(crate) fn poll(&mut self, device_code: &str) -> Result<Pair, &'static str> {
        match self.devices.get(device_code).map(|(_, device)| *device) {
            None => Err("expired_token"),
            Some(Device::Waiting) => Err("authorization_pending"),
            Some(Device::Denied) => Err("access_denied"),
            Some(Device::Approved) => {
                self.devices.remove(device_code);
                let grant = self.next();
                Ok(self.pair(grant, true))
            }
        }
    }

    /// Ends the grant of a refresh token, or an access token alone (RFC 7009, section 2.1).
    pub(crate) fn revoke(&mut self, token: &str) {
        match self.refresh.get(token) {
            Some((grant, _)) => self.end(*grant),
            None => drop(self.access.remove(token)),
        }
    }

    pub(crate) fn accepts(&self, access: &str) -> bool {
        self.access.contains_key(access)
    }

    fn end(&mut self, grant: u64) {
        self.access.retain(|_, of| *of != grant);
        self.refresh.values_mut().filter(|(of, _)| *of == grant).for_each(|(_, works)| *works = false);
    }

    fn pair(&mut self, grant: u64, refreshable: bool) -> Pair {
        let number = self.next();
        let access = format!("access-{number}");
        self.access.insert(access.clone(), grant);
        let refresh = refreshable.then(|| format!("refresh-{number}"));
        if let Some(refresh) = &refresh {
            self.refresh.insert(refresh.clone(), (grant, true));
        }
        (access, refresh)
    }

    fn next(&mut self) -> u64 {
        self.made += 1;
        self.made
    }
}
