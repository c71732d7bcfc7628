"""Configuration of the face network: headers of older checkpoints are still readable."""

from dataclasses import asdict

from dancenow.face.config import FaceConfig


def test_field_names_of_version_0_1_are_read() -> None:
    old = {"share": 0.3, "most_px": 96, "judge_width": 8, "bare": 0.2, "played": 0.1, "width": 16}
    config = FaceConfig.from_json(old)
    assert (config.budget_fraction, config.max_canvas_px, config.discriminator_width) == (0.3, 96, 8)
    assert (config.landmark_dropout, config.expression_augmentation, config.width) == (0.2, 0.1, 16)


def test_a_config_survives_json() -> None:
    config = FaceConfig(budget_fraction=0.4)
    assert FaceConfig.from_json(asdict(config)) == config
