//! Secrets as settings, code, headers and prose write them, and what only stands for one.

use classify::{Content, contents};

use crate::draw::Rng;

const LETTERS: &str = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789";

/// A text in which `{36}` stands for so many characters that are drawn, and `{h32}` for so many of hex.
pub(crate) fn drawn(text: &str, rng: &mut Rng) -> String {
    let mut made = String::new();
    for part in text.split_inclusive('}') {
        let Some((before, count)) = part.strip_suffix('}').and_then(|it| it.rsplit_once('{'))
        else {
            made.push_str(part);
            continue;
        };
        let hex = count.strip_prefix('h');
        match hex.unwrap_or(count).parse() {
            Ok(count) => {
                let alphabet = if hex.is_some() { "0123456789abcdef" } else { LETTERS };
                made.push_str(before);
                made.push_str(&rng.of(alphabet, count));
            }
            Err(_) => made.push_str(part),
        }
    }
    made
}

/// How many secrets a text holds.
pub(crate) fn secrets(text: &str) -> usize {
    let found = contents(text);
    found
        .found()
        .filter(|(kind, _)| *kind == Content::Secret)
        .map(|(_, count)| count as usize)
        .sum()
}

/// Each holds one secret.
const SECRETS: &[&str] = &[
    // Connection strings and URLs.
    "jdbc:mysql://db:3306/core?user=app&password=Zx81kq9w",
    "jdbc:postgresql://db/core?user=app&password=hunter2",
    "jdbc:sqlserver://db:1433;databaseName=core;user=sa;password=Zx81kq9w",
    "Server=tcp:db,1433;Database=core;User Id=app;Password=Zx81kq9w;Encrypt=true",
    "mongodb+srv://app:Zx81kq9w@cluster0.example.net/core",
    "https://deploy:Zx81kq9w@git.bank.example/core.git",
    "redis://:Zx81kq9w@cache:6379/0",
    // Lines of settings.
    "DB_PASSWORD=correcthorse",
    "export DB_PASSWORD='Zx81kq9w'",
    "POSTGRES_PASSWORD: Zx81kq9w!",
    "MYSQL_ROOT_PASSWORD=\"Zx81kq9w\"",
    "DB_PASS=Zx81kq9w",
    "SMTP_PWD=Zx81kq9w",
    "spring.datasource.password=Zx81kq9w",
    "API_KEY={31}7",
    "OPENAI_API_KEY=sk-{48}",
    "AWS_SECRET_ACCESS_KEY={40}",
    // Code and JSON.
    "\"api_key\": \"{31}7\"",
    "{\"password\":\"Zx81kq9w\"}",
    "{\\\"password\\\": \\\"Zx81kq9w\\\"}",
    "client_secret => '{31}7'",
    ":client_secret => \"{31}7\"",
    "apiKey := \"{31}7\"",
    "password = \"Zx81kq9w\"",
    "$password = 'Zx81kq9w';",
    "val clientSecret = \"{31}7\"",
    "**Password:** Zx81kq9w",
    // Prose, in other languages.
    "密码：Zx81kq9w",
    "登录密码: Zx81kq9w，请保密",
    "パスワード：Zx81kq9w",
    "비밀번호: Zx81kq9w",
    "mật khẩu: Zx81kq9w",
    "รหัสผ่าน: Zx81kq9w",
    "kata sandi: Zx81kq9w",
    "the password: Zx81kq9w",
    // Headers.
    "Authorization: Bearer {39}7",
    "-H \"Authorization: Bearer {39}7\" https://api.bank.example",
    "{\"Authorization\": \"Basic {16}\"}",
    "authorization: Basic {24}==",
    "Authorization: Bearer ghp_{36}",
    "X-Api-Key: {31}7",
    // Webhooks.
    "https://hooks.slack.com/services/T01ABCDEF/B01ABCDEF/{24}",
    // Tokens behind signs and joined words.
    "token=ghp_{36}",
    "'ghp_{36}'",
    "token_ghp_{36}",
    "my-token-glpat-{20}",
    "key:AIza{35}",
    "key=AKIA2345ABCD67EFGH2J",
    "stripe_sk_live_{24}",
    "openai=sk-proj-{48}",
    "sk-ant-api03-{93}",
    "hf_{34}",
    "npm_{36}",
    "//registry/:_authToken=npm_{36}",
    "pypi-AgEIcHlwaS5vcmc{60}",
    "SG.{22}.{43}",
    "SK{h32}",
    "dop_v1_{h64}",
    "xoxb-123456789012-123456789012-{24}",
    "DefaultEndpointsProtocol=https;AccountName=core;AccountKey={86}==",
    "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\n{64}",
    "\"-----BEGIN PRIVATE KEY-----\\n{64}\\n\"",
];

