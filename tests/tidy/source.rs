//! Reads the tree, and reads Rust well enough: comments and literals apart from code, paths made absolute.

use std::fs;
use std::path::Path;

/// What the rules look at. Paths are relative to the repository, with `/`.
#[derive(Default)]
pub struct Tree {
    pub rust: Vec<Source>,
    /// Path and text of each migration.
    pub migrations: Vec<(String, String)>,
}

/// A Rust file, taken apart.
pub struct Source {
    pub path: String,
    pub text: String,
    /// The text with comments and the insides of literals blanked; offsets and lines stay.
    pub code: String,
    pub literals: Vec<Literal>,
}

pub struct Literal {
    /// Offset of the opening quote.
    pub at: usize,
    pub text: String,
}

impl Tree {
    pub fn read(root: &Path) -> Tree {
        let mut tree = Tree::default();
        for folder in ["src", "crates", "tests", "benches"] {
            visit(root, folder, &mut |path, text| {
                if path.ends_with(".rs") {
                    tree.rust.push(Source::new(path, text));
                }
            });
        }
        visit(root, "migrations", &mut |path, text| {
            if path.ends_with(".sql") {
                tree.migrations.push((path.to_owned(), text));
            }
        });
        tree
    }

    pub fn under(&self, prefix: &str) -> impl Iterator<Item = &Source> {
        self.rust.iter().filter(move |s| s.path.starts_with(prefix))
    }
}

