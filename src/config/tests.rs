use std::path::Path;

use secrecy::ExposeSecret;

use super::*;

mod mistakes;

/// Everything that must be there, and nothing else.
const GOOD: &str = r#"
[licensespring.main]
api_key = { env = "LS_KEY" }
[sources.stripe-main]
provider = "stripe"
secrets = [{ env = "WHSEC" }]
licensespring = "main"
[[catalog]]
match = { price = "price_1" }
product_code = "PRO"
"#;

fn options(dev: bool, extra: &[(&str, &str)]) -> LoadOptions<'static> {
    let always = [
        ("LS_KEY", "ls-secret-value"),
        ("WHSEC", "whsec-secret-value"),
        ("TOKEN", "token-secret-value-0123456789"),
        ("BLANK", ""),
    ];
    let environment = always.iter().chain(extra).map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    LoadOptions { dev, providers: &["stripe", "shopify", "salesforce"], environment }
}

fn lines(text: &str, options: &LoadOptions<'_>) -> Vec<String> {
    match parse(text, Path::new("conf/s.toml"), options) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.to_string().lines().map(str::to_owned).collect(),
    }
}

fn good(text: &str) -> (Config, Vec<Warning>) {
    parse(text, Path::new("conf/s.toml"), &options(false, &[])).unwrap()
}

#[test]
fn everything_wrong_is_reported_at_once() {
    let text = "x = 1\n[server]\nlisten = 5\n[sources.a]\nprovider = \"b\"\n[[catalog]]\n[reconciler]\nmode = 7\n";
    let found = lines(text, &options(false, &[("SUBLEDGER__NOPE__X", "1")]));
    let keys = [
        "SUBLEDGER__NOPE__X",
        "server.listen",
        "sources.a.provider",
        "sources.a.secrets",
        "catalog #1.match",
        "catalog #1.product_code",
        "reconciler.mode",
        "x",
    ];
    assert_eq!(found.len(), keys.len(), "{found:#?}");
    for (line, key) in found.iter().zip(keys) {
        assert!(line.contains(&format!(": {key}: ")), "{key}\n{found:#?}");
    }
}

#[test]
fn defaults_are_those_of_the_contract() {
    let (config, warnings) = good(GOOD);
    assert_eq!(warnings, []);
    assert_eq!(config.data_dir, Path::new("conf/.subledger"));
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.server.max_body_bytes, 8 * 1024 * 1024);
    assert!(config.database.is_embedded() && config.database.migrate);
    let account = &config.licensespring["main"];
    assert_eq!((account.requests_per_minute, account.timeout_ms), (600, 30_000));
    assert_eq!(account.base_url, "https://saas.licensespring.com");
    assert_eq!(account.api_key.expose_secret(), "ls-secret-value");
    let source = &config.sources["stripe-main"];
    assert_eq!((source.mode, source.integration_keys), (SourceMode::Live, true));
    assert_eq!(source.secrets[0].expose_secret(), "whsec-secret-value");
    let r = &config.reconciler;
    assert_eq!((r.mode, r.drift, r.coalesce_ms), (ReconcilerMode::Continuous, Drift::Report, 2000));
    assert_eq!((r.guard_max_destructive, r.guard_max_destructive_per_day), (25, 100));
    assert_eq!((r.guard_max_percent, r.guard_max_announced_per_day), (5, 1000));
    assert_eq!(config.telemetry.log_format, LogFormat::Text);
}

