from __future__ import annotations

import platform
from dataclasses import replace

import pytest

import vidseek
from vidseek.core.errors import Hint
from vidseek.doctor import DoctorReport, Finding, examine
from vidseek.doctor.machine import (
    CPU_FEATURES,
    OPTIONAL_PACKAGES,
    REQUIRED_PACKAGES,
    Machine,
    faiss_is_installed_once,
)
from vidseek.storage.store import LibraryStore


@pytest.fixture(scope="module")
def report() -> DoctorReport:
    return examine()


def test_a_machine_without_a_library_is_examined_too(report) -> None:
    assert report.vidseek == vidseek.__version__
    assert report.python == platform.python_version()
    assert report.library is None
    assert set(report.packages) == set(REQUIRED_PACKAGES + OPTIONAL_PACKAGES)
    assert report.packages["sqlalchemy"]
    assert report.processors >= 1
    optional = {"decord2"}
    versions = {decoder.package: decoder.version for decoder in report.decoders}
    assert all(version for package, version in versions.items() if package not in optional)
    assert {decoder.package: decoder.ffmpeg for decoder in report.decoders}["av"]
    assert report.is_healthy
    assert report.works


def test_cpu_features_are_those_of_the_system(report) -> None:
    features = report.cpu_features
    assert not features or tuple(features) == CPU_FEATURES


@pytest.mark.parametrize(
    ("faiss", "installed", "gpus", "hint"),
    [
        ("1.11 (cpu)", ["faiss-cpu"], (), None),
        ("1.11 (gpu)", ["faiss-gpu"], ("H200",), None),
        (None, [], (), Hint("install_extra", {"extra": "cpu"})),
        (None, [], ("H200",), Hint("install_extra", {"extra": "gpu"})),
        ("1.11 (cpu)", ["faiss-cpu", "faiss-gpu"], (), Hint("uninstall_one_faiss")),
        (None, ["faiss-cpu"], (), Hint("reinstall_package", {"package": "faiss-cpu"})),
    ],
)
def test_faiss_is_wanted_once(faiss, installed, gpus, hint) -> None:
    packages = {name: "1.11" if name in installed else None for name in OPTIONAL_PACKAGES}
    machine = Machine(packages, decoders=(), faiss=faiss, gpus=gpus)
    assert [finding.hint for finding in faiss_is_installed_once(machine)] == [hint] * bool(hint)


def test_what_was_repaired_leaves_nothing_to_do(report) -> None:
    mended = replace(report, findings=(Finding("an index was damaged (repaired)"),))
    assert mended.is_healthy
    assert not replace(report, findings=(Finding("broken", Hint("repair_library")),)).is_healthy


def test_an_empty_library_is_healthy(tmp_path) -> None:
    with vidseek.open(tmp_path / "library") as library:
        report = library.doctor()
    assert report.library.encoder is None
    assert report.findings == ()
    assert report.is_healthy


def test_a_library_being_written_is_examined_and_not_repaired(tmp_path) -> None:
    with (
        LibraryStore.open(tmp_path / "library", create=True) as writer,
        writer.lease(),
        vidseek.open(tmp_path / "library") as library,
    ):
        report = library.doctor()
    assert report.library.orphans_removed == 0
    assert report.is_healthy
