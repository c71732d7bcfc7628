"""One test over every generator family: what presets, training, transfer and the cache rely on."""

import json
from importlib import import_module
from typing import Any

import pytest

from dancenow.errors import OptionError
from dancenow.generators.base import GeneratorFamily
from dancenow.generators.presets import preset_config, presets
from dancenow.generators.registry import FAMILIES, family_of, find_family


@pytest.fixture(params=FAMILIES)
def family(request: pytest.FixtureRequest) -> GeneratorFamily[Any]:
    return FAMILIES[request.param]()


def test_every_preset_is_found_and_knows_its_family(family: GeneratorFamily[Any]) -> None:
    for name, config in family.presets.items():
        assert preset_config(name) == config
        assert type(family_of(config)) is type(family)


def test_a_configuration_goes_through_json(family: GeneratorFamily[Any]) -> None:
    for config in family.presets.values():
        assert family.config_from_json(json.loads(json.dumps(config.to_json()))) == config


def test_the_modules_that_train_it_exist(family: GeneratorFamily[Any]) -> None:
    assert family.training_modules
    for module in family.training_modules:
        assert import_module(module)


def test_checkpoints_name_their_family(family: GeneratorFamily[Any]) -> None:
    assert type(find_family(family.kind)) is type(family)


def test_kinds_and_presets_are_unique() -> None:
    families = [create() for create in FAMILIES.values()]
    assert len({family.kind for family in families}) == len(families)
    assert len(presets()) == sum(len(family.presets) for family in families)
    assert find_family("training-state") is None


def test_only_adjustable_fields_can_be_changed(family: GeneratorFamily[Any]) -> None:
    name = next(iter(family.presets))
    if "width" in family.adjustable:
        assert preset_config(name, width=0.5) != preset_config(name)
    else:
        with pytest.raises(OptionError, match="has one size"):
            preset_config(name, width=0.5)