#[test]
fn a_full_file_is_read() {
    let text = GOOD.replace("[sources.stripe-main]", "[sources.old]\nprovider = \"shopify\"\nsecrets = [{ env = \"WHSEC\" }]\nshop_domain = \"a.myshopify.com\"\nrenewal_sources = [\"some_app\"]\nsilence_hours = 48\nlicensespring = \"main\"\n[sources.sf]\nprovider = \"salesforce\"\nurl_token = { env = \"TOKEN\" }\norganization_ids = [\"00D000000000001AAA\"]\nlicensespring = \"main\"\n[sources.sf.fields.Asset]\nproduct_code = \"Code__c\"\n[sources.stripe-main]");
    let text = format!(
        "data_dir = \"/var/lib/x\"\n[database]\nurl = \"postgres://u@h/d\"\n[erasure]\n{text}\nsource = \"sf\"\nperiod = \"1m\"\n[policy.default]\ngrace_days = 0\n[policy.PRO]\non_cancel = \"expire_only\"\n[policy.sf]\n"
    );
    let (config, warnings) = good(&text);
    assert_eq!(warnings, []);
    assert_eq!(config.data_dir, Path::new("/var/lib/x"));
    assert!(!config.database.is_embedded() && !config.database.migrate);
    assert_eq!(config.sources["sf"].fields["Asset"]["product_code"], "Code__c");
    assert_eq!(config.sources["old"].silence_hours, Some(48));
    assert_eq!(config.sources["old"].renewal_sources, ["some_app"]);
    let without: Vec<&str> = config.rules.integration_keys.keys().map(String::as_str).collect();
    assert_eq!(without, ["old"], "a Shopify source; the others have them by rule");
    assert_eq!(config.rules.policy("sf", "PRO").grace_days, 0);
}

/// What a source of Shopify or Salesforce lacks.
#[test]
fn what_stands_beside_a_signature_is_asked_for() {
    let source = |lines: &str| lines_of_source(lines).join("\n");
    let salesforce = "provider = \"salesforce\"\norganization_ids = [\"00D000000000001\"]\n";
    assert!(source("provider = \"shopify\"\nsecrets = [{ env = \"WHSEC\" }]").contains("s.shop_domain: is missing"));
    assert!(source(&format!("{salesforce}url_token = {{ env = \"TOKEN\" }}")).is_empty());
    assert!(
        source("provider = \"salesforce\"\nurl_token = { env = \"TOKEN\" }").contains("s.organization_ids: names no")
    );
    assert!(source(&salesforce.replace("001\"", "\"")).contains("is no organization's id: \"00D000000000\""));
    assert!(source(salesforce).contains("s.secrets: has no secret"));
    for (token, fine) in [
        ("0123456789abcdef0123456789abcdef", true),
        ("0123456789abcdef0123456789abcde", false),
        ("Zm9vYmFyYmF6cXV1eGZvbw", true),
        ("Zm9vYmFyYmF6cXV1eGZvb", false),
        ("Zm9vYmFyYmF6/cXV1eGZvbw", false),
    ] {
        let text = format!(
            "[licensespring.main]\napi_key = \"k\"\n[sources.s]\n{salesforce}url_token = \"{token}\"\nlicensespring = \"main\"\n"
        );
        let found = lines(&text, &options(true, &[]));
        assert_eq!(found.is_empty(), fine, "{token}: {found:?}");
        assert!(found.iter().all(|line| line.contains("s.url_token: can be guessed") && !line.contains(token)));
    }
    let fields = format!("{salesforce}url_token = {{ env = \"TOKEN\" }}\n[sources.s.fields.Asset]\nprodukt = \"X__c\"");
    assert!(source(&fields).contains("s.fields.Asset.produkt: is no field of ours; write one of account"));
    let salesforce = format!("{salesforce}url_token = {{ env = \"TOKEN\" }}\n");
    for (keys, said) in [
        ("time_zone = \"Mars/Olympus\"", "s.time_zone: names no time zone: \"Mars/Olympus\"; write one such as"),
        ("cpq_amendments = \"sum\"", "s.cpq_amendments: cannot be \"sum\"; write one of delta, full"),
        ("off_statuses = \"Obsolete\"", "s.off_statuses: cannot be \"Obsolete\"; write a list of texts"),
        ("callout_secret_in_header = \"yes\"", "s.callout_secret_in_header: cannot be \"yes\"; write true or false"),
        ("timezone = \"UTC\"", "s.timezone: is an unknown key"),
        (
            "fields = { Asset = { quantity = \"a b\" } }",
            "s.fields.Asset.quantity: is no field's name: \"a b\"; write the",
        ),
    ] {
        assert!(source(&format!("{salesforce}{keys}")).contains(said), "{keys}");
    }
    let good = "time_zone = \"Europe/Berlin\"\ncpq_amendments = \"full\"\noff_statuses = [\"Weg\"]\ncallout_secret_in_header = true";
    assert!(source(&format!("{salesforce}{good}")).is_empty());
    let elsewhere = source("provider = \"stripe\"\nsecrets = [{ env = \"WHSEC\" }]\ntime_zone = \"UTC\"");
    assert!(elsewhere.contains("s.time_zone: means nothing to this provider; remove it"));
}

