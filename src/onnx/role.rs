//! What a constant is to the node that reads it.

/// What a trained tensor does in the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// A kernel or matrix that activations are multiplied by.
    Weight,
    /// Added, one value a channel, to what a weight gives.
    Bias,
    /// The factor that a normalisation applies at its end.
    NormScale,
    /// What a normalisation adds at its end.
    NormShift,
    /// The mean that batch normalisation keeps from training: an average, not trained by gradient.
    RunningMean,
    /// The variance that batch normalisation keeps from training.
    RunningVariance,
    /// The negative slope of a PReLU.
    Slope,
    /// An embedding table, a position embedding or a class token.
    Embedding,
    /// Factors outside of any normalisation: layer scale, for one.
    Multiplier,
}

/// The role that a constant has as input number `slot` of the operator `op`, for operators whose
/// inputs have fixed meanings. `Add`, `Mul` and their kind take weights and formulas' constants
/// alike; they have none here.
pub(super) fn role_of_input(op: &str, slot: usize) -> Option<Role> {
    Some(match (op, slot) {
        ("Conv" | "ConvTranspose", 1) | ("Gemm" | "MatMul", 0 | 1) | ("Einsum", _) => Role::Weight,
        ("Conv" | "ConvTranspose" | "Gemm", 2) => Role::Bias,
        ("BatchNormalization", 3) => Role::RunningMean,
        ("BatchNormalization", 4) => Role::RunningVariance,
        (
            "BatchNormalization"
            | "LayerNormalization"
            | "InstanceNormalization"
            | "GroupNormalization"
            | "RMSNormalization",
            1,
        ) => Role::NormScale,
        (
            "BatchNormalization"
            | "LayerNormalization"
            | "InstanceNormalization"
            | "GroupNormalization",
            2,
        ) => Role::NormShift,
        ("PRelu", 1) => Role::Slope,
        ("Gather", 0) => Role::Embedding,
        _ => return None,
    })
}
