//! Secrets whose name no sign joins to them: cells, columns, lines, arguments, words of commands.

use crate::named::hold;

#[test]
fn a_cell_or_a_tag_names_the_next() {
    hold(
        &[
            "| user | svc |\n|---|---|\n| password | Zx9kLm2p! |",
            "| Password: | Zx9kLm2p |",
            "| **Password** | `Zx9kLm2p!` |",
            "Password\tZx9kLm2p!",
            "<tr><td>Password</td><td>Zx9kLm2p!</td></tr>",
            "<th>Password:</th>\n<td><code>Zx9kLm2p</code></td>",
            "<b>Password:</b> Zx9kLm2p!",
            "<wsse:Password Type=\"x\">Zx9kLm2p!</wsse:Password>",
            "Password -> Zx9kLm2p!",
            "| api key | 7{39} |",
        ],
        1,
    );
    hold(
        &[
            "| password | string | 8 to 64 |",
            "| password | VARCHAR2 | not null |",
            "| password | Oracle19c |",
            "| password reset of the branch office | Zx9kLm2p |",
            "| branch | Zx9kLm2p |",
            "<td>password</td><td>base64</td>",
            "<button>Show password</button> Section12",
            "<b>Your password</b> Section12",
            "<input type=\"password\">Section12</input>",
            "password -> sha256sum",
            "| password | <your-password1> |",
        ],
        0,
    );
}

#[test]
fn the_line_before_names_a_password() {
    hold(
        &[
            "Password:\nZx9kLm2p!",
            "Password:\n\nZx9kLm2p!\nRegards",
            "username: svc\npassword:\n  Zx9kLm2p\n",
            "password: |\n  Zx9kLm2p!\n",
            "password: >-\n  Zx9kLm2p!\n",
        ],
        1,
    );
    hold(
        &[
            "Password:\nZx9kLm2p is what we call the branch",
            "Password:\nSection12",
            "password:\n  min1: 8",
            "Password:\nat least 8 characters, such as A1",
            "The password\nZx9kLm2p",
        ],
        0,
    );
}

#[test]
fn sql_and_arguments_name_a_password() {
    hold(
        &[
            "ALTER USER app IDENTIFIED BY \"Zx9kLm2p\"",
            "\"ALTER USER app IDENTIFIED BY \\\"Zx9kLm2p\\\"\"",
            "CREATE LOGIN app WITH PASSWORD = N'Zx9kLm2p';",
            "WITH PASSWORD=N'Zx9kLm2p'",
            "config.put(\"password\", \"Zx9kLm2p\");",
            "System.setProperty(\"db.password\", \"Zx9kLm2p\")",
            "map.set('password', 'Zx9kLm2p')",
            "os.environ[\"DB_PASSWORD\"] = \"Zx9kLm2p\"",
            "requests.get(url, auth=(\"svc\", \"Zx9kLm2p\"))",
            "new PasswordAuthentication(\"svc\", \"Zx9kLm2p\".toCharArray())",
            "conn.login(\"svc\",\"Zx9kLm2p\")",
        ],
        1,
    );
    hold(
        &[
            "get(\"password\", \"default1\")",
            "log.info(\"password\", \"Zx9kLm2p\")",
            "config.put(\"password\", \"<password1>\")",
            "config.put(\"branch\", \"Zx9kLm2p\")",
            "ordered by \"Zx9kLm2p\"",
            "range=(\"A12\", \"Zx9kLm2p\")",
            "NAME = N'Zx9kLm2p'",
        ],
        0,
    );
}

#[test]
fn commands_and_pairs_are_given_passwords() {
    hold(
        &[
            "mysql -u root -pZx9kLm2p core",
            "docker login -u svc -p Zx9kLm2p registry.bank.example",
            "sshpass -p Zx9kLm2p ssh root@x",
            "redis-cli -a Zx9kLm2p ping",
            "keytool -list -storepass Zx9kLm2p",
            "tool -password Zx9kLm2p!",
            "FROM x\nENV DB_PASSWORD Zx9kLm2p\n",
            "setx DB_PASSWORD \"Zx9kLm2p\"",
            "requirepass Zx9kLm2p",
            "machine api.bank.example login svc password Zx9kLm2p",
            "sqlplus app/Zx9kLm2p@CORE",
            "jdbc:oracle:thin:app/Zx9kLm2p@//db:1521/ORCL",
            "svc:Zx9kLm2p@tcp(db:3306)/core",
            "credentials: svc:Zx9kLm2p",
            "login: svc / Zx9kLm2p!",
        ],
        1,
    );
    hold(
        &[
            "mkdir -p branch1/notes2",
            "docker run -p web8080x image",
            "ls -a Zx9kLm2p",
            "tool -password $PASSWORD1",
            "the password Zx9kLm2p",
            "ENV NODE_VERSION v20x11y3",
            "see app/Zx9kLm2p@CORE",
            "login: see page / section12",
            "the branch: svc / Zx9kLm2p",
            "my api key is kept in the vault of branch1",
        ],
        0,
    );
    hold(&["my api key is {h40}", "client secret 7{39}"], 1);
}
