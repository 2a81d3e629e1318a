//! The command as it was given, for a report to be measured again by.

use clap::CommandFactory;

/// The words of this command, for a report to be measured again by: without what only says where
/// and how results are shown.
pub fn words() -> Vec<String> {
    let given = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
    let mut given: Vec<String> = given.collect();
    let program = super::Arguments::command();
    if let Some(command) = given.first().and_then(|name| program.find_subcommand(name)) {
        given = without_output(given, command);
    }
    std::iter::once("audit".to_owned()).chain(given).collect()
}

/// `words` without the options of `command` that its help lists under "Output".
fn without_output(words: Vec<String>, command: &clap::Command) -> Vec<String> {
    let mut kept = Vec::new();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        if word == "--" {
            kept.push(word);
            kept.extend(words);
            break;
        }
        let (name, value) = word.split_once('=').unzip();
        let name = name.unwrap_or(&word);
        let spelled = |option: &&clap::Arg| {
            option.get_long().is_some_and(|long| name.strip_prefix("--") == Some(long))
                || option.get_short().is_some_and(|short| {
                    name.strip_prefix('-').is_some_and(|n| n.chars().eq([short]))
                })
        };
        let option = command.get_arguments().find(spelled);
        let shows = option.is_some_and(|o| o.get_help_heading() == Some("Output"));
        let takes = option.is_some_and(|o| o.get_action().takes_values()) && value.is_none();
        let next = if takes { words.next() } else { None };
        if !shows {
            kept.push(word);
            kept.extend(next);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_kept_without_what_it_writes() {
        let kept = |text: &str| {
            let program = super::super::Arguments::command();
            let command = program.find_subcommand("compare").expect("compare");
            without_output(text.split(' ').map(str::to_owned).collect(), command).join(" ")
        };
        let measuring =
            "compare a.onnx b.onnx --data=d.npz --forget-classes 3,8 --seed 7 --config p.toml";
        for output in [
            "--json a.json",
            "--json=a.json",
            "-q",
            "--quiet",
            "--format text --format junit=a.xml",
            "--html a.html --exit-zero --color never",
            "--output-dir out --attest=a.json",
        ] {
            assert_eq!(kept(&format!("{measuring} {output}")), measuring);
            let between = measuring.replace("--seed", &format!("{output} --seed"));
            assert_eq!(kept(&between), measuring);
        }
        // What looks like an option may be a value.
        for same in ["compare --baseline b.json -- -q", "compare --forget-classes -q --seed 1"] {
            assert_eq!(kept(same), same);
        }
    }
}
