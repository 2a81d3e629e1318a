//! Every threshold of the verdict, in one place.

/// The limits that a verdict is drawn with. `Policy::default()` is the documented default.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Forget accuracy of the outputs may reach this many times chance, `1 / classes`.
    pub output_chance_factor: f64,
    /// ... or exceed the reference's by this much, whichever is more.
    pub output_margin: f64,
    /// Retain accuracy may fall by this much below the original's.
    pub retain_accuracy_drop: f64,
    /// Retain accuracy of the probe at the head's input may fall by this much.
    pub retain_probe_drop: f64,
    /// Probe accuracy on the forget set may exceed the reference's by this much.
    pub probe_margin: f64,
    /// Few-shot accuracy on the forget set may exceed the reference's by this much.
    pub few_shot_margin: f64,
    /// CKA on the forget set may exceed the reference's by this much.
    pub cka_margin: f64,
    /// Recovery and CKA beyond the reference's convict from this share of the way from the reference
    /// to the original on; two honest retrains lie within less of each other.
    pub half_way: f64,
    /// A reference whose few-shot accuracy on retain samples lies more than this below the
    /// original's at a deep layer learned less altogether and convicts nobody.
    pub reference_retain_drop: f64,
    /// Without a reference the few-shot effect must lie below this, in placebo spreads.
    pub few_shot_effect: f64,
    /// Without a reference, a forget class that keeps more than this share of its few-shot accuracy
    /// (relative to what the retain classes keep) is too little forgotten to be called erased.
    pub few_shot_remaining: f64,
    /// Without a reference a deep layer with at least this CKA on the forget set has not changed.
    pub unchanged_cka: f64,
    /// Layers at or beyond this relative depth count as deep.
    pub deep: f64,
    /// The fewest forget samples, on fit and on eval, that support a verdict.
    pub min_forget_samples: usize,
    /// The fewest retain samples, on eval, that can show damage.
    pub min_retain_samples: usize,
    /// The fewest retain classes that can serve as placebos.
    pub min_retain_classes: usize,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            output_chance_factor: 2.0,
            output_margin: 0.05,
            retain_accuracy_drop: 0.05,
            retain_probe_drop: 0.05,
            probe_margin: 0.05,
            few_shot_margin: 0.10,
            cka_margin: 0.10,
            half_way: 0.5,
            reference_retain_drop: 0.05,
            few_shot_effect: -1.0,
            few_shot_remaining: 0.75,
            unchanged_cka: 0.98,
            deep: 2.0 / 3.0,
            min_forget_samples: 20,
            min_retain_samples: 50,
            min_retain_classes: 3,
        }
    }
}
