//! Makes one spoilt copy of the shipped protocols for each mutant of `mutants.rs`, as modules for
//! `tests/mutants.rs`. They are compiled together, once.
//!
//! A copy is the shipped `layout`, `ring` and `wait` and this crate's own files, laid out as here, with
//! `crate::` made to mean the copy. Mutants that differ in an ordering or leave out a statement share copies and are
//! switched on by name. A mutant whose text is not found as it should be is listed as stale instead:
//! the test then fails, the models still run.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

#[allow(dead_code)] // The fates matter to the test only.
#[path = "mutants.rs"]
mod mutants;

use mutants::Mutant;

/// What a copy consists of, relative to the repository.
const SHIPPED: [&str; 3] = ["src/layout", "src/ring", "src/wait"];
const OURS: [&str; 5] = [
    "loom-tests/src/layout.rs",
    "loom-tests/src/rig.rs",
    "loom-tests/src/sync.rs",
    "loom-tests/src/bells.rs",
    "loom-tests/src/table.rs",
];

/// What only some models need. The other copies go without, as it takes time to compile.
struct Part {
    /// The rig by which a model is known to need it.
    rig: &'static str,
    /// The module of `src/ring` that only those models need.
    module: &'static str,
}

const PARTS: [Part; 3] = [
    Part {
        rig: "rig_records",
        module: "records",
    },
    Part {
        rig: "rig_broadcast",
        module: "broadcast",
    },
    Part {
        rig: "rig_shared",
        module: "",
    },
];

impl Part {
    fn rig_file(&self) -> String {
        format!("loom-tests/src/{}.rs", self.rig)
    }

    /// Whether `file` is of this part.
    fn has(&self, file: &str) -> bool {
        let of_module = format!("src/ring/{}/", self.module);
        file == self.rig_file() || !self.module.is_empty() && file.starts_with(&of_module)
    }

    /// `ring/mod.rs` without the module.
    fn strip(&self, text: &str) -> String {
        text.replace(&format!("pub(crate) mod {};", self.module), "")
    }
}

