//! Sessions: a model loaded by ONNX Runtime and run on batches.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use ort::environment::Environment;
use ort::ep::{CUDA, ExecutionProvider};
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use ort::value::{DynValue, Tensor, TensorElementType, ValueType};

use super::locate::{Found, locate};
use super::provider::{Device, Provider};
use crate::data::InputSpec;
use crate::onnx::Model;
use crate::{Error, Result};

/// How ONNX Runtime is to be used.
#[derive(Clone, Debug, Default)]
pub struct RuntimeOptions {
    /// `--onnxruntime PATH`.
    pub library: Option<PathBuf>,
    /// `--device`.
    pub device: Device,
    /// Threads of one operator; `None` leaves the choice to ONNX Runtime.
    pub threads: Option<usize>,
}

/// ONNX Runtime, loaded, with its execution provider decided.
pub struct Runtime {
    environment: Environment,
    found: Found,
    provider: Provider,
    cuda: Option<i32>,
    threads: Option<usize>,
}

impl Runtime {
    /// Finds and loads the library and decides the provider.
    ///
    /// # Errors
    /// When the library is missing or too old, or CUDA was asked for and is not there.
    pub fn load(options: &RuntimeOptions) -> Result<Self> {
        let found = locate(options.library.as_deref())?;
        let environment = environment(&found)?;
        let (provider, cuda) =
            Provider::choose(options.device, |device| probe_cuda(&environment, device))?;
        Ok(Self { environment, found, provider, cuda, threads: options.threads })
    }

    /// Which library was loaded.
    pub fn library(&self) -> &Found {
        &self.found
    }

    /// Which provider is used and why.
    pub fn provider(&self) -> &Provider {
        &self.provider
    }

    /// Names of the providers this build of ONNX Runtime knows and `audit` uses.
    pub fn available_providers(&self) -> Vec<&'static str> {
        let cuda = CUDA::is_available().unwrap_or(false);
        ["CPU"].into_iter().chain(cuda.then_some("CUDA")).collect()
    }

    /// Loads `model`, whose weights are not held beyond that. Optimisation falls back step by step where the runtime can't build the
    /// optimised graph; [`Session::optimization`] says what it came to.
    ///
    /// # Errors
    /// When the runtime refuses the model at every level.
    pub fn session(&self, model: Model) -> Result<Session> {
        let (path, bytes) = serialised(model)?;
        let mut refusal = None;
        for (level, name) in [
            (GraphOptimizationLevel::All, "all"),
            (GraphOptimizationLevel::Level1, "basic"),
            (GraphOptimizationLevel::Disable, "none"),
        ] {
            match self.builder(level).and_then(|mut b| b.commit_from_memory(&bytes)) {
                Ok(session) => return Session::new(session, &path, name),
                Err(error) => _ = refusal.get_or_insert(error),
            }
        }
        let problem = refusal.map_or_else(String::new, |e| one_line(&e.to_string()));
        Err(Error::runtime(
            path.display(),
            problem,
            "check the file with onnx.checker, or use a newer ONNX Runtime",
        ))
    }

    /// Loads `model` without optimisation, for a look at shapes.
    ///
    /// # Errors
    /// When the runtime refuses the model.
    pub fn plain_session(&self, model: Model) -> Result<Session> {
        let (path, bytes) = serialised(model)?;
        self.builder(GraphOptimizationLevel::Disable)
            .and_then(|mut b| b.commit_from_memory(&bytes))
            .map_err(|e| {
                Error::runtime(
                    path.display(),
                    one_line(&e.to_string()),
                    "check the file with onnx.checker, or use a newer ONNX Runtime",
                )
            })
            .and_then(|session| Session::new(session, &path, "none"))
    }

    fn builder(&self, level: GraphOptimizationLevel) -> ort::Result<SessionBuilder> {
        let mut builder = ort::session::Session::builder(&self.environment)?
            .with_optimization_level(level)?
            .with_log_level(ort::logging::LogLevel::Fatal)?;
        if let Some(threads) = self.threads {
            builder = builder.with_intra_threads(threads)?;
        }
        if let Some(device) = self.cuda {
            builder = builder.with_execution_providers([cuda(device)])?;
        }
        Ok(builder)
    }
}

