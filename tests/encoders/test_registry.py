"""Encoders by name."""

from __future__ import annotations

import pytest

from vidseek.core.errors import EncoderError, UnknownEncoderError
from vidseek.encoders.registry import create_encoder, encoder_names


def test_the_builtin_encoder_is_the_default():
    assert create_encoder().spec == create_encoder("builtin", threads=1).spec


def test_every_name_makes_an_encoder_of_that_name():
    for name in encoder_names():
        assert create_encoder(name).spec.name == name


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(UnknownEncoderError, match="'clip'; there is: builtin"):
        create_encoder("clip")
    assert issubclass(UnknownEncoderError, EncoderError)