fn main() {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let repository = here.parent().expect("the crate lies in the repository");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    for watched in SHIPPED {
        println!(
            "cargo::rerun-if-changed={}",
            repository.join(watched).display()
        );
    }
    for watched in [
        "src",
        "mutants.rs",
        "mutants_records.rs",
        "mutants_shared.rs",
        "mutants_broadcast.rs",
        "build.rs",
    ] {
        println!("cargo::rerun-if-changed={}", here.join(watched).display());
    }
    let (mut modules, mut arms, mut stale) = (String::new(), String::new(), String::new());
    for copy in copies(repository) {
        let (module, failed) = copy.make(repository, &out);
        modules += &module;
        for mutant in &copy.mutants {
            let (name, (file, model), of) = (mutant.name, mutant.model, &copy.name);
            match failed.iter().find(|(failed, _)| *failed == name) {
                None => writeln!(arms, "        {name:?} => {of}::models::{file}::{model}(),"),
                Some((_, why)) => writeln!(stale, "    ({name:?}, {why:?}),"),
            }
            .expect("a string takes everything");
        }
    }
    let all = format!(
        "{modules}
/// Mutants that could not be made, and why.
const STALE: &[(&str, &str)] = &[\n{stale}];

/// Runs the model that `mutant` names, on the spoilt copy.
fn run(mutant: &str) {{
    match mutant {{\n{arms}        _ => panic!(\"no mutant has this name\"),
    }}
}}\n"
    );
    fs::write(out.join("mutants.rs"), all).expect("OUT_DIR can be written");
}

/// A copy of the protocols, spoilt for good by one mutant, or with switches for many.
struct Copy {
    name: String,
    mutants: Vec<&'static Mutant>,
    switches: bool,
}

/// What a repository holds under `file`.
fn read(repository: &Path, file: &str) -> Result<String, String> {
    let from = repository.join(file);
    fs::read_to_string(&from).map_err(|e| format!("{}: {e}", from.display()))
}

/// The parts that the model of `mutant` needs, as bits.
fn parts_of(mutant: &Mutant, repository: &Path) -> u32 {
    let model = read(repository, &model_file(mutant)).unwrap_or_default();
    let needs = |part: &Part| model.contains(&format!("{}::", part.rig));
    (0..)
        .zip(&PARTS)
        .fold(0, |bits, (i, part)| bits | u32::from(needs(part)) << i)
}

fn model_file(mutant: &Mutant) -> String {
    format!("loom-tests/src/models/{}.rs", mutant.model.0)
}

/// One copy for all mutants that can be switched at run time and need the same parts, one for each of the others:
/// compiling them is what takes time.
fn copies(repository: &Path) -> Vec<Copy> {
    let mut copies: Vec<Copy> = Vec::new();
    for mutant in mutants::all() {
        let text = read(repository, mutant.file).unwrap_or_default();
        let switches = spoil(&text, mutant, true).is_ok();
        let name = match switches {
            true => format!("switched_{}", parts_of(mutant, repository)),
            false => mutant.name.to_owned(),
        };
        match copies.iter_mut().find(|copy| copy.name == name) {
            Some(copy) => copy.mutants.push(mutant),
            None => copies.push(Copy {
                name,
                mutants: vec![mutant],
                switches,
            }),
        }
    }
    copies
}

impl Copy {
    /// The files of this copy, but for those that it does without.
    fn files(&self, repository: &Path) -> (Vec<String>, Vec<&'static Part>) {
        let bits = parts_of(self.mutants[0], repository);
        let (with, without): (Vec<_>, Vec<_>) =
            (0..).zip(&PARTS).partition(|(i, _)| bits & 1 << i != 0);
        let without: Vec<&Part> = without.into_iter().map(|(_, part)| part).collect();
        let mut all: Vec<String> = (SHIPPED.iter())
            .flat_map(|dir| sources(repository, dir))
            .chain(OURS.map(String::from))
            .chain(with.iter().map(|(_, part)| part.rig_file()))
            .chain(self.mutants.iter().map(|mutant| model_file(mutant)))
            .filter(|file| !without.iter().any(|part| part.has(file)))
            .collect();
        all.sort();
        all.dedup();
        (all, without)
    }

    /// Writes the copy; gives the module that takes it in, and the mutants that could not be made.
    fn make(&self, repository: &Path, out: &Path) -> (String, Vec<(&'static str, String)>) {
        let copy = out.join(&self.name);
        let (files, without) = self.files(repository);
        let mut failed = Vec::new();
        for mutant in self
            .mutants
            .iter()
            .filter(|m| !files.iter().any(|file| file == m.file))
        {
            failed.push((
                mutant.name,
                format!("{} is not part of a copy", mutant.file),
            ));
        }
        for file in &files {
            let mut text = read(repository, file).expect("a file that was just listed");
            if file == "src/ring/mod.rs" {
                text = without.iter().fold(text, |text, part| part.strip(&text));
            }
            for mutant in self.mutants.iter().filter(|mutant| mutant.file == file) {
                match spoil(&text, mutant, self.switches) {
                    Ok(spoilt) => text = spoilt,
                    Err(why) => failed.push((mutant.name, why)),
                }
            }
            // The shipped files' own tests run on real atomics.
            text = text.replace("#[cfg(test)]", "#[cfg(any())]");
            text = text.replace("crate::", &format!("crate::{}::", self.name));
            text = text.replace(SWITCH, "crate::is_chosen");
            let to = copy.join(file);
            fs::create_dir_all(to.parent().expect("a file lies somewhere"))
                .and_then(|()| fs::write(&to, text))
                .expect("OUT_DIR can be written");
        }
        (self.module(&copy, &files), failed)
    }

    /// The module of the copy in `copy` that consists of `files`.
    fn module(&self, copy: &Path, files: &[String]) -> String {
        let at = |file: &str| copy.join(file).display().to_string();
        let modules = |from: &'static str| -> String {
            let names = files.iter().filter_map(|file| {
                let name = file.strip_prefix(from)?.strip_suffix(".rs")?;
                (!name.contains('/')).then_some((file, name))
            });
            names
                .map(|(file, name)| format!("#[path = {:?}] pub mod {name};", at(file)))
                .collect()
        };
        let ours = modules("loom-tests/src/");
        let models = modules("loom-tests/src/models/");
        format!(
            "#[allow(warnings, clippy::all, clippy::undocumented_unsafe_blocks)]
mod {name} {{
    {ours}
    #[path = {ring:?}] mod ring;
    #[path = {wait:?}] mod wait;
    pub mod models {{ {models} }}
}}\n",
            name = self.name,
            ring = at("src/ring/mod.rs"),
            wait = at("src/wait/mod.rs"),
        )
    }
}

/// The Rust files under `dir`.
fn sources(repository: &Path, dir: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(repository.join(dir)).expect("the shipped sources are there") {
        let entry = entry.expect("a directory can be read");
        let name = format!("{dir}/{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            found.extend(sources(repository, &name));
        } else if name.ends_with(".rs") {
            found.push(name);
        }
    }
    found
}

/// What asks at run time whether a mutant is the one to run, until the copy has a name.
const SWITCH: &str = "@is_chosen@";

/// What stands for `old` where `name` is to be switched on and off: another ordering, or a statement left out. `None`
/// for any other edit.
fn switched(name: &str, (old, new): (&str, &str), before: &str) -> Option<String> {
    let is_ordering = |text: &str| {
        let text = text.strip_prefix("crate::sync::Ordering::").unwrap_or(text);
        ["Relaxed", "Acquire", "Release", "AcqRel", "SeqCst"].contains(&text)
    };
    let is_statement = (old.ends_with(';') || old.ends_with('}'))
        && !old.contains("let ")
        && before.trim_end().ends_with([';', '{', '}']);
    if is_ordering(old) && is_ordering(new) && !before.ends_with(':') {
        Some(format!(
            "(if {SWITCH}({name:?}) {{ {new} }} else {{ {old} }})"
        ))
    } else if new.is_empty() && is_statement {
        Some(format!("if !{SWITCH}({name:?}) {{ {old} }}"))
    } else {
        None
    }
}

/// Makes the mutant's edits, each in its place and exactly once; in such a way that they can be switched, if
/// `switches`.
fn spoil(text: &str, mutant: &Mutant, switches: bool) -> Result<String, String> {
    let is_comment = |line: &&str| line.trim_start().starts_with("//");
    let mut text: String = text
        .lines()
        .filter(|line| !is_comment(line))
        .flat_map(|line| [line, "\n"])
        .collect();
    for (old, new) in mutant.edits {
        let (start, end) = region(&text, mutant.place)?;
        let hits: Vec<_> = (start..end)
            .filter_map(|at| Some(at..ends_at(&text, at, old)?))
            .collect();
        let [hit] = hits.as_slice() else {
            return Err(format!(
                "`{old}` is {} times in `{}`",
                hits.len(),
                mutant.place
            ));
        };
        if hit.end > end {
            return Err(format!("`{old}` runs out of `{}`", mutant.place));
        }
        let to = match switches {
            true => switched(mutant.name, (&text[hit.clone()], new), &text[..hit.start]),
            false => Some((*new).to_owned()),
        };
        text.replace_range(hit.clone(), &to.ok_or("cannot be switched")?);
    }
    Ok(text)
}

/// From the place to the next function after it.
fn region(text: &str, place: &str) -> Result<(usize, usize), String> {
    let mut start = 0;
    for step in place.split(" / ") {
        let found = text[start..]
            .find(step)
            .ok_or(format!("`{step}` is not there"))?;
        start += found + step.len();
    }
    let end = text[start..]
        .find(" fn ")
        .map_or(text.len(), |next| start + next);
    Ok((start, end))
}

/// Where `pattern` ends if it is at `at`, white space aside.
fn ends_at(text: &str, at: usize, pattern: &str) -> Option<usize> {
    let rest = text.get(at..)?;
    if rest.starts_with(char::is_whitespace) {
        return None;
    }
    let mut wanted = pattern.chars().filter(|c| !c.is_whitespace()).peekable();
    for (i, c) in rest.char_indices() {
        if c.is_whitespace() {
            continue;
        }
        if wanted.next()? != c {
            return None;
        }
        if wanted.peek().is_none() {
            return Some(at + i + c.len_utf8());
        }
    }
    None
}
