//! Secrets by their name, kind by kind of how name and value are joined, and files that speak of secrets and
//! hold none.

use crate::{
    draw::Rng,
    withheld::{drawn, secrets},
};

/// Holds each text to so many secrets, whatever is drawn for it.
pub(crate) fn hold(table: &[&str], wanted: usize) {
    let mut wrong = Vec::new();
    for seed in 0..20 {
        let mut rng = Rng::new(seed);
        let texts = table.iter().map(|text| drawn(text, &mut rng));
        let told = texts.map(|text| (secrets(&text), text));
        wrong.extend(told.filter(|(count, _)| *count != wanted));
    }
    wrong.dedup();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn an_element_of_xml_holds_what_its_tag_names() {
    hold(
        &[
            "<password>Zx9kLm2p</password>",
            "<db:password>Zx9kLm2p</db:password>",
            "<server><username>a</username><password>Zx9kLm2p</password></server>",
            "<apiKey>{31}7</apiKey>",
            "<client-secret>{31}7</client-secret>",
            "<password>84721953</password>",
            "<property name=\"connection.password\">Zx9kLm2p</property>",
            "<string name=\"api_key\">{31}7</string>",
            "<apiKey>ghp_{36}</apiKey>",
            "<password>\n  Zx9kLm2p\n</password>",
            "<password><![CDATA[Zx9kLm2p]]></password>",
            "<password>Zx9]kLm2p</password>",
        ],
        1,
    );
    hold(
        &[
            "<password></password>",
            "<password>${env.DB_PASSWORD}</password>",
            "<password>changeme</password>",
            "<password>required</password>",
            "<password>Zx9kLm2p",
            "<label for=\"password\">Password1</label>",
            "<h2 id=\"password\">Section12</h2>",
            "user->password>Zx9kLm2p</b>",
            "if password > Zx9kLm2p",
            "<xs:element name=\"password\" type=\"xs:string\"/>",
            "<td>password</td><td>string</td>",
        ],
        0,
    );
}

#[test]
fn sql_and_calls_set_passwords() {
    hold(
        &[
            "ALTER USER a WITH PASSWORD 'Zx9kLm2p'",
            "create role app login password 'Zx9kLm2p';",
            "CREATE USER 'a'@'%' IDENTIFIED BY 'Zx9kLm2p';",
            "IDENTIFIED WITH mysql_native_password BY 'Zx9kLm2p'",
            "SET PASSWORD FOR a = PASSWORD('Zx9kLm2p')",
            "dataSource.setPassword(\"Zx9kLm2p\");",
            "set_password('Zx9kLm2p')",
            "Builder().password(\"Zx9kLm2p\").build()",
            "client.withApiKey(\"{31}7\")",
            ".apiKey('{31}7')",
            "setPassword(\"84721953\")",
        ],
        1,
    );
    hold(
        &[
            "ALTER USER a WITH PASSWORD '?'",
            "ALTER USER a WITH PASSWORD '<password>'",
            "password varchar(64) not null",
            "WHERE password = ? AND name = 'Zx9kLm2p'",
            "IDENTIFIED BY 'password'",
            "ordered by 'Zx9kLm2p'",
            "getPassword(\"vault1\")",
            "validatePassword('at least 8 chars')",
            "setPassword(\"Enter 8 characters\")",
            "setPassword(password1)",
            "setApiKey(\"X-Api-Key-Header-Name-1\")",
            "it('resets the password', () => {})",
            "getpass.getpass(\"Password1: \")",
            "PasswordField('Password1')",
        ],
        0,
    );
}

#[test]
fn a_pair_of_name_and_value_is_a_field() {
    hold(
        &[
            "- name: DB_PASSWORD\n  value: Zx9kLm2p",
            "env:\n  - name: \"DB_PASSWORD\"\n    value: \"Zx9kLm2p\"\n",
            "{\"name\":\"DB_PASSWORD\",\"value\":\"Zx9kLm2p\"}",
            "{\n  \"name\": \"API_KEY\",\n  \"value\": \"{31}7\"\n}",
            "{\\\"name\\\":\\\"DB_PASSWORD\\\",\\\"value\\\":\\\"Zx9kLm2p\\\"}",
            "- name: DB_PASSWORD\\n  value: Zx9kLm2p",
            "{key: DB_PASSWORD, value: Zx9kLm2p}",
            "<add key=\"DbPassword\" value=\"Zx9kLm2p\"/>",
            "<property name=\"password\" value=\"Zx9kLm2p\"/>",
            "<input type=\"password\" name=\"password\" value=\"Zx9kLm2p\">",
        ],
        1,
    );
    hold(
        &[
            "- name: DB_PASSWORD\n  valueFrom:\n    secretKeyRef:\n      name: db1\n      key: password1",
            "- name: DB_USER\n  value: Zx9kLm2p",
            "{\"name\":\"DB_PASSWORD\",\"value\":\"\"}",
            "{\"name\":\"DB_PASSWORD\",\"value\":\"${DB_PASSWORD1}\"}",
            "<input type=\"password\" name=\"password\" value=\"\">",
            "{\"rule\":\"password\",\"value\":\"Zx9kLm2p\"}",
            "{\"name\": \"password\", \"value\": \"argon2id\"}",
            "a password\nvalue: Zx9kLm2p",
        ],
        0,
    );
}

#[test]
fn flags_of_a_command_are_fields() {
    hold(
        &[
            "mysqldump --password Zx9kLm2p core",
            "tool --db-password 'Zx9kLm2p'",
            "docker login --username a --password Zx9kLm2p",
            "tool --api-key {31}7",
            "tool --token {39}7",
            "curl -u admin:Zx9kLm2p https://api.bank.example",
            "curl -u 'admin:Zx9kLm2p' https://api.bank.example",
            "curl --user admin:Zx9kLm2p https://api.bank.example",
            "curl -uadmin:Zx9kLm2p https://api.bank.example",
            "curl --user=admin:84721953 https://api.bank.example",
        ],
        1,
    );
    hold(
        &[
            "tool --password",
            "tool --password \"$DB_PASSWORD\"",
            "tool --password <password>",
            "docker login --password-stdin registry1",
            "tool --token-file Zx9kLm2pZx9kLm2pZx9k",
            "--password prompt for it",
            "curl -u admin: https://api.bank.example",
            "docker run -u 1000:1000 image:v1a2b3",
            "docker run -u app:staff2 image",
            "git push -u origin:feature1",
            "ls -u a:b1c2d3",
            "curl -u admin:$PASS1",
        ],
        0,
    );
}

#[test]
fn a_label_names_a_password_in_any_language() {
    let labels = [
        "password is",
        "Password",
        "Passwort",
        "Das Passwort ist",
        "Kennwort",
        "contraseña",
        "contrasena",
        "passphrase",
        "kode sandi",
        "sandi",
        "La contraseña es",
        "senha",
        "mot de passe ",
        "पासवर्ड",
        "pw",
        "PW",
        "pwd",
        "passwd",
        "kata laluan",
        "kata sandi",
        "கடவுச்சொல்",
        "စကားဝှက်",
        "ពាក្យសម្ងាត់",
        "ລະຫັດ",
        "ລະຫັດຜ່ານ",
        "密码是",
        "密码为",
        "密碼",
        "パスワードは",
        "비밀번호",
        "mật khẩu là",
        "รหัสผ่านคือ",
        "wachtwoord",
        "пароль",
        "كلمة المرور",
        "Kata laluan ialah",
        "kata sandi adalah",
    ];
    for label in labels {
        for sign in [":", ": ", "："] {
            let text = format!("{label}{sign}Zx9kLm2p");
            hold(&[&text, &format!("so {text}\n")], 1);
            hold(&[&format!("{label}{sign}必须有八个字符"), &format!("{label}{sign}required")], 0);
        }
    }
    hold(&["the list: Zx9kLm2p", "export: Zx9kLm2p", "this is: Zx9kLm2p", "values: Zx9kLm2p"], 0);
}

#[test]
fn a_password_may_be_of_digits() {
    hold(
        &[
            "密码：123456",
            "password=84721953",
            "\"password\": \"84721953\"",
            "Passwort: 847219",
            "password is: 84721953",
            "pwd=847219;",
        ],
        1,
    );
    hold(
        &[
            "密码：12345",
            "password=000000",
            "pass: 84721953",
            "PIN: 847219",
            "OTP: 847219",
            "password_timeout=123456",
            "password_max: 123456",
            "ລະຫັດ: 847219",
            "api_key=84721953",
        ],
        0,
    );
}

#[test]
fn a_random_value_of_a_named_field_is_a_secret() {
    hold(
        &[
            "API key: {39}7",
            "Client Secret: {39}7",
            "api.key={39}7",
            "My API Key is: {39}7",
            "\"secret\":\"{39}7\"",
            "\"token\":\"{39}7\"",
            "token: {h40}",
            "GITHUB_TOKEN={39}7",
            "VAULT_TOKEN={39}7",
            "AWS_SESSION_TOKEN={39}7",
            "MASTER_KEY={39}7",
            "consumer_secret={39}7",
            "os.environ[\"API_TOKEN\"] = \"{39}7\"",
            "session_token: '{39}7'",
            "Use Bearer {39}7 for it",
            "`Bearer {39}7`",
            "X-Api-Key: {39}7",
        ],
        1,
    );
    hold(
        &[
            "token: string",
            "\"token\": 1532",
            "max_tokens=4096",
            "next_page_token={40}",
            "\"nextToken\": \"{40}\"",
            "continuation-token: {40}",
            "csrf_token={40}",
            "__RequestVerificationToken={40}",
            "key: value",
            "\"secret\": true",
            "\"secret\": \"core/production/database-credentials-v2\"",
            "token: userProfileSettings2024Default",
            "secret: my-application-secret-name-2024-01",
            "\"token\": \"csrf-example-token-12345\"",
            "sha256:{h64}",
            "commit {h40}",
            "request token: 550e8400-e29b-41d4-a716-446655440000",
            "token: 550e8400-e29b-41d4-a716-446655440000",
            "cache_key={40}",
            "primary key: {40}",
            "a Bearer token is sent",
            "token: base64TokenEncoderV2",
            "secret: arn:aws:secretsmanager:ap-southeast-1:123456789012:secret:core-AbC123",
            "token: https://login.bank.example/oauth2/v2/token",
            "Bearer authentication-of-the-users-2024",
        ],
        0,
    );
}

/// Files and pages that speak of secrets and hold none.
const SPOKEN: &[&str] = &[
    // Python.
    "import os\nfrom getpass import getpass\n\nPASSWORD_MIN_LENGTH = 12\nTOKEN_TTL_SECONDS = 3600\n\n\
     class User(Model):\n    password: str = Field(min_length=8)\n    token: Optional[str] = None\n\n\
     def login(user: str, password: str, *, token: str | None = None) -> bool:\n\
     \x20   if not password:\n        raise ValueError('password must be 8 to 64 characters')\n\
     \x20   hashed = hash_password(password, rounds=12)\n\
     \x20   return check_password(hashed, password) or token == os.environ.get('API_TOKEN')\n\n\
     password = getpass('Password: ')\nclient = Client(api_key=os.getenv(\"API_KEY_V2\"))\n\
     user.set_password(form.cleaned_data['password1'])\nlog.info('password reset', extra={'v': 2})\n",
    // TypeScript.
    "interface Login { password: string; apiKey?: string; token: Token<2>; }\n\
     const schema = z.object({ password: z.string().min(12), secret: z.string().uuid() });\n\
     export const token = await getToken({ secret: process.env.NEXTAUTH_SECRET2 });\n\
     const isValid = (password: string): boolean => /^(?=.*[A-Z0-9]).{8,}$/.test(password);\n\
     this.form = fb.group({ password: ['', [Validators.required, Validators.minLength(8)]] });\n\
     headers: { Authorization: `Bearer ${token}`, 'X-Api-Key': config.apiKey }\n\
     describe('password', () => { it('has a token', async () => { setPassword(value1); }); });\n\
     <TextField type=\"password\" value={password} onChange={e => setPassword(e.target.value)} />\n\
     const PASSWORD_INPUT = 'password-input'; const TOKEN_KEY = 'auth_token_storage_key_v2';\n",
    // Java.
    "@Value(\"${spring.datasource.password}\") private String password;\n\
     public void setPassword(String password) { this.password = encoder.encode(password); }\n\
     ds.setPassword(env.getProperty(\"db.password1\")); String token = jwtService.createToken(user2);\n\
     .requestMatchers(\"/password/**\", \"/api/v1/token\").permitAll()\n\
     private static final String PASSWORD_PARAM = \"password\"; // token: see RFC6749\n\
     if (password == null || password.length() < 8) throw new IllegalArgumentException(\"password\");\n",
    // YAML.
    "env:\n  - name: DB_PASSWORD\n    valueFrom:\n      secretKeyRef:\n        name: db-credentials-2\n\
     \x20       key: password\n  - name: TOKEN_URL\n    value: https://login.bank.example/oauth2/token\n\
     password: ${DB_PASSWORD}\nsecret: false\ntoken: \"{{ .Values.token1 }}\"\n\
     secretName: core-tls-2024\napiKey:\n  required: true\n  minLength: 32\npassword: !vault |\n",
    // Terraform.
    "variable \"db_password\" {\n  type        = string\n  sensitive   = true\n}\n\
     resource \"aws_db_instance\" \"core\" {\n  username = \"app\"\n  password = var.db_password1\n}\n\
     resource \"random_password\" \"db\" {\n  length = 24\n}\n\
     password = random_password.db.result\n  token = data.vault_generic_secret.x.data[\"token2\"]\n\
     manage_master_user_password = true\n",
    // SQL.
    "CREATE TABLE users (id bigint, password varchar(255) NOT NULL, token char(64), salt bytea);\n\
     UPDATE users SET password = $1, token = NULL WHERE id = 1532;\n\
     SELECT 'password' AS field, token FROM sessions WHERE token = :token2;\n\
     INSERT INTO settings (name, value) VALUES ('password_min_length', '12');\n\
     CREATE USER app IDENTIFIED BY '${PASSWORD1}'; ALTER ROLE app PASSWORD NULL;\n",
    // HTML.
    "<form action=\"/login\" method=\"post\"><label for=\"password\">Password (8-64)</label>\n\
     <input type=\"password\" name=\"password\" id=\"password\" placeholder=\"Password\" minlength=\"8\">\n\
     <input type=\"hidden\" name=\"csrf_token\" value=\"{40}\">\n\
     <a href=\"/password/reset?step=2\">Forgot your password?</a><p>Your password: <b>8 chars</b></p>\n\
     <li class=\"token\">token</li><button id=\"show-password2\">Show password</button></form>\n",
    // Pages.
    "# Passwords and tokens\n\nA password has at least 12 characters. Tokens: see [tokens](tokens.md#v2).\n\
     Password: required, 8-64 characters. Secret: optional. Token: issued by the server, 3600s.\n\
     The password is: what you chose. To rotate a token, call `POST /v1/token`. Use `--password-file`.\n\
     The client secret: keep it. Your API key: find it under Settings > API keys. `Bearer <token>`.\n\
     | name | type | note |\n|---|---|---|\n| password | string | 8 to 64 |\n| token | string | JWT |\n",
    // Rust and Go.
    "pub struct Login { pub password: SecretString, pub token: Option<Token2> }\n\
     let token = tokens.next(); let secret: [u8; 32] = rng.random();\n\
     fn password(mut self, password: impl Into<String>) -> Self { self.password = password.into(); }\n\
     password := os.Getenv(\"DB_PASSWORD1\"); token, err := oauth2.Token(ctx2)\n\
     type Config struct { Password string `json:\"password\"`; APIKey string `yaml:\"api_key_v2\"` }\n",
];

#[test]
fn what_speaks_of_secrets_holds_none() {
    hold(SPOKEN, 0);
}
