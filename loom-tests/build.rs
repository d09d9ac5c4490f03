//! Makes one spoilt copy of the shipped protocols for each mutant of `mutants.rs`, as modules for
//! `tests/mutants.rs`. They are compiled together, once.
//!
//! A copy is the shipped `layout`, `ring` and `wait` and this crate's own files, laid out as here, with
//! `crate::` made to mean the copy. A mutant whose text is not found as it should be is listed as stale instead:
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
    let mut modules = String::new();
    let mut arms = String::new();
    let mut stale = String::new();
    for mutant in mutants::all() {
        match make(mutant, repository, &out) {
            Ok(module) => {
                modules += &module;
                let (name, (file, model)) = (mutant.name, mutant.model);
                writeln!(
                    arms,
                    "        {name:?} => {name}::models::{file}::{model}(),"
                )
                .expect("a string takes everything");
            }
            Err(why) => writeln!(stale, "    ({:?}, {why:?}),", mutant.name)
                .expect("a string takes everything"),
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

/// Writes the copy; gives the module that takes it in.
fn make(mutant: &Mutant, repository: &Path, out: &Path) -> Result<String, String> {
    let copy = out.join(mutant.name);
    let model = format!("loom-tests/src/models/{}.rs", mutant.model.0);
    let read = |file: &str| {
        let from = repository.join(file);
        fs::read_to_string(&from).map_err(|e| format!("{}: {e}", from.display()))
    };
    let of_model = read(&model)?;
    let needs = |part: &&Part| of_model.contains(&format!("{}::", part.rig));
    let (with, without): (Vec<&Part>, Vec<&Part>) = PARTS.iter().partition(needs);
    let mut spoilt = false;
    let files = SHIPPED.iter().flat_map(|dir| sources(repository, dir));
    let ours = OURS.map(String::from).into_iter();
    let all = files
        .chain(ours)
        .chain(with.iter().map(|part| part.rig_file()))
        .chain([model.clone()])
        .filter(|file| !without.iter().any(|part| part.has(file)));
    for file in all {
        let mut text = read(&file)?;
        if file == "src/ring/mod.rs" {
            text = without.iter().fold(text, |text, part| part.strip(&text));
        }
        if file == mutant.file {
            text = spoil(&text, mutant)?;
            spoilt = true;
        }
        // The shipped files' own tests run on real atomics.
        text = text.replace("#[cfg(test)]", "#[cfg(any())]");
        text = text.replace("crate::", &format!("crate::{}::", mutant.name));
        let to = copy.join(&file);
        fs::create_dir_all(to.parent().expect("a file lies somewhere"))
            .map_err(|e| e.to_string())?;
        fs::write(&to, text).map_err(|e| e.to_string())?;
    }
    if !spoilt {
        return Err(format!("{} is not part of a copy", mutant.file));
    }
    let at = |file: &str| copy.join(file).display().to_string();
    let rigs: String = with
        .iter()
        .map(|part| format!("#[path = {:?}] mod {};", at(&part.rig_file()), part.rig))
        .collect();
    Ok(format!(
        "#[allow(warnings, clippy::all, clippy::undocumented_unsafe_blocks)]
mod {name} {{
    #[path = {layout:?}] mod layout;
    #[path = {rig:?}] mod rig;
    {rigs}
    #[path = {sync:?}] mod sync;
    #[path = {bells:?}] mod bells;
    #[path = {table:?}] mod table;
    #[path = {ring:?}] mod ring;
    #[path = {wait:?}] mod wait;
    pub mod models {{ #[path = {model:?}] pub mod {file}; }}
}}\n",
        name = mutant.name,
        file = mutant.model.0,
        layout = at(OURS[0]),
        rig = at(OURS[1]),
        sync = at(OURS[2]),
        bells = at(OURS[3]),
        table = at(OURS[4]),
        ring = at("src/ring/mod.rs"),
        wait = at("src/wait/mod.rs"),
        model = at(&model),
    ))
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

/// Makes the mutant's edits, each in its place and exactly once.
fn spoil(text: &str, mutant: &Mutant) -> Result<String, String> {
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
        text.replace_range(hit.clone(), new);
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
