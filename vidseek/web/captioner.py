"""The model with which a server writes captions and answers questions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vidseek.library import Library
from vidseek.web.problems import ProblemError

if TYPE_CHECKING:
    from vidseek.encoders.hub.captioner import HubCaptioner

NO_CAPTIONER = "no_captioner"


class ServerCaptioner:
    """A captioner that was named when the server started, or none."""

    def __init__(self, library: Library, name: str | None) -> None:
        """Load the model; it is never downloaded here.

        Args:
            library: the open library.
            name: ``hf:ORG/NAME`` or a folder; None for no captioner.

        Raises:
            EncoderError: it is not on this machine, or cannot be used.
            MissingExtraError: the extra `hub` is not installed.
        """
        self._model: HubCaptioner | None = None if name is None else library.load_captioner(name)

    @property
    def name(self) -> str | None:
        """The model's name for clients; of a folder, its last part."""
        if self._model is None:
            return None
        source = self._model.source
        return Path(source).name if Path(source).is_absolute() else source

    @property
    def writes_captions(self) -> bool:
        """Whether it puts moments into words."""
        return self._model is not None and self._model.kind != "answers"

    @property
    def answers_questions(self) -> bool:
        """Whether it answers questions about pictures."""
        return self._model is not None and self._model.kind != "captions"

    def writer(self) -> HubCaptioner:
        """The model, for captions.

        Raises:
            ProblemError: there is none, or it only answers questions.
        """
        return self._able(self.writes_captions, "writes captions")

    def answerer(self) -> HubCaptioner:
        """The model, for questions.

        Raises:
            ProblemError: there is none, or it only writes captions.
        """
        return self._able(self.answers_questions, "answers questions")

    def _able(self, is_able: bool, ability: str) -> HubCaptioner:
        if self._model is None or not is_able:
            raise ProblemError(
                409, NO_CAPTIONER, f"this server was started without a model that {ability}"
            )
        return self._model
