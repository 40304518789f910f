//! Settings: defaults, then a TOML file, then `SKYLIGHT_…` variables, then flags. Checked at start; every fault is
//! listed at once.

use crate::kernel::{Email, Secret};
use ipnet::IpNet;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use url::Url;

/// Every setting, in the form the code uses.
#[derive(Clone, Debug)]
pub struct Config {
    pub listen: SocketAddr,
    /// Where clients and providers reach us; absolute addresses come from here, never from a request.
    pub public_url: Url,
    /// `postgres://…`; none is the embedded database in the data folder.
    pub database_url: Option<Secret>,
    pub database_connections: usize,
    pub data_dir: PathBuf,
    /// Requests per minute and key; 0 switches the limit off.
    pub rate_limit_per_minute: u32,
    pub webhook_retry_schedule: Vec<Duration>,
    pub webhook_log_retention: Duration,
    pub event_log_retention: Duration,
    pub webhook_allow_http: bool,
    /// Private networks that webhooks may reach.
    pub outbound_allow: Vec<IpNet>,
    pub whatsapp_api_url: Url,
    pub whatsapp_api_version: String,
    pub telegram_api_url: Url,
    /// The server that carries mail; none: nothing is mailed.
    pub smtp_url: Option<Secret>,
    /// Whom mail comes from. There is one if there is a server.
    pub mail_from: Option<Email>,
    pub master_keys: Vec<Secret>,
    pub extra_ca_file: Option<PathBuf>,
    pub trusted_proxies: Vec<IpNet>,
    /// Who looks at `/metrics` from another machine presents it; none: nobody does.
    pub metrics_token: Option<Secret>,
    pub log: String,
}

/// A setting's name in the file, its default as text, and what it is: the table of the documentation.
pub const SETTINGS: &[(&str, &str, &str)] = &[
    ("listen", "127.0.0.1:8080", "address and port to listen on"),
    ("public_url", "http://<listen>", "where clients and providers reach this server"),
    ("database_url", "", "postgres://user:password@host/database; empty: SQLite in the data folder"),
    ("database_connections", "16", "PostgreSQL connections of this node"),
    ("data_dir", "./data", "folder of the embedded database and the master key file"),
    ("rate_limit_per_minute", "120", "requests per minute and key; 0 switches the limit off"),
    ("webhook_retry_schedule", "2m,10m,30m,2h,5h,10h,14h,20h,24h", "waits between delivery attempts (s, m, h)"),
    ("webhook_log_retention", "30d", "how long deliveries are listed (h, d; at least 4d)"),
    ("event_log_retention", "90d", "how long events can be read and replayed (h, d; at least 4d)"),
    ("webhook_allow_http", "false", "accept http:// webhook addresses"),
    ("outbound_allow", "", "private networks that webhooks may reach, e.g. 10.1.0.0/16"),
    ("whatsapp_api_url", "https://graph.facebook.com", "base of the WhatsApp Cloud API"),
    ("whatsapp_api_version", "v25.0", "version segment of the WhatsApp Cloud API"),
    ("telegram_api_url", "https://api.telegram.org", "base of the Telegram Bot API"),
    (
        "smtp_url",
        "",
        "smtp://user:password@host:587 or smtps://…, the server that carries mail; empty: no mail is sent",
    ),
    ("mail_from", "", "address that mail comes from; needed with smtp_url"),
    ("master_keys", "", "64 hexadecimal digits each, the newest first; empty: a key file in the data folder"),
    ("extra_ca_file", "", "PEM file of further certificate authorities for outgoing TLS"),
    ("trusted_proxies", "", "networks whose X-Forwarded-For is believed"),
    ("metrics_token", "", "bearer token that opens /metrics from other machines; empty: only from this one"),
    ("log", "info", "log filter, e.g. info,skylight=debug"),
];

