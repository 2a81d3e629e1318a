//! What a command reads, so that nothing it writes takes the place of it.

use std::path::{Path, PathBuf};

use forget_audit::compare::Request;
use forget_audit::config::Config;
use forget_audit::onnx::data_files;
use forget_audit::report::Report;
use forget_audit::{Error, Result};

use super::data::DataArguments;

/// Endings of what `audit` writes: reports and models may lie in the folder of the data.
const WRITTEN: [&str; 8] = ["html", "json", "md", "onnx", "sarif", "txt", "xml", "data"];

/// Files and folders that are read.
#[derive(Default)]
pub struct Inputs {
    models: Vec<PathBuf>,
    others: Vec<PathBuf>,
}

impl Inputs {
    /// Adds models; their files of external data go with them.
    pub fn models<'a>(mut self, models: impl IntoIterator<Item = &'a PathBuf>) -> Self {
        self.models.extend(models.into_iter().cloned());
        self
    }

    /// Adds other files, and folders of samples.
    pub fn others<P: Into<PathBuf>>(mut self, others: impl IntoIterator<Item = P>) -> Self {
        self.others.extend(others.into_iter().map(Into::into));
        self
    }

    /// Adds the configuration file and the models that it names, whether they are read or not.
    pub fn config(self, config: &Config) -> Self {
        let models = &config.models;
        let named = [&models.original, &models.unlearned, &models.reference];
        self.models(named.into_iter().flatten()).others([&config.path])
    }

    /// Adds the files that a stored report is about, where they still are.
    pub fn report(self, report: &Report) -> Self {
        let models = &report.models;
        let named = [&models.original, &models.unlearned].into_iter().chain(&models.reference);
        let paths: Vec<PathBuf> = named.map(|m| m.path.clone().into()).collect();
        self.models(&paths).others(report.data.iter().map(|data| &data.path))
    }

    /// All that a comparison reads but its baseline.
    pub fn of(request: &Request, data: &DataArguments, config: &Config) -> Self {
        Self::default().models(request.models()).others(data.files(&config.data)).config(config)
    }

    /// Fails when writing `output` would destroy an input, or something that is no regular file.
    pub fn spare(&self, output: &Path) -> Result<()> {
        let Ok(metadata) = std::fs::metadata(output) else { return Ok(()) };
        if !metadata.is_file() && !metadata.is_dir() {
            return Err(Error::file(
                output,
                "is no regular file, and would be replaced by one",
                "give the path of a file; `--format json` prints to stdout",
            ));
        }
        let Ok(place) = output.canonicalize() else { return Ok(()) };
        let ending = output.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        let meets = |input: &Path| match input.canonicalize() {
            Ok(real) if real.is_dir() => {
                place.starts_with(real) && !WRITTEN.contains(&ending.as_str())
            }
            Ok(real) => real == place,
            Err(_) => false,
        };
        // A report from an earlier run lies here as a rule: the models are read only then.
        let of_models = self.models.iter().flat_map(|model| data_files(model));
        let all = self.others.iter().chain(&self.models).cloned().chain(of_models);
        match all.into_iter().find(|input| meets(input)) {
            Some(input) => Err(Error::file(
                output,
                format!("would replace what is read from {}", input.display()),
                "write to another path",
            )),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_is_found_however_it_is_spelled() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = |name: &str| dir.path().join(name);
        std::fs::create_dir_all(path("photos/cat")).expect("folders");
        for name in ["policy.toml", "photos/cat/1.png", "photos/labels.parquet", "photos/r.json"] {
            std::fs::write(path(name), "").expect("a file");
        }
        let inputs = Inputs::default().others([path("policy.toml"), path("photos")]);
        let refused = |name: &str| inputs.spare(&path(name)).err().map(|e| e.to_string());
        for name in ["photos/../policy.toml", "photos/cat/1.png", "photos/labels.parquet"] {
            let error = refused(name).unwrap_or_else(|| panic!("{name} would be replaced"));
            assert!(error.contains("would replace what is read from"), "{error}");
        }
        for name in ["other.toml", "photos/new.png", "photos/r.json"] {
            assert_eq!(refused(name), None);
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_device_is_no_place_for_a_report() {
        let error = Inputs::default().spare(Path::new("/dev/null")).expect_err("a refusal");
        assert!(error.to_string().contains("no regular file"), "{error}");
    }
}
