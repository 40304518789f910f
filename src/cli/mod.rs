//! The command line. Names are fixed: scripts depend on them. Every command acts on the configured database and works
//! while the server runs.

pub mod manage;
pub mod serve;

use crate::app::App;
use crate::config::Config;
use crate::kernel::{Result, SystemClock, SystemRandom};
use crate::partners::PartnerPlan;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::process::ExitCode;

/// A customer-messaging platform in one binary.
#[derive(Debug, Parser)]
#[command(name = "skylight", version)]
struct Cli {
    /// A TOML file of settings; SKYLIGHT_… variables and flags go over it.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve until told to stop.
    Serve {
        /// Fill an empty database with a partner, clients, contacts and conversations, and print keys and addresses.
        #[arg(long)]
        demo: bool,
        /// Address and port to listen on.
        #[arg(long)]
        listen: Option<String>,
    },
    /// Bring the database schema up to date.
    Migrate,
    /// Make and manage partners.
    #[command(subcommand)]
    Partner(PartnerCommand),
    /// Make workspaces.
    #[command(subcommand)]
    Workspace(WorkspaceCommand),
    /// Issue, list and revoke workspace keys.
    #[command(subcommand)]
    Key(KeyCommand),
    /// Copy the embedded database to a file while it serves. The master key is not in it: back that up apart.
    Backup { file: PathBuf },
    /// Put a backup in the place of the embedded database. The server must be stopped.
    Restore { file: PathBuf },
    /// Recount what is counted as it happens, and report differences.
    Check,
    /// Print the OpenAPI document.
    Openapi,
}

#[derive(Debug, Subcommand)]
enum PartnerCommand {
    /// Make a partner and print its key, and a link where its first person chooses a password, once.
    Create {
        #[arg(long)]
        company_name: String,
        #[arg(long)]
        email: String,
        #[arg(long, default_value = "agency")]
        plan: Plan,
        #[arg(long)]
        json: bool,
    },
    /// Print a link, good once and for seven days, where one of a partner's people chooses a password.
    Invite {
        #[command(flatten)]
        partner: PartnerId,
        #[arg(long)]
        email: String,
        #[arg(long)]
        json: bool,
    },
    /// Refuse the keys of a partner and of its clients, and end their sessions.
    Suspend(PartnerId),
    /// Lift a suspension.
    Reactivate(PartnerId),
    /// Change a partner's seats or plan.
    Set {
        #[command(flatten)]
        partner: PartnerId,
        #[arg(long)]
        seats: Option<i64>,
        #[arg(long)]
        plan: Option<Plan>,
        /// Where the partner is: two letters, `SA`.
        #[arg(long)]
        country: Option<String>,
        /// The plan of clients that are made without one, in the second partner API.
        #[arg(long, value_name = "SLUG")]
        client_plan: Option<String>,
    },
}

