//! The installation's master keys: from configuration, or a file made at the first start.

use super::{key_file, reveal_all, store};
use crate::config::Config;
use crate::kernel::seal::MasterKeys;
use crate::kernel::{Error, Random, Result};
use skylight_db::Db;
use std::fs;
use std::io::Write;
use std::path::Path;

const PROBE: &str = "setting.master_key_probe";

pub fn load(config: &Config, random: &dyn Random) -> Result<MasterKeys> {
    if !config.master_keys.is_empty() {
        return MasterKeys::parse(&reveal_all(&config.master_keys)).map_err(Error::internal);
    }
    let path = key_file(config);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => make_file(&path, random)?,
        Err(error) => return Err(Error::internal(format!("{}: {error}", path.display()))),
    };
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    MasterKeys::parse(&lines).map_err(|fault| Error::internal(format!("{}: {fault}", path.display())))
}

/// Makes the key file, readable by its owner only. It appears whole or not at all, and two processes that start at once
/// agree on the first one's.
fn make_file(path: &Path, random: &dyn Random) -> Result<String> {
    let key = MasterKeys::make_hex(random);
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(Error::internal)?;
    let draft = folder.join(format!("master.key.{}", random.alphanumeric(12)));
    let linked = write_private(&draft, key.reveal()).and_then(|()| fs::hard_link(&draft, path));
    let _ = fs::remove_file(&draft);
    match linked {
        Ok(()) => {
            fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(Error::internal)?;
            tracing::warn!(file = %path.display(), "made a master key; back this file up apart from the database");
            Ok(key.reveal().to_owned())
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            fs::read_to_string(path).map_err(Error::internal)
        }
        Err(error) => Err(Error::internal(format!("{}: {error}", path.display()))),
    }
}

fn write_private(path: &Path, key: &str) -> std::io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    writeln!(file, "{key}")?;
    file.sync_all()
}

/// A node whose keys cannot open what the others sealed must not start.
pub async fn check_probe(db: &Db, masters: &MasterKeys, random: &dyn Random) -> Result<()> {
    let (_, fresh) = masters.new_data_key(PROBE, random)?;
    let stored = store::all_workspaces_setting_or(db, "master_key_probe", &fresh).await?;
    if masters.opens(PROBE, &stored) {
        return Ok(());
    }
    Err(Error::internal(
        "the master keys cannot open this database: they are not the ones it was made with (SKYLIGHT_MASTER_KEYS, or master.key in the data folder)",
    ))
}
