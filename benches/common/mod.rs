//! What every benchmark needs: to be started and told things, a place, the server in it, a load, and what that came to.

pub mod given;
pub mod load;
pub mod machine;
pub mod place;

use given::Given;
use std::process::ExitCode;
use tokio::runtime::Builder;

pub type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

/// Runs a benchmark with the options that it reads from what was given.
pub fn main<O, R>(threads: &mut Builder, read: fn(&mut Given) -> Result<O>, run: impl FnOnce(O) -> R) -> ExitCode
where
    R: Future<Output = Result<()>>,
{
    // `cargo test --all-targets` starts benchmarks too, without this word.
    if !std::env::args().any(|arg| arg == "--bench") {
        println!("A benchmark: run it by `cargo bench --bench {}`.", env!("CARGO_CRATE_NAME"));
        return ExitCode::SUCCESS;
    }
    let options = Given::of(std::env::args().skip(1)).and_then(|given| given.read(read));
    match options.and_then(|options| threads.enable_all().build()?.block_on(run(options))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("The benchmark could not be run: {error}");
            ExitCode::FAILURE
        }
    }
}

pub fn verdict(reached: bool) -> &'static str {
    if reached { "reached" } else { "NOT REACHED" }
}