/// The process's one environment: ONNX Runtime allows no second one, nor a second library.
fn environment(found: &Found) -> Result<Environment> {
    static LOADED: Mutex<Option<(PathBuf, Environment)>> = Mutex::new(None);
    let fail = |problem: String| {
        Error::runtime(found.path.display(), problem, "install ONNX Runtime again")
    };
    let mut loaded = LOADED.lock().map_err(|_| Error::internal("loading ONNX Runtime failed"))?;
    if let Some((path, environment)) = loaded.as_ref() {
        if *path != found.path {
            return Err(fail(format!("this process already uses {}", path.display())));
        }
        return Ok(environment.clone());
    }
    let environment = ort::init_from(&found.path)
        .map_err(|e| fail(e.to_string()))?
        .with_name("forget-audit")
        .with_telemetry(false)
        .build()
        .map_err(|e| fail(e.to_string()))?;
    environment.set_log_level(ort::logging::LogLevel::Fatal);
    *loaded = Some((found.path.clone(), environment.clone()));
    Ok(environment)
}

/// The model as the runtime reads it; only one copy of its weights is left.
fn serialised(model: Model) -> Result<(PathBuf, Vec<u8>)> {
    Ok((model.path().to_owned(), model.to_bytes()?))
}

/// TF32 rounds to ten bits, exhaustive search makes runs differ: both off. Never a silent fallback.
fn cuda(device: i32) -> ort::ep::ExecutionProviderDispatch {
    CUDA::default()
        .with_device_id(device)
        .with_tf32(false)
        .with_conv_algorithm_search(ort::ep::cuda::ConvAlgorithmSearch::Heuristic)
        .build()
        .error_on_failure()
}

fn probe_cuda(environment: &Environment, device: i32) -> std::result::Result<(), String> {
    if !CUDA::is_available().unwrap_or(false) {
        return Err("this build of ONNX Runtime has no CUDA provider".into());
    }
    ort::session::Session::builder(environment)
        .and_then(|b| Ok(b.with_execution_providers([cuda(device)])?))
        .map(|_| ())
        .map_err(|e| format!("CUDA could not start: {}", one_line(&e.to_string())))
}

/// The runtime's messages span lines and repeat themselves; keep what fits a sentence.
fn one_line(message: &str) -> String {
    let line = message.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(400) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// Values of a batch, row-major.
pub enum BatchValues {
    /// For float inputs of any precision.
    Float(Vec<f32>),
    /// For integer inputs: token ids, masks.
    Integer(Vec<i64>),
}

/// A tensor to feed; values are converted to the model's precision.
pub struct Batch {
    /// The graph input's name.
    pub name: String,
    /// Shape, batch first.
    pub shape: Vec<usize>,
    /// Values.
    pub values: BatchValues,
}

/// A tensor that came back.
#[derive(Debug)]
pub struct Output {
    /// Shape.
    pub shape: Vec<usize>,
    /// Values as `f32`, row-major.
    pub values: Vec<f32>,
}

/// A model loaded by ONNX Runtime.
pub struct Session {
    inner: ort::session::Session,
    subject: PathBuf,
    inputs: Vec<(InputSpec, TensorElementType)>,
    optimization: &'static str,
}

impl Session {
    fn new(inner: ort::session::Session, path: &Path, optimization: &'static str) -> Result<Self> {
        let mut inputs = Vec::new();
        for input in inner.inputs() {
            let ValueType::Tensor { ty, shape, .. } = input.dtype() else {
                return Err(Error::file(
                    path,
                    format!("the input \"{}\" is no tensor", input.name()),
                    "models that are fed sequences or maps are not supported",
                ));
            };
            let dims = shape.iter().map(|&d| usize::try_from(d).ok()).collect();
            inputs.push((InputSpec { name: input.name().to_owned(), dims }, *ty));
        }
        Ok(Self { inner, subject: path.to_owned(), inputs, optimization })
    }

    /// Where the model came from.
    pub fn path(&self) -> &Path {
        &self.subject
    }

    /// What the model is fed, in order; a dynamic dimension is `None`.
    pub fn inputs(&self) -> Vec<InputSpec> {
        self.inputs.iter().map(|(spec, _)| spec.clone()).collect()
    }

    /// Whether the input `name` is fed integers.
    pub fn takes_integers(&self, name: &str) -> bool {
        use TensorElementType::{Int8, Int16, Int32, Int64, Uint8};
        let input = self.inputs.iter().find(|(spec, _)| spec.name == name);
        input.is_some_and(|(_, ty)| matches!(ty, Int8 | Int16 | Int32 | Int64 | Uint8))
    }

    /// The level of graph optimisation the session was built with: `all`, `basic` or `none`.
    pub fn optimization(&self) -> &'static str {
        self.optimization
    }

    /// Runs one batch and returns the outputs called `names`, in that order.
    ///
    /// # Errors
    /// When the runtime refuses the batch or an output is no numeric tensor.
    pub fn run(&mut self, feeds: Vec<Batch>, names: &[String]) -> Result<Vec<Output>> {
        let subject = self.subject.display().to_string();
        let refused = |e: ort::Error| {
            Error::runtime(
                &subject,
                one_line(&e.to_string()),
                "check that the data have the shape and scaling the model was trained on",
            )
        };
        let mut values = Vec::with_capacity(feeds.len());
        for feed in feeds {
            let element = self.inputs.iter().find(|(s, _)| s.name == feed.name).map(|(_, t)| *t);
            let element = element.unwrap_or(TensorElementType::Float32);
            let name = feed.name.clone();
            values.push((name, to_value(feed, element, &self.subject)?.map_err(refused)?));
        }
        let outputs = self.inner.run(values).map_err(refused)?;
        names
            .iter()
            .map(|name| {
                let value = outputs.get(name).ok_or_else(|| {
                    Error::internal(format!("the output \"{name}\" did not come back"))
                })?;
                from_value(value).map_err(refused)?.ok_or_else(|| {
                    Error::file(
                        &self.subject,
                        format!("the output \"{name}\" is no tensor of numbers"),
                        "choose other layers with --layers",
                    )
                })
            })
            .collect()
    }
}