fn visit(root: &Path, folder: &str, take: &mut impl FnMut(&str, String)) {
    let Ok(entries) = fs::read_dir(root.join(folder)) else { return };
    let mut names: Vec<_> =
        entries.filter_map(|e| e.ok()).map(|e| e.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    for name in names {
        let path = format!("{folder}/{name}");
        if root.join(&path).is_dir() {
            if name != "target" && !name.starts_with('.') {
                visit(root, &path, take);
            }
        } else if name.ends_with(".rs") || name.ends_with(".sql") {
            let text = fs::read_to_string(root.join(&path)).unwrap_or_else(|e| panic!("{path}: {e}"));
            take(&path, text);
        }
    }
}

impl Source {
    pub fn new(path: &str, text: String) -> Source {
        let (code, literals) = lex(&text);
        Source { path: path.to_owned(), text, code, literals }
    }

    pub fn place(&self, at: usize) -> String {
        format!("{}:{}", self.path, 1 + self.text[..at].matches('\n').count())
    }

    /// `src/contacts/store.rs` and `src/contacts/store/list.rs` stand in the room `contacts`.
    pub fn room(&self) -> Option<&str> {
        let rest = self.path.strip_prefix("src/")?;
        let name = rest.split('/').next().unwrap_or(rest);
        let name = name.strip_suffix(".rs").unwrap_or(name);
        (!matches!(rest, "lib.rs" | "main.rs")).then_some(name)
    }

    /// The room whose store this file may use: `contacts::groups` is a room in the room `contacts`, because it has a store
    /// of its own; a folder without one belongs to the room around it.
    pub fn home(&self, tree: &Tree) -> Vec<String> {
        let module = self.module_at(0);
        let has_store = |depth: &usize| {
            let folder = format!("src/{}/store", module[..*depth].join("/"));
            let inside = |s: &Source| s.path.strip_prefix(&folder).is_some_and(|rest| rest.starts_with(['.', '/']));
            tree.rust.iter().any(inside)
        };
        let depth = (1..=module.len()).rev().find(has_store).unwrap_or(1);
        module.into_iter().take(depth).collect()
    }

    /// Whether the file is `<room>/<part>.rs` or stands in a folder `<part>/` of a room.
    pub fn is_part(&self, part: &str) -> bool {
        let inner: Vec<&str> = self.path.split('/').skip(2).collect();
        self.path.starts_with("src/") && inner.iter().any(|s| s.strip_suffix(".rs").unwrap_or(s) == part)
    }

    /// Offsets where `needle` stands in code as a whole word (its own ends that are not letters match anything).
    pub fn find<'a>(&'a self, needle: &'a str) -> impl Iterator<Item = usize> + 'a {
        self.code.match_indices(needle).map(|(at, _)| at).filter(move |&at| {
            let before = self.code[..at].chars().next_back();
            let after = self.code[at + needle.len()..].chars().next();
            let joined =
                |edge: Option<char>, next: Option<char>| edge.is_some_and(is_word) && next.is_some_and(is_word);
            !joined(needle.chars().next(), before) && !joined(needle.chars().next_back(), after)
        })
    }

    /// Every path that starts at the crate, as segments after `crate`: from `use` trees, expressions, and `super` chains.
    pub fn paths(&self) -> Vec<(usize, Vec<String>)> {
        let mut found = Vec::new();
        for at in self.find("crate").chain(self.find("super")) {
            let before = self.code[..at].trim_end();
            let mut rest = self.code[at..].trim_start_matches(is_word).trim_start();
            let mut base = Vec::new();
            if self.code[at..].starts_with("super") {
                if before.ends_with("::") {
                    continue; // the middle of a chain
                }
                let mut up = 1;
                while let Some(after) = rest.strip_prefix("::").map(str::trim_start).filter(|r| r.starts_with("super"))
                {
                    rest = after.trim_start_matches(is_word).trim_start();
                    up += 1;
                }
                base = self.module_at(at);
                if up > base.len() {
                    continue;
                }
                base.truncate(base.len() - up);
            }
            if let Some(tree) = rest.strip_prefix("::") {
                use_tree(tree.trim_start(), &base, &mut |path| found.push((at, path)));
            }
        }
        found
    }

    /// The module that encloses an offset: the file's own, then inline `mod name { … }`.
    fn module_at(&self, at: usize) -> Vec<String> {
        let file = self.path.strip_prefix("src/").unwrap_or(&self.path).trim_end_matches(".rs");
        let mut module: Vec<String> = file.split('/').map(str::to_owned).collect();
        if module.last().is_some_and(|last| matches!(last.as_str(), "mod" | "lib" | "main")) {
            module.pop();
        }
        let inline = self
            .find("mod")
            .filter(|&m| m < at && self.body(m).is_some_and(|(open, close)| (open..close).contains(&at)));
        module.extend(inline.map(|m| self.word_after(m + 3).to_owned()));
        module
    }

    /// The braces that follow an item's keyword, unless it ends with `;` first.
    pub fn body(&self, at: usize) -> Option<(usize, usize)> {
        let (mut open, mut depth, mut brackets) = (None, 0, 0);
        for (i, c) in self.code[at..].char_indices() {
            match (c, open) {
                ('(' | '[', None) => brackets += 1,
                (')' | ']', None) => brackets -= 1,
                (';', None) if brackets <= 0 => return None,
                ('{', _) => {
                    open = open.or(Some(at + i));
                    depth += 1;
                }
                ('}', Some(open)) if depth == 1 => return Some((open, at + i)),
                ('}', _) => depth -= 1,
                _ => {}
            }
        }
        None
    }

    pub fn word_after(&self, at: usize) -> &str {
        let rest = self.code[at..].trim_start();
        &rest[..rest.find(|c| !is_word(c)).unwrap_or(rest.len())]
    }

    /// The name of the innermost function that holds an offset, or else of the constant before it.
    pub fn holder(&self, at: usize) -> &str {
        let holds = |f: usize| self.body(f).is_some_and(|(open, close)| (open..close).contains(&at));
        let name = |keyword: &str, from: usize| self.word_after(from + keyword.len());
        // A function's type, `fn(&Row)`, and a lifetime, `'static`, have the same words but name nothing.
        let function = self.find("fn").filter(|&f| f < at && !name("fn", f).is_empty() && holds(f)).last();
        let constants = ["const", "static"].into_iter().flat_map(|keyword| {
            let declared = self.find(keyword).filter(move |&c| c < at && !self.code[..c].ends_with('\''));
            declared.last().map(|c| (c, keyword))
        });
        let constant = || constants.max().map(|(c, keyword)| name(keyword, c));
        function.map(|f| name("fn", f)).or_else(constant).unwrap_or("")
    }

    /// Whether an offset stands in a `#[cfg(test)] mod … { … }`, or the file holds nothing but tests.
    pub fn in_tests(&self, at: usize) -> bool {
        let inside = |t: usize| self.body(t).is_some_and(|(open, close)| (open..close).contains(&at));
        self.is_part("tests") || self.find("#[cfg(test)]").any(inside)
    }
}

pub fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Reads `a::{b, c::*}` after a prefix; returns what follows it.
fn use_tree<'a>(mut rest: &'a str, prefix: &[String], take: &mut impl FnMut(Vec<String>)) -> &'a str {
    let mut path = prefix.to_vec();
    loop {
        rest = rest.trim_start();
        if let Some(mut inner) = rest.strip_prefix('{') {
            loop {
                inner = inner.trim_start();
                if inner.is_empty() || inner.starts_with('}') {
                    return inner.strip_prefix('}').unwrap_or(inner);
                }
                let left = use_tree(inner, &path, take).trim_start();
                let end = left.find([',', '}']).unwrap_or(left.len()); // over `as name`
                inner = left[end..].strip_prefix(',').unwrap_or(&left[end..]);
                if left.len() == inner.len() && !inner.starts_with('}') {
                    return inner; // not a tree after all
                }
            }
        }
        let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        let word = if rest.starts_with('*') { "*" } else { &rest[..end] };
        if !word.is_empty() {
            path.push(word.to_owned());
        }
        rest = rest[word.len()..].trim_start();
        match rest.strip_prefix("::") {
            Some(next) if !word.is_empty() => rest = next,
            _ => {
                take(path);
                return rest;
            }
        }
    }
}

