//! `signalbox import litellm`: from the configuration of another gateway to one that checks, or to nothing.

use std::{fs, path::Path, process::Output};

use crate::harness::{
    binary::{run_in, run_with},
    gateway::Folder,
};

/// Each with the rules of which a warning is expected: one for ranks alone refuses chats by its name.
const EXAMPLES: [(&str, &[&str]); 4] =
    [("balanced", &[]), ("budgets", &[]), ("mixed", &[]), ("kinds", &["`asked-rank`"])];
const VARIABLES: [&str; 12] = [
    "OPENAI_API_KEY",
    "GROQ_API_KEY",
    "DEEPSEEK_API_KEY",
    "TOGETHERAI_API_KEY",
    "MISTRAL_API_KEY",
    "VLLM_KEY",
    "ANTHROPIC_API_KEY",
    "COHERE_API_KEY",
    "RELAY_KEY",
    "LITELLM_MASTER_KEY",
    "SIGNALBOX_ADMIN_TOKEN",
    "SIGNALBOX_FIRST_KEY",
];

fn all(out: &Output) -> String {
    String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr)
}

fn example(name: &str) -> String {
    format!("{}/tests/import/{name}.yaml", env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &Path) -> usize {
    fs::read_dir(folder).expect("a folder").count()
}

#[tokio::test]
async fn what_import_writes_passes_check_and_lint() {
    let values: Vec<(String, String)> =
        VARIABLES.map(|it| (it.to_owned(), format!("a-secret-for-{it}-0123456789"))).into();
    for (name, expected) in EXAMPLES {
        let folder = Folder::empty();
        let import = run_in(&folder.0, &["import", "litellm", &example(name)]).await;
        assert_eq!(import.status.code(), Some(0), "{}", all(&import));
        let text = fs::read_to_string(folder.config()).expect("a file");
        let named = values.iter().filter(|(name, _)| text.contains(&format!("env:{name}")));
        let variables: Vec<(&str, &str)> = named.map(|(a, b)| (a.as_str(), b.as_str())).collect();
        for arguments in [&["check"][..], &["policy", "lint"]] {
            let out = run_with(&folder.config(), arguments, &variables, b"").await;
            assert_eq!(out.status.code(), Some(0), "{name}: {}", all(&out));
            let said = all(&out);
            let warnings: Vec<&str> = said.lines().filter(|it| it.contains("warning: ")).collect();
            assert_eq!(warnings.len(), expected.len(), "{name}: {said}");
            let mut each = expected.iter().zip(&warnings);
            assert!(each.all(|(rule, said)| said.contains(rule)), "{name}: {said}");
        }
        let again = run_in(&folder.0, &["import", "litellm", &example(name)]).await;
        assert_eq!(again.status.code(), Some(1), "{}", all(&again));
        assert!(all(&again).contains("is already there: --force replaces it"), "{}", all(&again));
        let forced =
            run_in(&folder.0, &["import", "litellm", &example(name), "--force", "--json"]).await;
        assert_eq!((forced.status.code(), files(&folder.0)), (Some(0), 4), "{}", all(&forced));
        for line in String::from_utf8_lossy(&forced.stdout).lines() {
            let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
            assert!(
                line["path"].is_string() && line["state"].is_string()
                    || ["set", "unpriced"].iter().any(|key| line[key].is_string())
            );
        }
    }
}

#[tokio::test]
async fn what_is_wrong_is_said_with_its_place_and_nothing_is_written() {
    for (text, code, words) in [
        ("model_list: [\n", 2, "wrong.yaml:2:"),
        ("model_list:\n- a: 1\n  a: 2\n", 2, "wrong.yaml:3:3: found a key for the second time"),
        ("- a\n", 2, "found no mapping"),
        ("model_list: []\n", 2, "none of its models can be carried over"),
        ("a: \u{0}\n", 2, "wrong.yaml"),
    ] {
        let folder = Folder::empty();
        fs::write(folder.0.join("wrong.yaml"), text).expect("a file");
        let out = run_in(&folder.0, &["import", "litellm", "wrong.yaml", "--out", "new"]).await;
        assert_eq!(out.status.code(), Some(code), "{text:?}: {}", all(&out));
        assert!(all(&out).contains(words), "{text:?}: {}", all(&out));
        assert_eq!(files(&folder.0), 1, "{text:?}");
    }
    let folder = Folder::empty();
    for (arguments, code) in [
        (&["import", "litellm", "gone.yaml"][..], 1),
        (&["import", "litellm"], 64),
        (&["import"], 64),
        (&["import", "other", "x"], 64),
    ] {
        let out = run_in(&folder.0, arguments).await;
        assert_eq!((out.status.code(), files(&folder.0)), (Some(code), 0), "{}", all(&out));
    }
}
