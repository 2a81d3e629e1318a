//! Every operator of the trainer as a model of one node: forward against ONNX Runtime, backward
//! against numeric gradients of ONNX Runtime's outputs.

mod activation;
mod arithmetic;
mod case;
mod check;
mod constant;
mod index;
mod logic;
mod normalization;
mod product;
mod reduction;
mod refusal;
mod shape;
mod window;

use std::collections::BTreeMap;
use std::path::Path;

use case::{Case, Role};
use forget_audit::train::{OPERATORS, operators_page};

/// All cases of all operators.
fn table() -> Vec<Case> {
    let families = [
        activation::cases(),
        arithmetic::cases(),
        constant::cases(),
        index::cases(),
        logic::cases(),
        normalization::cases(),
        product::cases(),
        reduction::cases(),
        shape::cases(),
        window::cases(),
    ];
    families.into_iter().flatten().map(Case::filled).collect()
}

#[test]
fn operators_agree_with_onnx_runtime_forward_and_backward() {
    let runtime = check::runtime();
    let faults: Vec<String> =
        table().iter().filter_map(|case| check::fault(&runtime, case)).collect();
    assert!(faults.is_empty(), "{} cases fail:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn every_operator_has_cases_for_every_gradient_it_claims() {
    let mut checked: BTreeMap<&str, usize> = BTreeMap::new();
    for case in table() {
        let count = case.operands.iter().flatten().filter(|o| o.role == Role::Checked).count();
        let most = checked.entry(case.op).or_default();
        *most = count.max(*most);
    }
    for operator in OPERATORS {
        let claimed = match operator.gradient {
            "none" => 0,
            // More than one, to see that all of them get theirs.
            "all" => 2,
            list => list.split(", ").count(),
        };
        let found = checked.get(operator.name).unwrap_or_else(|| {
            panic!("{} has no case in tests/operators/", operator.name);
        });
        assert!(
            *found >= claimed,
            "{} claims a gradient to \"{}\", its cases check {found}",
            operator.name,
            operator.gradient
        );
    }
}

#[test]
fn the_page_of_operators_is_the_registry() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operators.md");
    let page = operators_page();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &page).expect("docs/ can be written");
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == page, "docs/operators.md is not the registry's: run with UPDATE_DOCS=1");
}