/// Blanks comments and the insides of literals, and collects the string literals.
fn lex(text: &str) -> (String, Vec<Literal>) {
    let bytes = text.as_bytes();
    let mut code = bytes.to_vec();
    let mut literals = Vec::new();
    let mut blank = |from: usize, to: usize| {
        code[from..to].iter_mut().filter(|b| **b != b'\n').for_each(|b| *b = b' ');
    };
    let end_of = |from: usize, what: &str| text[from..].find(what).map_or(bytes.len(), |i| from + i);
    let mut i = 0;
    while i < bytes.len() {
        match bytes[i] {
            b'/' if bytes[i..].starts_with(b"//") => {
                let end = end_of(i, "\n");
                blank(i, end);
                i = end;
            }
            b'/' if bytes[i..].starts_with(b"/*") => {
                let (start, mut depth) = (i, 0);
                while i < bytes.len() {
                    let (step, change) = match &bytes[i..] {
                        [b'/', b'*', ..] => (2, 1),
                        [b'*', b'/', ..] => (2, -1),
                        _ => (1, 0),
                    };
                    (i, depth) = (i + step, depth + change);
                    if depth == 0 {
                        break;
                    }
                }
                blank(start, i);
            }
            b'"' => {
                let hashes = bytes[..i].iter().rev().take_while(|b| **b == b'#').count();
                let prefix: Vec<u8> =
                    bytes[..i - hashes].iter().rev().take_while(|b| is_word(**b as char)).copied().collect();
                let raw = matches!(prefix.as_slice(), b"r" | b"rb" | b"rc");
                let mut end = i + 1;
                if raw {
                    end = end_of(end, &format!("\"{}", "#".repeat(hashes)));
                } else {
                    while end < bytes.len() && bytes[end] != b'"' {
                        end += if bytes[end] == b'\\' { 2 } else { 1 };
                    }
                }
                let end = end.min(bytes.len());
                let inside = &text[i + 1..end];
                let text = if raw {
                    inside.to_owned()
                } else {
                    inside.replace("\\\n", " ").replace("\\n", "\n").replace("\\\"", "\"")
                };
                literals.push(Literal { at: i, text });
                blank(i + 1, end);
                i = end + 1;
            }
            b'\'' => {
                // A lifetime has no closing quote right after its first character.
                let first = text[i + 1..].chars().next().unwrap_or(' ');
                let after = i + 1 + first.len_utf8();
                let end = if first == '\\' { end_of((after + 1).min(bytes.len()), "'") } else { after };
                if first == '\\' || bytes.get(after) == Some(&b'\'') {
                    blank(i + 1, end);
                    i = end + 1;
                } else {
                    i += 1;
                }
            }
            _ => i += 1,
        }
    }
    (String::from_utf8(code).unwrap_or_default(), literals)
}