#[derive(Debug, Args)]
struct PartnerId {
    #[arg(long)]
    id: i64,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Plan {
    Agency,
    Enterprise,
}

impl From<Plan> for PartnerPlan {
    fn from(plan: Plan) -> Self {
        match plan {
            Plan::Agency => Self::Agency,
            Plan::Enterprise => Self::Enterprise,
        }
    }
}

#[derive(Debug, Subcommand)]
enum WorkspaceCommand {
    /// Make a client workspace with a key.
    Create {
        #[arg(long)]
        partner: i64,
        #[arg(long)]
        company_name: String,
        #[arg(long)]
        plan: String,
        #[arg(long)]
        admin_email: String,
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
enum KeyCommand {
    /// Issue a workspace key and print it, once.
    Create {
        #[arg(long)]
        workspace: i64,
        #[arg(long)]
        name: Option<String>,
        /// Host names of browser pages that may use it, separated by commas.
        #[arg(long, value_delimiter = ',')]
        domains: Vec<String>,
        #[arg(long)]
        json: bool,
    },
    /// List a workspace's keys, without the secrets.
    List {
        #[arg(long)]
        workspace: i64,
        #[arg(long)]
        json: bool,
    },
    /// Void a workspace key. Running servers refuse it within a second.
    Revoke {
        #[arg(long)]
        workspace: i64,
        #[arg(long)]
        id: i64,
    },
}

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    if let Command::Openapi = cli.command {
        println!("{}", crate::routes::printed_document());
        return ExitCode::SUCCESS;
    }
    let config = match config(&cli) {
        Ok(config) => config,
        Err(faults) => {
            eprintln!("The configuration has faults:");
            faults.iter().for_each(|fault| eprintln!("  {fault}"));
            return ExitCode::from(2);
        }
    };
    log_to_stderr(&config);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(execute(cli.command, config)),
        Err(error) => Err(crate::kernel::Error::internal(error)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", explain(&error));
            ExitCode::FAILURE
        }
    }
}

/// What to print of an error: the operator sees the cause, callers of the API never do.
fn explain(error: &crate::kernel::Error) -> String {
    match error {
        crate::kernel::Error::Problem(problem) => {
            let fields = problem.errors.iter().map(|(field, messages)| format!("\n  {field}: {}", messages.join(" ")));
            format!("{}{}", problem.message, fields.collect::<String>())
        }
        other => other.to_string(),
    }
}

fn config(cli: &Cli) -> Result<Config, Vec<String>> {
    let file = match &cli.config {
        Some(path) => Some(std::fs::read_to_string(path).map_err(|e| vec![format!("{}: {e}", path.display())])?),
        None => None,
    };
    let flags = match &cli.command {
        Command::Serve { listen: Some(listen), .. } => vec![("listen".to_owned(), listen.clone())],
        _ => Vec::new(),
    };
    Config::load(file.as_deref(), std::env::vars(), flags)
}

/// JSON lines where machines read them, plain lines on a terminal. Control characters are escaped by the formatter.
fn log_to_stderr(config: &Config) {
    use std::io::IsTerminal;
    let filter = tracing_subscriber::EnvFilter::try_new(&config.log).unwrap_or_else(|_| "info".into());
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A line that cannot be written is lost. Complaining about it on the same full disk would panic.
    let builder = builder.log_internal_errors(false);
    let _ = if std::io::stderr().is_terminal() { builder.try_init() } else { builder.json().try_init() };
}

async fn execute(command: Command, config: Config) -> Result<()> {
    if let Command::Serve { demo, .. } = command {
        return serve::run(config, demo).await;
    }
    if let Command::Restore { file } = &command {
        return manage::restore(&config, file);
    }
    let app = open(config).await?;
    match command {
        Command::Migrate => manage::migrated(&app),
        Command::Partner(PartnerCommand::Create { company_name, email, plan, json }) => {
            manage::create_partner(&app, &company_name, &email, plan.into(), json).await
        }
        Command::Partner(PartnerCommand::Invite { partner, email, json }) => {
            manage::invite_partner(&app, partner.id, &email, json).await
        }
        Command::Partner(PartnerCommand::Suspend(partner)) => manage::set_partner_active(&app, partner.id, false).await,
        Command::Partner(PartnerCommand::Reactivate(partner)) => {
            manage::set_partner_active(&app, partner.id, true).await
        }
        Command::Partner(PartnerCommand::Set { partner, seats, plan, country, client_plan }) => {
            let says_defaults = country.is_some() || client_plan.is_some();
            if says_defaults {
                manage::set_partner_defaults(&app, partner.id, country.as_deref(), client_plan.as_deref()).await?;
            }
            if says_defaults && seats.is_none() && plan.is_none() {
                return Ok(());
            }
            manage::set_partner(&app, partner.id, seats, plan.map(PartnerPlan::from)).await
        }
        Command::Workspace(WorkspaceCommand::Create { partner, company_name, plan, admin_email, json }) => {
            manage::create_workspace(&app, partner, &company_name, &plan, &admin_email, json).await
        }
        Command::Key(KeyCommand::Create { workspace, name, domains, json }) => {
            manage::create_key(&app, workspace, name, domains, json).await
        }
        Command::Key(KeyCommand::List { workspace, json }) => manage::list_keys(&app, workspace, json).await,
        Command::Key(KeyCommand::Revoke { workspace, id }) => manage::revoke_key(&app, workspace, id).await,
        Command::Backup { file } => manage::backup(&app, &file),
        Command::Check => manage::check(&app).await,
        Command::Serve { .. } | Command::Restore { .. } | Command::Openapi => Ok(()),
    }
}

async fn open(config: Config) -> Result<App> {
    serve::open(config, Box::new(SystemClock), Box::new(SystemRandom)).await
}
