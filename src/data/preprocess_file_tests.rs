//! Configurations as they are on the Hugging Face hub, abridged, and what their libraries make
//! of them.

use super::*;

fn read(json: &str) -> Result<Preprocess> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("p.json");
    std::fs::write(&path, json).unwrap();
    Preprocess::from_file(&path)
}

const IMAGENET: &str = r#""image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]"#;

#[test]
fn vit_resizes_to_a_square() {
    // google/vit-base-patch16-224, today's and the older form.
    for size in [r#"{"height": 224, "width": 224}"#, "224"] {
        let found = read(&format!(
            r#"{{"do_normalize": true, "do_resize": true, "size": {size}, "resample": 2,
            "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5],
            "image_processor_type": "ViTImageProcessor"}}"#
        ))
        .unwrap();
        assert_eq!(found.resize, Some(Resize::Exact(Size::square(224))));
        assert_eq!((found.filter, found.crop), (Filter::Bilinear, None));
        assert_eq!(found.rescale, 1.0 / 255.0);
        assert_eq!(found.normalization.mean(), [0.5; 3]);
    }
}

#[test]
fn clip_resizes_the_shorter_edge_and_crops() {
    let config = |kind: &str| {
        read(&format!(
            r#"{{"crop_size": {{"height": 224, "width": 224}}, "do_center_crop": true,
            "do_convert_rgb": true, "do_normalize": true, "do_rescale": true, "do_resize": true,
            "rescale_factor": 0.00392156862745098, "resample": 3,
            "size": {{"shortest_edge": 224}}, "device": null, "return_tensors": null,
            "image_processor_type": "{kind}", {IMAGENET}}}"#
        ))
        .unwrap()
    };
    let slow = config("CLIPImageProcessor");
    assert_eq!(slow.resize, Some(Resize::ShortestEdge(224)));
    assert_eq!(slow.crop, Some(Size::square(224)));
    assert_eq!((slow.filter, slow.centre), (Filter::Bicubic, Centre::Transformers));
    // The decimal is the double nearest to 1 / 255.
    assert_eq!(slow.rescale, 1.0 / 255.0);
    assert_eq!(config("CLIPImageProcessorFast").centre, Centre::Torchvision);
}

#[test]
fn convnext_crops_by_its_percentage_only_below_384() {
    // facebook/convnext-tiny-224 and microsoft/resnet-50: int(224 / 0.875) = 256.
    let config = |edge: u32| {
        read(&format!(
            r#"{{"crop_pct": 0.875, "do_normalize": true, "do_resize": true,
            "feature_extractor_type": "ConvNextFeatureExtractor", "resample": 3,
            "size": {edge}, {IMAGENET}}}"#
        ))
        .unwrap()
    };
    let small = config(224);
    assert_eq!(small.resize, Some(Resize::ShortestEdge(256)));
    assert_eq!(small.crop, Some(Size::square(224)));
    let large = config(384);
    assert_eq!((large.resize, large.crop), (Some(Resize::Exact(Size::square(384))), None));
}

#[test]
fn steps_can_be_off() {
    let found = read(
        r#"{"do_resize": false, "size": 32, "do_rescale": false, "do_normalize": false,
        "image_mean": [1], "do_pad": false, "do_center_crop": false, "crop_size": 3}"#,
    )
    .unwrap();
    assert_eq!(
        found,
        Preprocess { rescale: 1.0, centre: Centre::Transformers, ..Preprocess::default() }
    );
}

