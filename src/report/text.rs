//! stub
use super::Report;
/// stub
pub struct TextOptions {
    /// s
    pub color: bool,
    /// s
    pub width: Option<u16>,
}
/// stub
pub fn text(r: &Report, _: &TextOptions) -> String {
    let mut s = String::new();
    for l in &r.layers {
        s += &format!(
            "{} cka {:?} probe {:?}/{:?}/{:?}/{:?} fs {:?}/{:?}/{:?} eff {:?} {:?} gap {:?}\n",
            l.name,
            l.cka.forget.debiased,
            l.probe.original.forget_accuracy,
            l.probe.unlearned.forget_accuracy,
            l.probe.reference.map(|p| p.forget_accuracy),
            l.probe.floor.map(|p| p.forget_accuracy),
            l.few_shot.original.forget,
            l.few_shot.unlearned.forget,
            l.few_shot.reference.as_ref().map(|r| r.forget.clone()),
            l.few_shot.effect,
            l.few_shot.effect_ci,
            l.reference_gap
        );
    }
    s += &format!("{:#?}\n{:?}\n", r.verdict, r.notes);
    s
}
