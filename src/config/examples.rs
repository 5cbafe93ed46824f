//! What `--help` shows at its end. A test parses every line.

pub(super) const EARMARK: &str = "\
Examples:
  earmark dev                            # try it: a PostgreSQL of its own and a demo app
  earmark serve --migrate                # run it on the PostgreSQL of EARMARK_DATABASE_URL
  earmark app create 1400000001          # create an app, and print its secret key
  earmark settings --effective           # say where each setting of `serve` comes from
  earmark serve --help                   # everything about a command";

pub(super) const DEV: &str = "\
Examples:
  earmark dev
  earmark dev --listen :8080 --data /var/lib/earmark-dev
  earmark dev --ephemeral --app 1400000001=the-secret-key-of-a-test";

pub(super) const SERVE: &str = "\
Examples:
  earmark serve --database-url postgres://earmark@db.example/earmark --listen :8080
  earmark serve --config /etc/earmark/earmark.toml --migrate
  earmark serve --listen :443 --tls-cert chain.pem --tls-key key.pem
  earmark serve --console --operator-token-file operator-token";

pub(super) const MIGRATE: &str = "\
Examples:
  earmark migrate --plan
  earmark migrate";

pub(super) const VERIFY: &str = "\
Examples:
  earmark verify --database-url-file /etc/earmark/database-url";

pub(super) const DOCTOR: &str = "\
Examples:
  earmark doctor
  earmark doctor --indexes --output json";

pub(super) const PRUNE: &str = "\
Examples:
  earmark prune --history-days 90 --audit-days 730";

pub(super) const APP: &str = "\
Examples:
  earmark app create 1400000001 --edition pro --admin administrator
  earmark app list
  earmark app set 1400000001 --limit calls-per-second=500 --feed on
  earmark app rotate-key 1400000001
  earmark app retire-key 1400000001 1
  earmark app disable 1400000001
  earmark app enable 1400000001
  earmark app rename 1400000001 Customer";

pub(super) const USER: &str = "\
Examples:
  earmark user show 1400000001 user0
  earmark user export 1400000001 user0 >user0.jsonl
  earmark user erase 1400000001 user0";

pub(super) const AUDIT: &str = "\
Examples:
  earmark audit --since 7d
  earmark audit --app 1400000001 --output json";

pub(super) const TOKEN: &str = "\
Examples:
  earmark token create support --scope read --scope users
  earmark token list
  earmark token revoke support";

pub(super) const EXPORT: &str = "\
Examples:
  earmark export 1400000001 --out app.jsonl
  earmark export 1400000001 --out app.jsonl --resume";

pub(super) const IMPORT: &str = "\
Examples:
  earmark import 1400000002 app.jsonl --dry-run
  earmark import 1400000002 app.jsonl";

pub(super) const COMPARE: &str = "\
Examples:
  earmark compare app.jsonl                       # with the database
  earmark compare before.jsonl after.jsonl --ignore times";

pub(super) const PULL: &str = "\
Examples:
  earmark pull --from https://console.tim.qq.com --sdkappid 1400000001 --secret-key-file key --users users.txt --out app.jsonl";

pub(super) const PUSH: &str = "\
Examples:
  earmark push app.jsonl --to https://console.tim.qq.com --sdkappid 1400000001 --secret-key-file key";

pub(super) const EPOCH: &str = "\
Examples:
  earmark epoch show
  earmark epoch bump                              # after a backup was restored";

pub(super) const PARTITIONS: &str = "\
Examples:
  earmark partitions list
  earmark partitions check";

pub(super) const SIG: &str = "\
Examples:
  earmark sig 1400000001
  earmark sig 1400000001 --identifier user0 --lifetime-s 3600
  earmark sig 1400000001 --secret-key-file data/secret-key";

pub(super) const HEALTHCHECK: &str = "\
Examples:
  earmark healthcheck
  earmark healthcheck --url http://127.0.0.1:9081/readyz";

pub(super) const SETTINGS: &str = "\
Examples:
  earmark settings                                # the page docs/settings.md
  earmark settings --effective                    # what `earmark serve` would use here
  earmark settings --effective -- dev --empty     # what this command would use";

pub(super) const COMPLETIONS: &str = "\
Examples:
  earmark completions bash >/etc/bash_completion.d/earmark
  earmark completions zsh >~/.zfunc/_earmark      # with ~/.zfunc in fpath
  earmark completions fish >~/.config/fish/completions/earmark.fish";

pub(super) const MAN: &str = "\
Examples:
  earmark man /usr/local/share/man/man1";

#[cfg(test)]
mod tests {
    use clap::error::ErrorKind;

    use super::super::command;

    /// The examples that the help of this command and of its subcommands shows.
    fn examples(command: &clap::Command, found: &mut Vec<String>) {
        let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        found.extend(after.lines().filter_map(|line| line.strip_prefix("  ").map(str::to_owned)));
        command.get_subcommands().for_each(|inner| examples(inner, found));
    }

    #[test]
    fn every_example_is_a_command_line_that_is_accepted() {
        let mut found = Vec::new();
        examples(&command(), &mut found);
        assert!(found.len() > 40, "{found:?}");
        for example in found {
            // What follows is for the shell.
            let words = example.split_whitespace().take_while(|word| !word.starts_with(['#', '>']));
            let parsed = command().try_get_matches_from(words);
            if let Err(error) = parsed {
                assert_eq!(error.kind(), ErrorKind::DisplayHelp, "{example}: {error}");
            }
        }
    }

    #[test]
    fn every_command_shows_an_example() {
        for inner in command().get_subcommands() {
            let name = inner.get_name();
            let after =
                inner.get_after_help().unwrap_or_else(|| panic!("{name} has none")).to_string();
            assert!(after.contains(&format!("  earmark {name}")), "{name}: {after}");
        }
    }
}