#[test]
fn timm_s_configuration() {
    // timm/resnet50.a1_in1k, timm/vit_base_patch16_clip_224 (crop_mode and 1 percentage).
    let found = read(
        r#"{"architecture": "resnet50", "pretrained_cfg": {"input_size": [3, 224, 224],
        "test_input_size": [3, 288, 288], "interpolation": "bicubic", "crop_pct": 0.95,
        "crop_mode": "center", "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}}"#,
    )
    .unwrap();
    // floor(224 / 0.95) = floor(235.79).
    assert_eq!(found.resize, Some(Resize::ShortestEdge(235)));
    assert_eq!(found.crop, Some(Size::square(224)));
    assert_eq!((found.filter, found.centre), (Filter::Bicubic, Centre::Torchvision));
    let squash = read(r#"{"input_size": [3, 96, 64], "crop_mode": "squash", "crop_pct": 1.0}"#);
    let squash = squash.unwrap();
    assert_eq!(squash.resize, Some(Resize::Exact(Size { height: 96, width: 64 })));
    assert_eq!(squash.normalization.mean().len(), 3);
}

#[test]
fn what_is_not_known_is_named() {
    for (json, key) in [
        (r#"{"size": 224, "do_pad": true}"#, "do_pad"),
        (r#"{"size": 224, "do_flip_channel_order": true}"#, "do_flip_channel_order"),
        (r#"{"size": 224, "include_top": true}"#, "include_top"),
        (r#"{"size": 224, "size_divisor": 32}"#, "size_divisor"),
        (r#"{"size": 224}"#, "resample"),
        (r#"{"size": 224, "resample": 9}"#, "resample"),
        (r#"{"size": 224, "resample": 2}"#, "size"),
        (r#"{"size": {"shortest_edge": 8, "longest_edge": 9}, "resample": 2}"#, "size"),
        (r#"{"size": 0, "resample": 2}"#, "size"),
        (r#"{"size": 1e9, "resample": 2}"#, "size"),
        (r#"{"do_resize": true}"#, "size"),
        (r#"{"do_resize": 1}"#, "do_resize"),
        (r#"{"image_mean": "x"}"#, "image_mean"),
        (r#"{"image_mean": [0.5]}"#, "image_std"),
        (r#"{"image_mean": [0.5], "image_std": [0]}"#, "--std"),
        (
            r#"{"size": 8, "resample": 0, "feature_extractor_type": "LevitFeatureExtractor"}"#,
            "feature_extractor_type",
        ),
        (
            r#"{"size": 28, "crop_size": 32, "image_processor_type": "PerceiverImageProcessor"}"#,
            "crops before it resizes",
        ),
        // sail/poolformer_s12 resizes by a rule of its own.
        (
            r#"{"size": {"shortest_edge": 224}, "crop_pct": 0.9, "resample": 3,
            "image_processor_type": "PoolFormerImageProcessor"}"#,
            "crop_pct",
        ),
        (r#"{"size": {"shortest_edge": 224}, "crop_pct": 0.9, "resample": 3}"#, "crop_pct"),
        (
            r#"{"size": {"height": 224, "width": 224}, "crop_pct": 0.9, "resample": 3,
            "image_processor_type": "ConvNextImageProcessor"}"#,
            "crop_pct",
        ),
        (r#"{"do_resize": false}"#, "`do_normalize`: missing"),
        (r#"{"do_resize": false, "image_std": [0.5]}"#, "`do_normalize`: missing"),
        (r#"{"do_resize": false, "crop_size": {"shortest_edge": 3}}"#, "crop_size"),
        (r#"{"do_resize": false, "rescale_factor": -1}"#, "rescale_factor"),
        (r#"{"input_size": [3, 224]}"#, "input_size"),
        (r#"{"input_size": [3, 224, 192]}"#, "input_size"),
        (r#"{"input_size": [3, 8, 8], "interpolation": "random"}"#, "interpolation"),
        (r#"{"input_size": [3, 8, 8], "crop_mode": "border"}"#, "crop_mode"),
        (r#"{"input_size": [3, 8, 8], "crop_pct": 1e-9}"#, "crop_pct"),
        ("{}", "neither"),
        ("[1]", "object"),
        ("{", "JSON"),
    ] {
        let error = read(json).unwrap_err().to_string();
        assert!(error.contains(key), "{json}: {error}");
    }
}