fn lines_of_source(source: &str) -> Vec<String> {
    let text = format!("[sources.s]\n{source}\n");
    lines(&text, &options(false, &[]))
}

#[test]
fn the_environment_outranks_the_file() {
    let environment = [
        ("SUBLEDGER__DATA_DIR", "elsewhere"),
        ("SUBLEDGER__SERVER__LISTEN", "0.0.0.0:9"),
        ("SUBLEDGER__DATABASE__POOL_SIZE", "7"),
        ("SUBLEDGER__DATABASE__MIGRATE", "false"),
        ("SUBLEDGER__SOURCES__STRIPE_MAIN__MODE", "test"),
        ("SUBLEDGER__LICENSESPRING__MAIN__API_KEY", "from-the-environment"),
        ("SUBLEDGER__RECONCILER__MODE", "frozen"),
        ("SUBLEDGER_LOG", "debug"),
    ];
    let (config, _) = parse(GOOD, Path::new("conf/s.toml"), &options(false, &environment)).unwrap();
    assert_eq!(config.data_dir, Path::new("elsewhere"), "as it is, not beside the file");
    assert_eq!(config.server.listen.to_string(), "0.0.0.0:9");
    assert_eq!((config.database.pool_size, config.database.migrate), (7, false));
    assert_eq!(config.sources["stripe-main"].mode, SourceMode::Test);
    assert_eq!(config.licensespring["main"].api_key.expose_secret(), "from-the-environment");
    assert_eq!(config.reconciler.mode, ReconcilerMode::Frozen);
}

#[test]
fn a_wrong_variable_is_named() {
    let cases = [
        (
            ("SUBLEDGER__SERVER__LISTEN", "x"),
            "environment: SUBLEDGER__SERVER__LISTEN: cannot be \"x\"; write an address",
        ),
        (
            ("SUBLEDGER__SERVER__PORT", "1"),
            "environment: SUBLEDGER__SERVER__PORT: is an unknown key; remove it, or write one of listen",
        ),
        (
            ("SUBLEDGER__SERVER", "1"),
            "environment: SUBLEDGER__SERVER: `server` is a table, and tables can be set only in the file;",
        ),
        (
            ("SUBLEDGER__SOURCES__OTHER__MODE", "test"),
            "environment: SUBLEDGER__SOURCES__OTHER__MODE: the file has no `sources` table of that name;",
        ),
        (
            ("SUBLEDGER__SOURCES__STRIPE_MAIN__SECRETS", "geheim"),
            "environment: SUBLEDGER__SOURCES__STRIPE_MAIN__SECRETS: is not a list; write it in the file",
        ),
        (
            ("SUBLEDGER__CATALOG__X", "1"),
            "environment: SUBLEDGER__CATALOG__X: there is no section `catalog` that the environment could set;",
        ),
        (
            ("SUBLEDGER__LICENSESPRING__MAIN__API_KEY", ""),
            "environment: SUBLEDGER__LICENSESPRING__MAIN__API_KEY: is empty;",
        ),
    ];
    for (variable, expected) in cases {
        let found = lines(GOOD, &options(false, &[variable]));
        assert!(found.len() == 1 && found[0].starts_with(expected), "{expected}\n{found:#?}");
        assert!(!found[0].contains("geheim"));
    }
}

