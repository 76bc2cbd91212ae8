//! `subledger send`: signs like the provider and posts.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use chrono::Utc;
use rand::seq::SliceRandom;
use secrecy::SecretString;
use serde_json::json;

use super::failure::Failure;
use super::stories;
use super::{ConfigArg, settings};
use crate::config::Config;
use crate::providers::{Provider, by_slug};

/// Longest wait for an answer.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Copies at most: this is a tool for trying things, not a load generator.
const REPEAT_MAX: u32 = 100_000;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The configured source, such as stripe-main
    source: String,
    /// Payload files, posted as they are
    #[arg(value_name = "FILE", required_unless_present = "example")]
    files: Vec<PathBuf>,
    /// A hand-written story instead of files; an unknown name lists them
    #[arg(long, value_name = "NAME", conflicts_with = "files")]
    example: Option<String>,
    /// The subscription that the story is about
    #[arg(long, value_name = "ID", default_value = stories::SUBSCRIPTION)]
    subscription: String,
    /// The billing period that the story is in: 0 is the first, 1 the one after a renewal
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=stories::PERIOD_MAX))]
    period: u32,
    /// Posts everything so many times
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=i64::from(REPEAT_MAX)))]
    repeat: u32,
    /// Posts in random order
    #[arg(long)]
    shuffle: bool,
    /// Deliveries a second at most
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// Where the instance is; default: server.public_url, else server.listen of the configuration
    #[arg(long)]
    url: Option<String>,
    /// Prints one JSON object a delivery
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArg,
}

pub(super) async fn run(args: &Args) -> Result<ExitCode, Failure> {
    let config = settings::find(&args.config)?;
    let names: Vec<&str> = config.sources.keys().map(String::as_str).collect();
    let unknown = || format!("no source {}; configured: {}", args.source, names.join(", "));
    let source = config.sources.get(&args.source).ok_or_else(unknown)?;
    let provider = by_slug(&source.provider).ok_or_else(unknown)?;
    let secret = source.secrets.first().ok_or("the source has no secret to sign with")?;
    let story = bodies(args, provider)?;
    let mut bodies: Vec<Vec<u8>> = (0..args.repeat).flat_map(|_| story.clone()).collect();
    if args.shuffle {
        bodies.shuffle(&mut rand::rng());
    }
    let base = args.url.clone().unwrap_or_else(|| base_url(&config));
    let url = format!("{}/webhooks/{}", base.trim_end_matches('/'), args.source);
    let client = reqwest::Client::builder().timeout(TIMEOUT).build()?;
    let mut refused = 0;
    for body in bodies {
        let accepted = post(args, &client, &url, provider, secret, body).await?;
        refused += usize::from(!accepted);
        if let Some(rate) = args.rate {
            tokio::time::sleep(Duration::from_secs(1) / rate).await;
        }
    }
    if refused > 0 {
        return Err(format!("{refused} deliveries were not accepted").into());
    }
    Ok(ExitCode::SUCCESS)
}

fn base_url(config: &Config) -> String {
    config.server.public_url.clone().unwrap_or_else(|| format!("http://{}", config.server.listen))
}

fn bodies(args: &Args, provider: &dyn Provider) -> Result<Vec<Vec<u8>>, Failure> {
    if let Some(name) = &args.example {
        return Ok(stories::bodies(provider.slug(), name, &args.subscription, args.period, Utc::now())?);
    }
    let read = |path: &PathBuf| std::fs::read(path).map_err(|e| Failure::from(format!("{}: {e}", path.display())));
    args.files.iter().map(read).collect()
}

/// Posts one delivery and prints the answer; `true`: it was accepted.
async fn post(
    args: &Args,
    client: &reqwest::Client,
    url: &str,
    provider: &dyn Provider,
    secret: &SecretString,
    body: Vec<u8>,
) -> Result<bool, Failure> {
    let mut request = client.post(url).header("content-type", "application/json");
    for (name, value) in provider.sign(&body, secret, Utc::now()) {
        request = request.header(name, value);
    }
    let answer = request.body(body).send().await;
    let answer = answer.map_err(|e| {
        format!("nobody answers at {url}: {} (is `subledger serve` or `dev` running?)", e.without_url())
    })?;
    let status = answer.status();
    let text = answer.text().await.unwrap_or_default();
    if args.json {
        println!(
            "{}",
            json!({"status": status.as_u16(), "answer": serde_json::from_str(&text).unwrap_or(json!(text))})
        );
    } else {
        println!("{} {text}", status.as_u16());
    }
    Ok(status.is_success())
}
