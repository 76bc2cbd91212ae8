//! The table of mistakes and what is said about each.

use super::{GOOD, lines, options};

/// One change to the good text → the one line it leads to.
#[test]
fn each_mistake_is_one_line() {
    let cases = [
        // where the text goes: `+` appends, `a → b` replaces
        (
            "+[server]\nlissten = 1",
            "server.lissten: is an unknown key; remove it, or write one of listen, public_url, max_body_bytes, trusted_proxies",
        ),
        (
            "+[nonsense]",
            "nonsense: is an unknown key; remove it, or write one of data_dir, server, database, licensespring, sources, catalog, policy, reconciler, telemetry, erasure",
        ),
        (
            "+[server]\nlisten = \"8080\"",
            "server.listen: cannot be \"8080\"; write an address and port such as \"127.0.0.1:8080\"",
        ),
        ("+[server]\nmax_body_bytes = 10", "server.max_body_bytes: cannot be 10; write a number from 1024 to 67108864"),
        ("+[server]\nmax_body_bytes = \"big\"", "server.max_body_bytes: cannot be \"big\"; write a whole number"),
        (
            "+[server]\ntrusted_proxies = [\"10.0.0.0/99\"]",
            "server.trusted_proxies: cannot hold \"10.0.0.0/99\"; write an address or a block such as \"10.0.0.0/8\"",
        ),
        (
            "+[server]\npublic_url = \"ledger\"",
            "server.public_url: is not a web address: \"ledger\"; write \"https://host\"",
        ),
        (
            "+[server.tls]\ncertificate_file = \"/nowhere.pem\"\nkey_file = \"/dev/null\"",
            "server.tls.certificate_file: names /nowhere.pem, which cannot be read: No such file or directory (os error 2); correct the path",
        ),
        (
            "+[database]\nowner_url = \"postgres://o@h/d\"",
            "database.owner_url: is set without url; add url = \"postgres://…\", or remove owner_url",
        ),
        (
            "+[database]\nurl = \"postgres://u:geheim@h:port/d\"",
            "database.url: is not a Postgres URL; write \"postgres://user@host:5432/database\"",
        ),
        (
            "+[database]\nurl = \"postgres://u@h/d\"\npool_size = 1",
            "database.pool_size: cannot be 1; write a number from 6 to 500",
        ),
        ("+[database]\nmigrate = \"yes\"", "database.migrate: cannot be \"yes\"; write true or false"),
        (
            "{ env = \"LS_KEY\" } → \"geheim\"",
            "licensespring.main.api_key: is written out in the file; write { env = \"NAME\" } or { file = \"path\" }",
        ),
        (
            "{ env = \"LS_KEY\" } → { env = \"NOPE\" }",
            "licensespring.main.api_key: names the environment variable NOPE, which is not set; set NOPE in the environment of this process",
        ),
        (
            "{ env = \"LS_KEY\" } → { env = \"BLANK\" }",
            "licensespring.main.api_key: names the environment variable BLANK, which is empty; set BLANK in the environment of this process",
        ),
        (
            "{ env = \"LS_KEY\" } → { file = \"/nowhere\" }",
            "licensespring.main.api_key: names the file /nowhere, which cannot be read: No such file or directory (os error 2); make it readable for this user",
        ),
        (
            "{ env = \"LS_KEY\" } → { file = \"/dev/null\" }",
            "licensespring.main.api_key: names the file /dev/null, which is empty; write the secret into it",
        ),
        (
            "{ env = \"LS_KEY\" } → { vault = \"geheim\" }",
            "licensespring.main.api_key: is not a secret; write { env = \"NAME\" } or { file = \"path\" }",
        ),
        ("api_key = → api_kee =", "licensespring.main.api_key: is missing; add api_key = { env = \"NAME\" }"),
        (
            "[licensespring.main] → [licensespring.main]\nbase_url = \"http://example.com\"",
            "licensespring.main.base_url: is plain http to another machine; write https://, or use a host on this machine",
        ),
        (
            "[licensespring.main] → [licensespring.main]\nrequests_per_minute = 0",
            "licensespring.main.requests_per_minute: cannot be 0; write a number from 1 to 4294967295",
        ),
        (
            "[licensespring.main] → [licensespring.main]\nlicense_api_key = { env = \"LS_KEY\" }",
            "licensespring.main.license_shared_key: is missing; add license_shared_key = { env = \"NAME\" }",
        ),
        (
            "+[licensespring.Main]\napi_key = { env = \"LS_KEY\" }",
            "licensespring.Main: cannot be called \"Main\"; use a-z, 0-9 and -, at most 41, beginning with a letter or digit",
        ),
        (
            "stripe-main → system",
            "sources.system: cannot be called \"system\", which is a journal of ours; choose another name",
        ),
        (
            "stripe-main → licensespring-main",
            "sources.licensespring-main: cannot begin with \"licensespring-\": so are the journals of accounts called; choose another name",
        ),
        (
            "provider = \"stripe\" → provider = \"paddle\"",
            "sources.stripe-main.provider: names no provider: \"paddle\"; write one of stripe, shopify, salesforce",
        ),
        (
            "provider = \"stripe\" → ",
            "sources.stripe-main.provider: is missing; add provider = one of stripe, shopify, salesforce",
        ),
        (
            "secrets = [{ env = \"WHSEC\" }] → ",
            "sources.stripe-main.secrets: has no secret; add secrets = [{ env = \"NAME\" }]",
        ),
        (
            "secrets = [{ env = \"WHSEC\" }] → secrets = []",
            "sources.stripe-main.secrets: has no secret; add secrets = [{ env = \"NAME\" }]",
        ),
        (
            "secrets = [{ env = \"WHSEC\" }] → secrets = \"geheim\"",
            "sources.stripe-main.secrets: is not a list; write it in the file, as a list: [{ env = \"NAME\" }]",
        ),
        (
            "secrets = [{ env = \"WHSEC\" }] → secrets = [{ env = \"WHSEC\" }, \"geheim\"]",
            "sources.stripe-main.secrets #2: is written out in the file; write { env = \"NAME\" } or { file = \"path\" }",
        ),
        (
            "licensespring = \"main\" → licensespring = \"other\"",
            "sources.stripe-main.licensespring: names no account: \"other\"; add [licensespring.other], or correct it",
        ),
        (
            "licensespring = \"main\" → licensespring = \"main\"\nmode = \"prod\"",
            "sources.stripe-main.mode: cannot be \"prod\"; write one of live, test",
        ),
        (
            "licensespring = \"main\" → licensespring = \"main\"\nrenamed_from = \"stripe-main\"",
            "sources.stripe-main.renamed_from: cannot be \"stripe-main\"; write the name that this source had before",
        ),
        (
            "{ price = → { prise =",
            "catalog #1.match.prise: is not a key to match on; write one of price, product, lookup_key, path, sku, variant, selling_plan, product_code",
        ),
        (
            "match = { price = \"price_1\" } → match = {}",
            "catalog #1.match: matches nothing; add match = { price = \"…\" }",
        ),
        ("match = { price = \"price_1\" } → ", "catalog #1.match: matches nothing; add match = { price = \"…\" }"),
        (
            "product_code = \"PRO\" → product_code = \"\"",
            "catalog #1.product_code: is empty; give it a value, or remove the key",
        ),
        ("product_code = \"PRO\" → ", "catalog #1.product_code: is missing; add product_code = \"PRO\""),
        (
            "+period = \"1w\"",
            "catalog #1.period: cannot be \"1w\"; write a number of days, months or years: 30d, 1m, 1y",
        ),
        (
            "+period = \"0d\"",
            "catalog #1.period: cannot be \"0d\"; write a number of days, months or years: 30d, 1m, 1y",
        ),
        (
            "+license_type = \"rental\"",
            "catalog #1.license_type: cannot be \"rental\"; write one of perpetual, time-limited, subscription, consumption",
        ),
        ("+source = \"fs\"", "catalog #1.source: names no source: \"fs\"; add [sources.fs], or correct it"),
        (
            "+seats = \"all\"",
            "catalog #1.seats: cannot be \"all\"; write one of max_activations, floating_users, max_license_users, licenses",
        ),
        (
            "+[policy.BASIC]",
            "policy.BASIC: is the policy of nothing; call it default, or as a source or a product_code of the catalog",
        ),
        (
            "+[policy.default]\non_cancel = \"shrug\"",
            "policy.default.on_cancel: cannot be \"shrug\"; write one of disable, deactivate_devices, deactivate_and_disable, expire_only",
        ),
        (
            "+[policy.default]\non_refund_partial = \"disable\"",
            "policy.default.on_refund_partial: cannot be \"disable\"; write one of keep, flag",
        ),
        (
            "+[policy.default]\ngrace_days = -1",
            "policy.default.grace_days: cannot be -1; write a number from 0 to 3660",
        ),
        (
            "+[reconciler]\nmode = \"on\"",
            "reconciler.mode: cannot be \"on\"; write one of continuous, plan_only, frozen",
        ),
        (
            "+[reconciler]\nguard_max_percent = 101",
            "reconciler.guard_max_percent: cannot be 101; write a number from 0 to 100",
        ),
        ("+[telemetry]\nlog_format = \"xml\"", "telemetry.log_format: cannot be \"xml\"; write one of text, json"),
        ("+[erasure]\nwhen = 1", "erasure.when: is an unknown key; remove it, or write one of "),
        ("+server = 5", "catalog #1.server: is an unknown key"),
        ("[licensespring.main] → [licensespring.main", "line 2: "),
        (
            "[licensespring.main] → server = 5\n[licensespring.main]",
            "server: is not a table; write [server] and its keys below",
        ),
    ];
    for (change, expected) in cases {
        let text = match change.strip_prefix('+') {
            Some(more) => format!("{GOOD}{more}\n"),
            None => {
                let (from, to) = change.split_once(" → ").unwrap();
                assert!(GOOD.contains(from), "{from}");
                GOOD.replacen(from, to, 1)
            }
        };
        let found = lines(&text, &options(false, &[]));
        let fits = |line: &String| line.starts_with(&format!("conf/s.toml: {expected}"));
        assert!(found.iter().any(fits), "{change}\nexpected {expected}\nfound    {found:#?}");
        // Only a mistyped key is two things at once: one unknown, one missing.
        let at_most = if change.contains("api_kee") { 2 } else { 1 };
        assert!(found.len() <= at_most, "{change}\n{found:#?}");
        assert!(!found.concat().contains("geheim"), "{change}\n{found:#?}");
    }
}