impl Config {
    /// Reads `file` (TOML text, if any), `env` (all variables) and `flags`, later ones over earlier ones.
    pub fn load(
        file: Option<&str>,
        env: impl IntoIterator<Item = (String, String)>,
        flags: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Vec<String>> {
        let mut faults = Vec::new();
        let mut values = file.map(|text| from_toml(text, &mut faults)).unwrap_or_default();
        let env = env.into_iter().filter_map(|(name, value)| {
            let setting = name.strip_prefix("SKYLIGHT_")?.to_lowercase();
            is_setting(&setting).then_some((setting, value))
        });
        values.extend(env);
        values.extend(flags);
        let config = Reader { values, faults: &mut faults }.config();
        if faults.is_empty() { config.ok_or_else(Vec::new) } else { Err(faults) }
    }

    /// An absolute address under the public one.
    pub fn public(&self, path: &str) -> String {
        format!("{}{path}", self.public_url.as_str().trim_end_matches('/'))
    }
}

fn is_setting(name: &str) -> bool {
    SETTINGS.iter().any(|(setting, ..)| *setting == name)
}

fn from_toml(text: &str, faults: &mut Vec<String>) -> HashMap<String, String> {
    let table: toml::Table = match text.parse() {
        Ok(table) => table,
        Err(error) => {
            faults.push(format!("the configuration file is not TOML: {error}"));
            return HashMap::new();
        }
    };
    let mut values = HashMap::new();
    for (name, value) in table {
        if !is_setting(&name) {
            faults.push(format!("{name}: there is no such setting"));
            continue;
        }
        let text = match value {
            toml::Value::String(text) => text,
            toml::Value::Array(items) => items
                .iter()
                .map(|i| i.as_str().map_or_else(|| i.to_string(), str::to_owned))
                .collect::<Vec<_>>()
                .join(","),
            other => other.to_string(),
        };
        values.insert(name, text);
    }
    values
}

struct Reader<'a> {
    values: HashMap<String, String>,
    faults: &'a mut Vec<String>,
}

impl Reader<'_> {
    /// Every setting is read before one that is wrong ends it, so that all faults are listed.
    fn config(mut self) -> Option<Config> {
        let (listen, public_url) = self.addresses();
        let database_url = self.get("database_url", postgres_url);
        let database_connections = self.get("database_connections", connections);
        let data_dir = self.get("data_dir", |v| Ok(PathBuf::from(v)));
        let rate_limit_per_minute = self.get("rate_limit_per_minute", whole_number);
        let webhook_log_retention = self.get("webhook_log_retention", retention);
        let event_log_retention = self.get("event_log_retention", retention);
        let webhook_retry_schedule = self.get("webhook_retry_schedule", waits);
        let webhook_allow_http = self.get("webhook_allow_http", boolean);
        let outbound_allow = self.get("outbound_allow", networks);
        let whatsapp_api_url = self.get("whatsapp_api_url", http_url);
        let whatsapp_api_version = self.get("whatsapp_api_version", |v| Ok(v.to_owned()));
        let telegram_api_url = self.get("telegram_api_url", http_url);
        let (smtp_url, mail_from) = self.mail();
        let master_keys = self.get("master_keys", keys);
        let extra_ca_file = self.get("extra_ca_file", |v| Ok(Some(v).filter(|v| !v.is_empty()).map(PathBuf::from)));
        let trusted_proxies = self.get("trusted_proxies", networks);
        let metrics_token = self.get("metrics_token", token);
        let log = self.get("log", log_filter);
        Some(Config {
            listen: listen?,
            public_url: public_url?,
            database_url: database_url?,
            database_connections: database_connections?,
            data_dir: data_dir?,
            rate_limit_per_minute: rate_limit_per_minute?,
            webhook_retry_schedule: webhook_retry_schedule?,
            webhook_log_retention: webhook_log_retention?,
            event_log_retention: event_log_retention?,
            webhook_allow_http: webhook_allow_http?,
            outbound_allow: outbound_allow?,
            whatsapp_api_url: whatsapp_api_url?,
            whatsapp_api_version: whatsapp_api_version?,
            telegram_api_url: telegram_api_url?,
            smtp_url: smtp_url?,
            mail_from: mail_from?,
            master_keys: master_keys?,
            extra_ca_file: extra_ca_file?,
            trusted_proxies: trusted_proxies?,
            metrics_token: metrics_token?,
            log: log?,
        })
    }

    /// Where it listens, and where it is reached: there, unless something else is said.
    fn addresses(&mut self) -> (Option<SocketAddr>, Option<Url>) {
        let listen = self.get("listen", |v| v.parse().map_err(|_| "is not an address like 127.0.0.1:8080"));
        let given_public = self.values.get("public_url").is_some_and(|v| !v.trim().is_empty());
        if let (false, Some(listen)) = (given_public, &listen) {
            self.values.insert("public_url".into(), format!("http://{listen}"));
        }
        (listen, self.get("public_url", http_url))
    }

    /// The server that carries mail, and whom it comes from.
    fn mail(&mut self) -> (Option<Option<Secret>>, Option<Option<Email>>) {
        let (server, from) = (self.get("smtp_url", smtp_url), self.get("mail_from", email));
        if matches!((&server, &from), (Some(Some(_)), Some(None))) {
            self.faults.push("mail_from is needed when smtp_url is set".to_owned());
        }
        (server, from)
    }

    fn get<T>(&mut self, name: &str, parse: impl FnOnce(&str) -> Result<T, &'static str>) -> Option<T> {
        let default = SETTINGS.iter().find(|(setting, ..)| *setting == name).map_or("", |(_, default, _)| default);
        let given = self.values.get(name).map(|v| v.trim()).filter(|v| !v.is_empty());
        match parse(given.unwrap_or(default)) {
            Ok(value) => Some(value),
            Err(fault) => {
                self.faults.push(format!("{name} {fault}"));
                None
            }
        }
    }
}