/// None holds a secret.
const NONE: &[&str] = &[
    // The examples of the makers' documents.
    "AKIAIOSFODNN7EXAMPLE",
    "aws_access_key_id = AKIAIOSFODNN7EXAMPLE",
    "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    // What stands for a password.
    "mysql://root:root@127.0.0.1:3306/test",
    "postgres://user:pass@localhost/db",
    "postgres://postgres:postgres@db:5432/app",
    "amqp://guest:guest@localhost",
    "redis://:password@localhost",
    "https://user:password@host.example/x",
    "postgres://app:changeme@db/x",
    "postgres://app:xxx@db/x",
    "postgres://app:{{ secret }}@db/x",
    "postgres://app:$PASS@db/x",
    "postgres://app:****@db/x",
    "DB_PASSWORD=changeme",
    "DB_PASSWORD=<password>",
    "DB_PASSWORD=${DB_PASSWORD}",
    "DB_PASSWORD=$PASS",
    "DB_PASSWORD={{ secret }}",
    "DB_PASSWORD=****",
    "DB_PASSWORD=",
    "DB_PASSWORD=your-password",
    "API_KEY=your-api-key",
    "API_KEY=your_api_key_1234567890_here",
    "api_key: \"<your-api-key>\"",
    "jdbc:mysql://db/core?user=app&password=${DB_PASSWORD}",
    "Server=db;User Id=app;Password=your_password;",
    "Authorization: Bearer <token>",
    "Authorization: Bearer $TOKEN",
    "Authorization: Bearer YOUR_ACCESS_TOKEN_GOES_HERE",
    "Authorization: Basic <credentials>",
    "https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX",
    // Code.
    "password = getSecretFromVault(\"x\")",
    "password = vault.read('db/password1')",
    "password: os.environ[\"DB_PASSWORD1\"]",
    "api_key = os.environ[\"API_KEY\"]",
    "const password = process.env.DB_PASSWORD",
    "password: !vault",
    "DB_PASSWORD=/run/secrets/db_password1",
    "password: z.string().min(8)",
    "\"password\": {\"type\": \"string\", \"minLength\": 8}",
    "password: ${{ secrets.DB_PASSWORD1 }}",
    "API_KEY=${API_KEY:-default}",
    "token: string",
    "password: string;",
    "password: str = None",
    "def login(user: str, password: str = None):",
    "if password == other.password:",
    "password: Optional[str] = None",
    "let password = prompt(\"Password: \");",
    // Prose.
    "the password is required",
    "Password: at least eight characters",
    "Forgot your password? Reset the password: click here",
    "密码：必须有八个字符",
    "An API key: what is it and how do I get one",
    "-----BEGIN PRIVATE KEY-----",
    "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----",
    "-----BEGIN RSA PRIVATE KEY-----\n<your key>\n-----END RSA PRIVATE KEY-----",
    "Authorization: Bearer 550e8400-e29b-41d4-a716-446655440000",
    "SKABCDEFGHIJKLMNOPQRSTUVWXYZABCDEF",
    "the compass: Zx81kq9w",
    "LOCAL_BYPASS: ty_24_of_x",
    "password: Option<Vec<u16>>,",
    "hash_password::<sha2::Sha256>(x)",
];

#[test]
fn a_secret_is_found_however_it_is_written() {
    let mut wrong = Vec::new();
    for seed in 0..20 {
        let mut rng = Rng::new(seed);
        let texts = SECRETS.iter().map(|text| drawn(text, &mut rng));
        wrong.extend(texts.filter(|text| secrets(text) != 1).map(|text| (secrets(&text), text)));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_stands_for_a_secret_is_none() {
    let wrong: Vec<_> = NONE.iter().filter(|text| secrets(text) != 0).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}
