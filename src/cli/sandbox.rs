//! `subledger sandbox`: LicenseSpring as far as we can know it.

use std::path::PathBuf;
use std::process::ExitCode;

use super::failure::Failure;
use crate::sandbox::{LICENSE_API_KEY, LICENSE_SHARED_KEY, LISTEN, MANAGEMENT_KEY, SandboxOptions, start};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Address of the Management and License APIs
    #[arg(long, default_value = LISTEN)]
    listen: String,
    /// Address of the control API; default: the next port
    #[arg(long)]
    control: Option<String>,
    /// Keeps the state in this file across restarts
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
}

pub(super) async fn run(args: &Args) -> Result<ExitCode, Failure> {
    let options = SandboxOptions {
        listen: args.listen.clone(),
        control: args.control.clone(),
        data: args.data.clone(),
        ..SandboxOptions::default()
    };
    let sandbox = start(options).await?;
    println!("Management API  http://{}/api/v1/  (Authorization: Api-Key {MANAGEMENT_KEY})", sandbox.api_addr());
    println!(
        "License API     http://{}/api/v4/  (API key {LICENSE_API_KEY}, shared key {LICENSE_SHARED_KEY})",
        sandbox.api_addr()
    );
    println!("control         http://{}/state", sandbox.control_addr());
    super::serve::stop_signal().await;
    sandbox.stop().await?;
    Ok(ExitCode::SUCCESS)
}
