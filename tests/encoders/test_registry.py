"""Encoders by name."""

from __future__ import annotations

import pytest

from vidseek.core.errors import EncoderError, UnknownEncoderError
from vidseek.encoders.registry import create_encoder


def test_the_builtin_encoder_is_the_default():
    assert create_encoder().spec == create_encoder("builtin", threads=1).spec


def test_an_unknown_name_is_refused():
    with pytest.raises(UnknownEncoderError, match="'clip'"):
        create_encoder("clip")
    assert issubclass(UnknownEncoderError, EncoderError)