fn http_url(text: &str) -> Result<Url, &'static str> {
    let fault = "is not an address like https://chat.example.com";
    let url: Url = text.parse().map_err(|_| fault)?;
    let plain = ["http", "https"].contains(&url.scheme()) && url.has_host() && url.query().is_none();
    if plain { Ok(url) } else { Err(fault) }
}

fn postgres_url(text: &str) -> Result<Option<Secret>, &'static str> {
    match text {
        "" => Ok(None),
        url if url.starts_with("postgres://") || url.starts_with("postgresql://") => Ok(Some(Secret::new(url))),
        _ => Err("is not an address like postgres://user:password@host/database"),
    }
}

fn smtp_url(text: &str) -> Result<Option<Secret>, &'static str> {
    if text.is_empty() {
        return Ok(None);
    }
    let fault = "is not an address like smtp://user:password@host:587 or smtps://host";
    let url: Url = text.parse().map_err(|_| fault)?;
    let is_plain = url.path().trim_matches('/').is_empty() && url.query().is_none() && url.fragment().is_none();
    let is_named = url.host_str().is_some_and(|host| !host.is_empty() && !host.starts_with('['));
    let is_whole = is_named && url.username().is_empty() == url.password().is_none();
    if ["smtp", "smtps"].contains(&url.scheme()) && is_plain && is_whole {
        Ok(Some(Secret::new(text)))
    } else {
        Err(fault)
    }
}

fn email(text: &str) -> Result<Option<Email>, &'static str> {
    match text {
        "" => Ok(None),
        address => Email::parse(address).map(Some).ok_or("is not an e-mail address"),
    }
}

fn connections(text: &str) -> Result<usize, &'static str> {
    match text.parse() {
        Ok(n @ 1..=1000) => Ok(n),
        _ => Err("is not a number from 1 to 1000"),
    }
}

fn whole_number(text: &str) -> Result<u32, &'static str> {
    text.parse().map_err(|_| "is not a whole number")
}

fn waits(text: &str) -> Result<Vec<Duration>, &'static str> {
    list(text, duration).ok_or("is not a list like 2m,10m,2h")
}

fn keys(text: &str) -> Result<Vec<Secret>, &'static str> {
    let key = |k: &str| (k.len() == 64 && k.bytes().all(|b| b.is_ascii_hexdigit())).then(|| Secret::new(k));
    list(text, key).ok_or("is not a list of keys of 64 hexadecimal digits")
}

/// Empty is none.
fn token(text: &str) -> Result<Option<Secret>, &'static str> {
    match text {
        "" => Ok(None),
        token if token.len() >= 16 && token.bytes().all(|b| b.is_ascii_graphic()) => Ok(Some(Secret::new(token))),
        _ => Err("is not a token of at least 16 characters without blanks"),
    }
}

