//! Broken variants of every case: results or errors that name the node, never panics.

use std::panic::{AssertUnwindSafe, catch_unwind};

use forget_audit::train::{BatchNorm, Cpu};

use crate::case::{Case, Data, Operand, Role};
use crate::{check, table};

/// Runs `case` forward; `Err` with what is wrong about how it fails.
fn outcome(case: &Case) -> Result<bool, String> {
    let run = || check::run::<Cpu>(case, &Default::default(), BatchNorm::Frozen);
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(_)) => Ok(true),
        Ok(Err(error)) if error.to_string().contains("the_node") => Ok(false),
        Ok(Err(error)) => Err(format!("{case:?}: {error}")),
        Err(_) => Err(format!("{case:?}: a panic")),
    }
}

fn reshaped(operand: &Operand, shape: Vec<usize>) -> Operand {
    let count = shape.iter().product();
    let data = match &operand.data {
        Data::Float(values) => Data::Float(values.iter().copied().cycle().take(count).collect()),
        Data::Int(values) => Data::Int(values.iter().copied().cycle().take(count).collect()),
        Data::Bool(values) => Data::Bool(values.iter().copied().cycle().take(count).collect()),
    };
    Operand { shape, data, role: operand.role }
}

/// `operand` in other shapes, and integers with other values.
fn variants(operand: &Operand) -> Vec<Operand> {
    let shape = &operand.shape;
    let mut shapes = vec![Vec::new(), vec![1], vec![7], [shape.as_slice(), &[1]].concat()];
    for i in 0..shape.len() {
        let mut other = shape.clone();
        other[i] += 1;
        shapes.push(other.clone());
        other.remove(i);
        shapes.push(other.clone());
        shapes.push([&[1], shape.as_slice()].concat());
    }
    let mut variants: Vec<Operand> = shapes.into_iter().map(|s| reshaped(operand, s)).collect();
    if let Data::Int(values) = &operand.data {
        for i in 0..values.len() {
            for other in [-5, -1, 0, 1, 5, 1 << 40, i64::MIN, i64::MAX] {
                let mut values = values.clone();
                values[i] = other;
                variants.push(Operand { data: Data::Int(values), ..operand.clone() });
            }
        }
    }
    variants
}

/// All variants of `case` with one operand or attribute changed, or an operand left out.
fn broken(case: &Case) -> Vec<Case> {
    let mut all = case.with_other_attributes(&[-5, -1, 0, 1, 5, 1 << 40, i64::MIN, i64::MAX]);
    for (i, operand) in case.operands.iter().enumerate() {
        let Some(operand) = operand else { continue };
        let replaced = variants(operand).into_iter().map(Some).chain([None]);
        all.extend(replaced.map(|other| {
            let mut case = case.clone();
            case.operands[i] = other;
            case
        }));
    }
    all
}

#[test]
fn broken_cases_are_no_panics() {
    let faults: Vec<String> =
        table().iter().flat_map(broken).filter_map(|case| outcome(&case).err()).collect();
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn tensors_without_elements_are_refused() {
    for mut case in table() {
        let checked = |o: &&mut Operand| o.role == Role::Checked && !o.shape.is_empty();
        let mut changed = false;
        for operand in case.operands.iter_mut().flatten().filter(checked) {
            operand.shape[0] = 0;
            operand.data = Data::Float(Vec::new());
            changed = true;
        }
        if changed {
            let ran = outcome(&case).unwrap_or_else(|fault| panic!("{fault}"));
            // Joining needs no elements; all others would compute with none.
            assert!(!ran || case.op == "Concat", "{case:?} runs");
        }
    }
}
