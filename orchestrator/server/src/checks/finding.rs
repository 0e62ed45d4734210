//! What a check found.

use std::fmt;

use serde::Serialize;

/// What was found of one requirement.
#[derive(Debug, Serialize)]
pub(crate) struct Finding {
    /// The stable code of the check.
    pub(crate) code: &'static str,
    /// What it is about.
    pub(crate) requirement: &'static str,
    /// Whether it is as it should be.
    pub(crate) ok: bool,
    pub(crate) level: Level,
    pub(crate) found: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) help: Option<&'static str>,
    #[serde(skip)]
    pub(crate) check: Check,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    /// It is as it should be.
    Ok,
    /// It works, but should be otherwise.
    Warning,
    /// It does not work, or must not be so.
    Error,
}

macro_rules! checks {
    ($($variant:ident $code:literal $grave:literal $requirement:literal $help:literal)*) => {
        /// What is looked at.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Check {
            $(#[doc = $requirement] $variant,)*
        }

        impl Check {
            #[cfg(test)]
            pub(crate) const ALL: &'static [Self] = &[$(Self::$variant,)*];

            pub(crate) const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            const fn requirement(self) -> &'static str {
                match self { $(Self::$variant => $requirement,)* }
            }

            const fn help(self) -> &'static str {
                match self { $(Self::$variant => $help,)* }
            }

            /// Whether a production set-up must not have it.
            pub(crate) const fn is_grave(self) -> bool {
                match self { $(Self::$variant => $grave,)* }
            }
        }
    };
}

checks! {
    DataFolder "D0001" false "data folder" "make it, or choose another with SLUICE__DATA_DIR"
    Engine "D0002" false "container engine" "install Docker, start it, and let this user reach its socket (group docker), or set SLUICE__RUNTIME__DOCKER_HOST or SLUICE__RUNTIME__LAUNCHER"
    Broker "D0003" false "broker" "start RabbitMQ, and set SLUICE__BROKER__URL to amqp://user:password@host:5672/vhost"
    Management "D0004" true "broker management" "set SLUICE__BROKER__MANAGEMENT_URL to http://user:password@host:15672, with a user that may administer"
    Server "D0005" false "server" "start it with `sluice serve`; `sluice login URL` or SLUICE_URL name another server"
    EngineVersion "D0006" true "version of Docker" "upgrade to 29.5.1 or newer"
    RuncVersion "D0007" true "version of runc" "upgrade to 1.3.3 or newer, or to 1.2.8 or newer of 1.2"
    BrokerVersion "D0008" true "version of RabbitMQ" "upgrade to 4.3.5 or newer, through the versions that RabbitMQ names on the way"
    Guest "D0009" true "well-known user of the broker" "delete it with `rabbitmqctl delete_user guest`, or let it connect from loopback addresses only"
    KeyFiles "D0010" true "files with secrets" "let nobody but their owner read them: chmod 600"
    Listeners "D0011" true "public listeners" "let them listen on loopback or private addresses, behind a proxy with TLS"
    EternalTokens "D0012" false "tokens without an end" "make new ones with --expires-in and revoke these"
    Clock "D0013" false "clock" "keep both clocks right, for example with chrony or systemd-timesyncd"
    DiskSpace "D0014" false "disk space" "make room, or move the data folder to a larger disk"
    BrokerAlarms "D0015" false "alarms of the broker" "give the broker more memory or disk; it takes no messages until then"
    Watermarks "D0016" false "watermarks of the broker" "set vm_memory_high_watermark and disk_free_limit as deploy/rabbitmq/rabbitmq.conf does"
    Heartbeat "D0017" false "heartbeat of the broker" "set heartbeat = 20 in rabbitmq.conf"
    ConsumerTimeout "D0018" false "consumer timeout of the broker" "set consumer_timeout in rabbitmq.conf to several times the longest timeout of a step; 7200000 is two hours"
    EngineAccess "D0019" true "access to the container engine" "run `sluice launcher` as a user of its own, set SLUICE__RUNTIME__LAUNCHER to its socket, and let this user not reach the engine (not in group docker)"
    Fence "D0020" true "fence around components" "set SLUICE__EGRESS__MODE=proxy; stop the containers and `sluice serve`, and start it again, or make the network that SLUICE__RUNTIME__NETWORK names with --internal"
    Walls "D0021" true "walls between components" "set net.bridge.bridge-nf-call-iptables = 1 in a file of /etc/sysctl.d, with br_netfilter in one of /etc/modules-load.d; make the network that SLUICE__RUNTIME__NETWORK names with com.docker.network.bridge.enable_icc=false and without version 6"
}

impl Finding {
    pub(crate) fn fine(check: Check, found: impl Into<String>) -> Self {
        Self::of(check, Level::Ok, found)
    }

    pub(crate) fn warning(check: Check, found: impl Into<String>) -> Self {
        Self::of(check, Level::Warning, found)
    }

    pub(crate) fn error(check: Check, found: impl Into<String>) -> Self {
        Self::of(check, Level::Error, found)
    }

    /// Fine or an error.
    pub(crate) fn answered(check: Check, found: Result<String, String>) -> Self {
        match found {
            Ok(found) => Self::fine(check, found),
            Err(found) => Self::error(check, found),
        }
    }

    /// Fine, or a warning that lists what is wrong.
    pub(crate) fn wrong(check: Check, fine: &str, wrong: &[String]) -> Self {
        if wrong.is_empty() { Self::fine(check, fine) } else { Self::warning(check, wrong.join("; ")) }
    }

    fn of(check: Check, level: Level, found: impl Into<String>) -> Self {
        let ok = level == Level::Ok;
        Self {
            code: check.code(),
            requirement: check.requirement(),
            ok,
            level,
            found: found.into(),
            help: (!ok).then_some(check.help()),
            check,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.level {
            Level::Ok => "ok     ",
            Level::Warning => "warning",
            Level::Error => "error  ",
        };
        write!(f, "{mark}  {} {}: {}", self.code, self.requirement, self.found)?;
        match self.help {
            Some(help) => write!(f, "\n         help: {help}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_check_has_a_code_of_its_own_and_a_page() {
        let mut codes = std::collections::BTreeSet::new();
        for check in Check::ALL {
            assert!(codes.insert(check.code()), "{} is there twice", check.code());
            let page = format!("{}/../../docs/errors/{}.md", env!("CARGO_MANIFEST_DIR"), check.code());
            let text = std::fs::read_to_string(&page).unwrap_or_else(|error| panic!("{page}: {error}"));
            let title = format!("# {}: {}\n", check.code(), check.requirement());
            assert!(text.starts_with(&title), "{page} does not begin with {title}");
            assert!(text.contains("## What to do"), "{page}");
        }
    }

    #[test]
    fn only_what_is_wrong_has_help() {
        assert!(Finding::wrong(Check::Clock, "right", &[]).help.is_none());
        let wrong = Finding::wrong(Check::Clock, "right", &["late".to_owned(), "slow".to_owned()]);
        assert_eq!((wrong.ok, wrong.found.as_str(), wrong.help.is_some()), (false, "late; slow", true));
    }
}