fn to_value(
    batch: Batch,
    element: TensorElementType,
    subject: &Path,
) -> Result<ort::Result<DynValue>> {
    let Batch { name, shape, values } = batch;
    Ok(match (element, values) {
        (TensorElementType::Float32, BatchValues::Float(values)) => {
            Tensor::from_array((shape, values)).map(|t| t.into_dyn())
        }
        (TensorElementType::Float64, BatchValues::Float(values)) => {
            let values: Vec<f64> = values.into_iter().map(f64::from).collect();
            Tensor::from_array((shape, values)).map(|t| t.into_dyn())
        }
        (TensorElementType::Float16, BatchValues::Float(values)) => {
            let values: Vec<half::f16> = values.into_iter().map(half::f16::from_f32).collect();
            Tensor::from_array((shape, values)).map(|t| t.into_dyn())
        }
        (TensorElementType::Int64, BatchValues::Integer(values)) => {
            Tensor::from_array((shape, values)).map(|t| t.into_dyn())
        }
        (TensorElementType::Int32, BatchValues::Integer(values)) => {
            // Token ids fit; a value that doesn't is beyond any vocabulary and refused downstream.
            let narrow = |v| i32::try_from(v).unwrap_or(i32::MAX);
            let values: Vec<i32> = values.into_iter().map(narrow).collect();
            Tensor::from_array((shape, values)).map(|t| t.into_dyn())
        }
        (element, values) => {
            let given = match values {
                BatchValues::Float(_) => "floats or images",
                BatchValues::Integer(_) => "integers",
            };
            return Err(Error::file(
                subject,
                format!("the input \"{name}\" wants {element}, the data holds {given}"),
                "save the array with the element type that the model's input has",
            ));
        }
    })
}

/// `None` when the value is no tensor of floats or integers.
fn from_value(value: &DynValue) -> ort::Result<Option<Output>> {
    let Some(element) = value.dtype().tensor_type() else { return Ok(None) };
    let (shape, values): (Vec<i64>, Vec<f32>) = match element {
        TensorElementType::Float32 => {
            let (shape, values) = value.try_extract_tensor::<f32>()?;
            (shape.to_vec(), values.to_vec())
        }
        TensorElementType::Float64 => {
            let (shape, values) = value.try_extract_tensor::<f64>()?;
            (shape.to_vec(), values.iter().map(|&v| v as f32).collect())
        }
        TensorElementType::Float16 => {
            let (shape, values) = value.try_extract_tensor::<half::f16>()?;
            (shape.to_vec(), values.iter().map(|v| v.to_f32()).collect())
        }
        _ => return Ok(None),
    };
    let shape = shape.into_iter().map(|d| usize::try_from(d).unwrap_or(0)).collect();
    Ok(Some(Output { shape, values }))
}