fn log_filter(text: &str) -> Result<String, &'static str> {
    match tracing_subscriber::EnvFilter::try_new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err("is not a filter like info,skylight=debug"),
    }
}

fn boolean(text: &str) -> Result<bool, &'static str> {
    match text {
        "true" | "1" | "yes" => Ok(true),
        "false" | "0" | "no" => Ok(false),
        _ => Err("is neither true nor false"),
    }
}

fn networks(text: &str) -> Result<Vec<IpNet>, &'static str> {
    let one = |v: &str| v.parse::<IpNet>().ok().or_else(|| v.parse::<std::net::IpAddr>().ok().map(IpNet::from));
    list(text, one).ok_or("is not a list of networks like 10.1.0.0/16")
}

fn list<T>(text: &str, item: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
    text.split(',').map(str::trim).filter(|v| !v.is_empty()).map(item).collect()
}

/// `90s`, `10m`, `2h`.
/// Longer than a delivery's schedule, so that nothing is forgotten that is still to be done.
fn retention(text: &str) -> Result<Duration, &'static str> {
    const SHORTEST: Duration = Duration::from_secs(4 * 24 * 60 * 60);
    let given = duration(text).filter(|given| *given >= SHORTEST);
    given.ok_or("is not a time of at least four days like 30d")
}

fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let (number, unit) = match text.strip_suffix("ms") {
        Some(number) => (number, Duration::from_millis(1)),
        None => (
            number,
            Duration::from_secs(match unit {
                "s" => 1,
                "m" => 60,
                "h" => 3600,
                "d" => 86_400,
                _ => return None,
            }),
        ),
    };
    Some(unit * number.parse::<u32>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn with_nothing_given_the_defaults_stand() {
        let config = Config::load(None, env(&[]), env(&[])).unwrap();
        assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
        assert_eq!(config.public("/hooks"), "http://127.0.0.1:8080/hooks");
        assert_eq!(config.webhook_retry_schedule.len(), 9);
        assert_eq!(config.webhook_retry_schedule[0], Duration::from_secs(120));
    }

    #[test]
    fn later_sources_win_and_every_fault_is_listed() {
        let file = "rate_limit_per_minute = 5\nlisten = \"0.0.0.0:1\"\n";
        let config = Config::load(Some(file), env(&[("SKYLIGHT_RATE_LIMIT_PER_MINUTE", "7")]), env(&[])).unwrap();
        assert_eq!((config.rate_limit_per_minute, config.listen.port()), (7, 1));
        let bad = env(&[
            ("SKYLIGHT_LISTEN", "x"),
            ("SKYLIGHT_WEBHOOK_ALLOW_HTTP", "maybe"),
            ("SKYLIGHT_PUBLIC_URL", "ftp://x"),
        ]);
        let faults = Config::load(Some("nonsense = 1"), bad, env(&[])).unwrap_err();
        assert_eq!(faults.len(), 4, "{faults:?}");
    }

    #[test]
    fn a_mail_server_is_named_with_whom_mail_comes_from() {
        let load = |url: &str, from: &str| {
            Config::load(None, env(&[("SKYLIGHT_SMTP_URL", url), ("SKYLIGHT_MAIL_FROM", from)]), env(&[]))
        };
        for good in ["smtp://localhost", "smtps://mail.example", "smtp://u%40x:p%2Fw@mail.example:587/"] {
            assert!(load(good, "no-reply@example.com").is_ok(), "{good}");
        }
        for bad in [
            "mail.example:25",
            "http://mail.example",
            "smtp://",
            "smtp://u@mail.example",
            "smtp://h/x",
            "smtp://h?tls=none",
        ] {
            assert_eq!(load(bad, "no-reply@example.com").unwrap_err().len(), 1, "{bad}");
        }
        assert_eq!(load("smtp://localhost", "").unwrap_err(), ["mail_from is needed when smtp_url is set"]);
        assert_eq!(load("", "nobody").unwrap_err(), ["mail_from is not an e-mail address"]);
        let shown = format!("{:?}", load("smtp://u:hunter2@mail.example", "a@b.example").unwrap());
        assert!(!shown.contains("hunter2"));
    }
}
