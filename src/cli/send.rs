//! `subledger send`: signs like the provider and posts.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use chrono::Utc;
use rand::seq::SliceRandom;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use secrecy::ExposeSecret;
use serde_json::json;

use super::failure::Failure;
use super::stories::{self, Message};
use super::{ConfigArg, settings};
use crate::config::Config;
use crate::providers::{Provider, SourceSettings, by_slug};

/// Longest wait for an answer.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Copies at most: this is a tool for trying things, not a load generator.
const REPEAT_MAX: u32 = 100_000;
/// What most providers send.
static JSON: HeaderValue = HeaderValue::from_static("application/json");

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The configured source, such as stripe-main
    source: String,
    /// Payload files, posted as they are
    #[arg(value_name = "FILE", required_unless_present = "example")]
    files: Vec<PathBuf>,
    /// A header that the provider sends beside the payload, such as "x-shopify-topic: orders/paid"
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = header)]
    headers: Vec<(String, String)>,
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
    let story = messages(args, provider)?;
    let mut messages: Vec<Message> = (0..args.repeat).flat_map(|_| story.clone()).collect();
    if args.shuffle {
        messages.shuffle(&mut rand::rng());
    }
    let base = args.url.clone().unwrap_or_else(|| base_url(&config));
    let settings = settings::of_source(source);
    let door = Door {
        url: format!("{}/webhooks/{}", base.trim_end_matches('/'), args.source),
        client: reqwest::Client::builder().timeout(TIMEOUT).build()?,
        provider,
        settings,
    };
    let mut refused = 0;
    for message in messages {
        let accepted = door.post(message, args.json).await?;
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

fn messages(args: &Args, provider: &dyn Provider) -> Result<Vec<Message>, Failure> {
    let mut messages = match &args.example {
        Some(name) => stories::messages(provider.slug(), name, &args.subscription, args.period, Utc::now())?,
        None => args.files.iter().map(read).collect::<Result<_, _>>()?,
    };
    for message in &mut messages {
        message.headers.extend(args.headers.iter().cloned());
    }
    Ok(messages)
}

fn read(path: &PathBuf) -> Result<Message, Failure> {
    let body = std::fs::read(path).map_err(|e| Failure::from(format!("{}: {e}", path.display())))?;
    Ok(Message { headers: Vec::new(), body })
}

/// `NAME: VALUE`
fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("must be NAME: VALUE")?;
    Ok((name.trim().to_ascii_lowercase(), value.trim().to_owned()))
}

/// Where the deliveries go, and as whose.
struct Door<'a> {
    /// Without the token.
    url: String,
    client: reqwest::Client,
    provider: &'a dyn Provider,
    settings: SourceSettings,
}

impl Door<'_> {
    /// Posts one delivery and prints the answer; `true`: it was accepted.
    async fn post(&self, message: Message, as_json: bool) -> Result<bool, Failure> {
        let token = self.settings.url_token.as_ref().map(|token| format!("/{}", token.expose_secret()));
        let url = format!("{}{}", self.url, token.unwrap_or_default());
        let request = self.client.post(url).headers(self.headers(&message)?).body(message.body);
        let answer = request.send().await.map_err(|e| {
            let (url, e) = (&self.url, e.without_url());
            format!("nobody answers at {url}: {e} (is `subledger serve` or `dev` running?)")
        })?;
        let status = answer.status();
        let text = answer.text().await.unwrap_or_default();
        if as_json {
            let answer = serde_json::from_str(&text).unwrap_or(json!(text));
            println!("{}", json!({"status": status.as_u16(), "answer": answer}));
        } else {
            println!("{} {text}", status.as_u16());
        }
        Ok(status.is_success())
    }

    /// The provider's own headers, and over them what belongs to this message alone.
    fn headers(&self, message: &Message) -> Result<HeaderMap, Failure> {
        let signed = self.provider.sign(&message.body, &self.settings, Utc::now());
        let mut headers = HeaderMap::from_iter([(reqwest::header::CONTENT_TYPE, JSON.clone())]);
        for (name, value) in signed.iter().chain(&message.headers) {
            let unfit = || format!("the header {name} cannot be sent");
            let value = HeaderValue::from_str(value).map_err(|_| unfit())?;
            headers.insert(HeaderName::try_from(name.as_str()).map_err(|_| unfit())?, value);
        }
        Ok(headers)
    }
}
