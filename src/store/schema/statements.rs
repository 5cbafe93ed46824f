//! Divides a file of SQL into its statements.

/// The statements of a text, without empty ones. A semicolon within a string, a quoted name, a comment, or between dollar quotes
/// ends no statement.
pub(super) fn statements(text: &str) -> Vec<&str> {
    let mut statements = Vec::new();
    let (mut begin, mut at) = (0, 0);
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with(';') {
            statements.push(&text[begin..at]);
            begin = at + 1;
        }
        at += token_length(rest);
    }
    statements.push(&text[begin..]);
    statements.retain(|statement| !is_empty(statement));
    statements
}

/// Whether there is nothing but spaces and comments.
fn is_empty(statement: &str) -> bool {
    let mut rest = statement.trim_start();
    while rest.starts_with("--") || rest.starts_with("/*") {
        rest = rest[token_length(rest)..].trim_start();
    }
    rest.is_empty()
}

/// The length of the string, the name, the comment or the character with which a text begins.
fn token_length(text: &str) -> usize {
    if text.starts_with("--") {
        return text.find('\n').unwrap_or(text.len());
    }
    if text.starts_with("/*") {
        return enclosed(text, "/*", "*/");
    }
    match text.as_bytes().first() {
        Some(b'\'') => enclosed(text, "'", "'"),
        Some(b'"') => enclosed(text, "\"", "\""),
        Some(b'$') => match dollar_quote(text) {
            Some(quote) => enclosed(text, quote, quote),
            None => 1,
        },
        _ => text.chars().next().map_or(0, char::len_utf8),
    }
}

/// `$$` or `$name$`.
fn dollar_quote(text: &str) -> Option<&str> {
    let end = text[1..].find('$')? + 2;
    let name = &text[1..end - 1];
    let is_name = name.chars().all(|letter| letter.is_alphanumeric() || letter == '_')
        && !name.starts_with(|letter: char| letter.is_ascii_digit());
    is_name.then(|| &text[..end])
}

fn enclosed(text: &str, begin: &str, end: &str) -> usize {
    let inside = &text[begin.len()..];
    inside.find(end).map_or(text.len(), |length| begin.len() + length + end.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let found: Vec<_> = statements(text).into_iter().map(str::trim).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn a_semicolon_ends_a_statement_unless_it_is_quoted() {
        check("", &[]);
        check(" ; -- a;\n;/* ; */", &[]);
        check("a; b", &["a", "b"]);
        check("SELECT ';'; \"a;\"", &["SELECT ';'", "\"a;\""]);
        check("SELECT 'it''s;'; b", &["SELECT 'it''s;'", "b"]);
        check("-- about a;\na; b -- c;\n;", &["-- about a;\na", "b -- c;"]);
        check("DO $$ a; b; $$; c", &["DO $$ a; b; $$", "c"]);
        check("DO $x$ $$;$$ $x$; $1; c", &["DO $x$ $$;$$ $x$", "$1", "c"]);
        check("'é;' é; b", &["'é;' é", "b"]);
    }
}
