//! Tokens by the forms that their makers publish, names in other languages, and what only looks like either.

use crate::named::hold;

#[test]
fn a_makers_token_is_told_by_its_form() {
    hold(
        &[
            "why does ATATT3x{180}=0B4B21CC fail",
            "sqp_{h40}",
            "squ_{h40}",
            "NRAK-A7{25}",
            "PMAK-{h24}-7a{h32}",
            "aB3dE6gH9jK2mN.atlasv1.{67}",
            "figd_{40}",
            "ntn_7{46}",
            "nvapi-{64}",
            "pplx-{48}",
            "HRKU-AA{58}",
            "rubygems_{h48}",
            "pscale_tkn_{43}",
            "sntrys_{90}",
            "dt0c01.{24}.{64}",
            "dp.pt.{43}",
            "bkua_{h40}",
            "SWMTKN-1-{h50}-{25}",
            "key-7a{h30}",
            "shpss_7a{h30}",
            "7284619350:AA{32}7",
            "the bot's 728461935:AA{32}7 is stolen",
            "aB37Q~{34}",
        ],
        1,
    );
    hold(
        &[
            "sqp_<token>",
            "PMAK-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            "key-of-the-branch-in-the-harbour-1",
            "key-{36}",
            "figd_{7}",
            "12:AA{32}7",
            "7284619350:BB{32}7",
            "7284619350:AA{20}7",
            "ab~{34}",
        ],
        0,
    );
}

#[test]
fn a_key_is_named_in_any_language() {
    let names = [
        "SECRET_KEY_BASE",
        "secret_key_base",
        "APIキー",
        "API 키",
        "คีย์ API",
        "kunci API",
        "khóa API",
        "chiave API",
        "token akses",
        "访问令牌",
        "シークレット",
    ];
    for name in names {
        hold(&[&format!("{name}: 7{{39}}"), &format!("{name}=7{{39}}")], 1);
        hold(&[&format!("{name}: documentation"), &format!("{name}: branch-of-2026")], 0);
    }
}

#[test]
fn a_signed_address_lets_in_whoever_has_it() {
    hold(
        &[
            "https://x.blob.core.windows.net/c?sv=2022-11-02&sr=c&sp=r&sig=7{42}%3D",
            "https://s3.amazonaws.com/b/k?X-Amz-Expires=600&X-Amz-Signature={h64}",
        ],
        1,
    );
    hold(
        &[
            "https://x.blob.core.windows.net/c?sv=2022-11-02&sig=<signature>",
            "?sig=7{42}",
            "X-Amz-Signature={h12}",
            "config=7{42}",
        ],
        0,
    );
}

#[test]
fn a_setting_in_capitals_is_a_line_of_its_own() {
    hold(
        &[
            "DB_PASSWORD: letmein",
            "environment:\n  MYSQL_ROOT_PASSWORD: rootpw\n  TZ: UTC\n",
            "DB_PASSWORD: \"letmein\"",
            "{\"DB_PASSWORD\": \"letmein\", \"x\": 1}",
            "SMTP_PASS: letmein # of the relay",
        ],
        1,
    );
    hold(
        &[
            "DB_PASSWORD: the password of the ledger",
            "DB_PASSWORD: required",
            "DB_PASSWORD: missing\n",
            "DB_PASSWORD: ${DB_PASSWORD}",
            "DB_PASSWORD: see the vault",
            "PASSWORD: letters",
            "db_password: letters",
            "{\"DB_PASSWORD\": \"of the ledger\"}",
        ],
        0,
    );
}

#[test]
fn a_pass_that_lets_in_without_a_password_is_none() {
    hold(
        &[
            "boarding pass: A1234567",
            "Bus Pass: ABC12345",
            "day-pass: D2026B",
            "PASS: TC-1024",
            "pass: test_case_42",
            "password=@Microsoft.KeyVault(SecretUri=https://kv1.vault.azure.net/secrets/db1)",
            "password: ref+vault://kv/db#pw1",
            "password: op://vault/db1/password",
        ],
        0,
    );
    hold(&["pass: Zx9kLm2p", "wifi pass: Zx9kLm2p", "DB_PASS: Zx9kLm2p", "pass: zx-9k_Lm2"], 1);
}