#[test]
fn secrets_are_never_shown() {
    let text = GOOD.replace("{ env = \"LS_KEY\" }", "\"geheim\"").replace("[{ env = \"WHSEC\" }]", "[\"geheim\"]")
        + "[database]\nurl = \"postgres://u:geheim@h/d\"\n";
    let (config, _) = parse(&text, Path::new("s.toml"), &options(true, &[])).unwrap();
    let shown = format!("{config:?}{config:#?}");
    assert!(!shown.contains("geheim") && shown.contains("price_1"), "{shown}");
    // Nor by the parser's message about the line that holds one.
    let found = lines("secret = \"geheim", &options(true, &[]));
    assert!(found.len() == 1 && !found[0].contains("geheim"), "{found:?}");
}

#[test]
fn warnings_stand_apart() {
    let text = "[database]\nurl = \"postgres://u:p@h/d\"\n".to_owned()
        + &GOOD.replace("[licensespring.main]", "[licensespring.main]\nrequests_per_minute = 9000\n")
        + "[[catalog]]\nmatch = { price = \"price_1\" }\nproduct_code = \"OTHER\"\n";
    let (_, warnings) = good(&text.replace("licensespring = \"main\"", ""));
    let texts: Vec<String> = warnings.iter().map(Warning::to_string).collect();
    assert_eq!(
        texts,
        [
            "conf/s.toml: database.url: holds a password, written out in the file; { env = \"NAME\" } would keep it out",
            "conf/s.toml: licensespring.main.requests_per_minute: is 9000; LicenseSpring is known to answer 429 above 2400",
            "conf/s.toml: sources.stripe-main.licensespring: is missing: the events of this source are kept, and make no license",
            "conf/s.toml: catalog #2: matches what catalog #1 matches, and is never reached",
        ]
    );
}

#[test]
fn loopback_is_the_only_plain_http() {
    for (url, fine) in [
        ("http://127.0.0.1:8081", true),
        ("http://localhost:8081/", true),
        ("http://[::1]:8081", true),
        ("http://127.0.0.1.example.com", false),
        ("http://10.0.0.1", false),
        ("https://10.0.0.1", true),
        ("ftp://127.0.0.1", false),
    ] {
        let text = GOOD.replace("[licensespring.main]", &format!("[licensespring.main]\nbase_url = \"{url}\""));
        assert_eq!(lines(&text, &options(false, &[])).is_empty(), fine, "{url}");
    }
}

#[test]
fn networks_hold_their_addresses() {
    let holds = |block: &str, address: &str| block.parse::<Network>().unwrap().contains(address.parse().unwrap());
    assert!(holds("10.0.0.0/8", "10.9.8.7") && !holds("10.0.0.0/8", "11.0.0.1"));
    assert!(holds("10.0.0.1", "10.0.0.1") && !holds("10.0.0.1", "10.0.0.2"));
    assert!(holds("fd00::/8", "fd12::1") && !holds("fd00::/8", "10.0.0.1"));
    assert!(holds("0.0.0.0/0", "203.0.113.7"));
}

#[test]
fn the_text_of_rules_is_canonical_and_can_be_read_back() {
    let (config, _) = good(GOOD);
    let text = rules_text(&config.rules);
    assert_eq!(
        text,
        r#"{"catalog":[{"match":{"price":"price_1"},"product_code":"PRO","seats":"max_activations"}],"integration_keys":{},"policy":{}}"#
    );
    let (read, _) = rules_from_text(&text, &config).unwrap();
    assert_eq!(read, config.rules);
    assert_eq!(rules_hash(&read).len(), 64);
    let (read, _) = rules_from_text("[policy.default]\ngrace_days = 9\n", &config).unwrap();
    assert_eq!(read.policy("stripe-main", "PRO").grace_days, 9);
    assert_ne!(rules_hash(&read), rules_hash(&config.rules));
    let problems = rules_from_text("{\"catalog\":[{}]}", &config).unwrap_err();
    assert_eq!(problems.0.len(), 2, "{problems}");
}

#[test]
fn a_missing_file_is_one_line() {
    let problems = load(Path::new("/nowhere/s.toml"), &options(false, &[])).unwrap_err();
    assert_eq!(
        problems.to_string(),
        "/nowhere/s.toml: cannot be read: No such file or directory (os error 2); give the path of a configuration file with --config"
    );
}
