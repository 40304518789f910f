//! What stands on the command line.

use super::Result;
use std::error::Error;
use std::str::FromStr;
use std::time::Duration;

/// Pairs of a name and a value, of which a benchmark takes those it knows. The last of a name counts.
#[derive(Debug)]
pub struct Given(Vec<(String, String)>);

impl Given {
    pub fn of(args: impl Iterator<Item = String>) -> Result<Self> {
        let (mut given, mut args) = (Vec::new(), args.filter(|arg| arg != "--bench"));
        while let Some(name) = args.next() {
            let value = args.next().ok_or_else(|| format!("{name} needs a value"))?;
            given.push((name, value));
        }
        Ok(Self(given))
    }

    /// The options, which must leave nothing over.
    pub fn read<O>(mut self, read: fn(&mut Self) -> Result<O>) -> Result<O> {
        let options = read(&mut self)?;
        match self.0.first() {
            Some((name, value)) => Err(format!("{name} {value} is not understood").into()),
            None => Ok(options),
        }
    }

    fn take(&mut self, name: &str) -> Option<String> {
        self.0.extract_if(.., |(given, _)| given == name).last().map(|(_, value)| value)
    }

    /// `--engine`: whether it is PostgreSQL.
    pub fn postgres(&mut self) -> Result<bool> {
        match self.take("--engine").as_deref() {
            Some("postgres") => Ok(true),
            Some("sqlite") | None => Ok(false),
            Some(other) => Err(format!("--engine {other} is not understood").into()),
        }
    }

    /// `--seconds`
    pub fn seconds(&mut self, default: u64) -> Result<Duration> {
        Ok(Duration::from_secs(self.one("--seconds", default)?))
    }

    /// `--only`
    pub fn only(&mut self) -> Only {
        Only(self.take("--only").unwrap_or_default())
    }

    pub fn one<T: FromStr<Err: Error + Send + Sync + 'static>>(&mut self, name: &str, default: T) -> Result<T> {
        Ok(self.take(name).map(|value| value.parse()).transpose()?.unwrap_or(default))
    }

    /// Separated by commas.
    pub fn many<T: FromStr<Err: Error + Send + Sync + 'static>>(
        &mut self,
        name: &str,
        default: Vec<T>,
    ) -> Result<Vec<T>> {
        let given = self.take(name).map(|value| value.split(',').map(str::parse).collect::<Result<_, _>>());
        Ok(given.transpose()?.unwrap_or(default))
    }
}

/// How the names of the stages to run begin, separated by commas; all of them when it is empty.
#[derive(Clone, Debug)]
pub struct Only(pub String);

impl Only {
    pub fn wants(&self, stage: &str) -> bool {
        self.0.split(',').any(|beginning| stage.starts_with(beginning))
    }
}
