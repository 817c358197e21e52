"""The built-in encoder: the shipped weights in ONNX Runtime or OpenVINO, without torch.

    encoder = BuiltinEncoder()
    query = encoder.encode_text(["a dog catching a frisbee"])
    features = encoder.encode_frames(frames)              # (N, H, W, 3) uint8 RGB

Each part is loaded when it is first needed: a text search never reads the visual weights.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vidseek.core.errors import WeightsError
from vidseek.core.processors import processor_count
from vidseek.core.types import CellFeatures, EncoderSpec, FrameFeatures, TimeAttention
from vidseek.encoders.base import Encoder
from vidseek.encoders.builtin.earlier import EarlierBuiltinEncoder, NamelessBuiltinEncoder
from vidseek.encoders.builtin.maps import BuiltinMaps
from vidseek.encoders.builtin.wording import canonical_wording
from vidseek.encoders.hubness import HubnessCorrection
from vidseek.encoders.inputs import TEXTS_CUT, check_frames, check_texts
from vidseek.encoders.manifest import (
    HEAD,
    HUBNESS,
    MANIFEST_NAME,
    VISUAL_PARTS,
    WEIGHTS_FOLDER,
    read_manifest,
    weights_hint,
)
from vidseek.encoders.preprocessing import squash
from vidseek.encoders.runtime import (
    Runtime,
    input_names,
    onnxruntime_session,
    visual_session,
)

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

logger = logging.getLogger(__name__)

FRAME_BATCH = 4
"""Frames encoded together. Larger batches are slower and need more memory: 36 ms of processor time
per frame and a peak of 310 MB for 4, 43 ms and 1,060 MB for 32."""
TEXT_BATCH = 64
CLIP_BATCH = 64
LONGEST_TEXT_TOKENS = 64
INPUTS = {
    "text": {"token_ids", "mask"},
    "vision": {"pictures"},
    "temporal": {"vectors", "seconds", "mask"},
    "cross_modal": {"text", "vectors", "tokens", "frame_mask", "first_stage"},
}
"""Names of the inputs of each part's network."""
MAX_RERANK_FRAMES = 16
"""Frames of a clip that the cross-modal head reads; from a longer clip, evenly spaced frames."""


class BuiltinEncoder:
    """The model that ships with vidseek. Safe to use from several threads."""

    def __init__(
        self,
        folder: Path = WEIGHTS_FOLDER,
        *,
        threads: int | None = None,
        runtime: Runtime | None = None,
    ) -> None:
        """Read the manifest; no weights yet.

        Args:
            folder: contains the weights.
            threads: processor threads to compute with; all cores if None.
            runtime: computes the visual part; the fastest one installed if None.

        Raises:
            WeightsError: the folder contains no model of this version.
        """
        self._manifest = read_manifest(folder)
        self._threads = threads or processor_count()
        self._runtime = runtime
        self._sessions: dict[str, Any] = {}
        self._tokenizer: Tokenizer | None = None
        self._hubness: HubnessCorrection | None = None
        self._maps = BuiltinMaps(self._manifest, threads=self._threads)
        # A search, which needs the text part, does not wait for the visual part to be loaded.
        self._locks = {part: threading.Lock() for part in INPUTS}

    @property
    def spec(self) -> EncoderSpec:
        """Identity of this encoder."""
        return self._manifest.spec

    @property
    def folder(self) -> Path:
        """The folder of the weights."""
        return self._manifest.folder

    @property
    def reranks(self) -> bool:
        """True if the head is switched on, so that ``rerank`` changes the first stage's scores."""
        return self._manifest.rerank

    @property
    def has_head(self) -> bool:
        """True if the model has a re-ranking head, used or not; the one in the package has none."""
        return HEAD in self._manifest.parts

    @property
    def hubness(self) -> HubnessCorrection | None:
        """Corrects the scores of hub clips, which match every query; None if the model has none.

        Raises:
            WeightsError: its file is missing or damaged.
        """
        if HUBNESS not in self._manifest.parts:
            return None
        if self._hubness is None:
            try:
                self._hubness = HubnessCorrection.from_bytes(self._manifest.read(HUBNESS))
            except ValueError as error:
                raise WeightsError(
                    f"{self._file(HUBNESS)}: {error}", hint=weights_hint(self.folder)
                ) from error
        return self._hubness

    def load(self) -> None:
        """Load the parts that encode videos now: the visual and the temporal part.

        Raises:
            WeightsError: they are missing or damaged.
        """
        for part in VISUAL_PARTS:
            self._session(part)

    def earlier(self, fingerprint: str) -> Encoder | None:
        """See ``RevisedEncoder``."""
        for revision in self._manifest.earlier:
            if revision.spec.fingerprint == fingerprint:
                if revision.has_names:
                    return EarlierBuiltinEncoder(self, revision)
                return NamelessBuiltinEncoder(
                    self,
                    revision,
                    partial(self._encode_frames, output="plain"),
                    partial(self._maps.cells, names=False),
                )
        return None

    def shares_frames(self, fingerprint: str) -> bool:
        """See ``FrameSharingEncoder``."""
        return fingerprint in self._manifest.same_frames

    def encode_frames(self, frames: NDArray[np.uint8]) -> FrameFeatures:
        """Encode frames, each by itself.

        Args:
            frames: (N, H, W, 3) uint8 RGB, any size; N may be 0.

        Returns:
            (N, D) vectors and (N, M, T) tokens.
        """
        return self._encode_frames(frames, output="vectors")

    def _encode_frames(self, frames: NDArray[np.uint8], *, output: str) -> FrameFeatures:
        check_frames(frames)
        spec = self.spec
        vectors = np.empty((len(frames), spec.dimension), np.float32)
        tokens = np.empty((len(frames), spec.tokens_per_frame, spec.token_dimension), np.float32)
        for start in range(0, len(frames), FRAME_BATCH):
            end = start + FRAME_BATCH
            pictures = squash(frames[start:end], spec.image_size)
            found = self._session("vision").run([output, "tokens"], {"pictures": pictures})
            if found[0].shape[1:] != vectors.shape[1:] or found[1].shape[1:] != tokens.shape[1:]:
                raise WeightsError(
                    f"{self._file('vision')}: gives vectors of shape {found[0].shape[1:]} and "
                    f"tokens of {found[1].shape[1:]}, where {MANIFEST_NAME} says "
                    f"{vectors.shape[1:]} and {tokens.shape[1:]}",
                    hint=weights_hint(self.folder),
                )
            vectors[start:end], tokens[start:end] = found
        # In bfloat16 their lengths are off by a few thousandths.
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return FrameFeatures(vectors, tokens)

    def encode_clips(
        self,
        frames: FrameFeatures,
        pts_seconds: NDArray[np.float64],
        clips: Sequence[slice],
    ) -> NDArray[np.float32]:
        """Encode clips from their frames by attention over time.

        Args:
            frames: features of the N frames of one video.
            pts_seconds: (N,) their presentation times, ascending.
            clips: for each clip a non-empty slice of the frames.

        Returns:
            (len(clips), D) float32, L2-normalised. A clip of one frame is that frame's vector.
        """
        results = np.empty((len(clips), self.spec.dimension), np.float32)
        for start in range(0, len(clips), CLIP_BATCH):
            chosen = clips[start : start + CLIP_BATCH]
            vectors, mask = _pad([frames.vectors[clip] for clip in chosen])
            seconds, _ = _pad(
                [(pts_seconds[clip] - pts_seconds[clip][:1]).astype(np.float32) for clip in chosen]
            )
            inputs = {"vectors": vectors, "seconds": seconds, "mask": mask}
            (results[start : start + CLIP_BATCH],) = self._session("temporal").run(
                ["clips"], inputs
            )
        return results

    def encode_cells(self, frames: NDArray[np.uint8]) -> CellFeatures | None:
        """See ``CellEncoder``; the cells cover the whole frame, which is squashed to a square."""
        return self._maps.cells(frames)

    def attend_over_time(
        self, frames: FrameFeatures, pts_seconds: NDArray[np.float64]
    ) -> TimeAttention | None:
        """See ``TimeAttentionEncoder``."""
        vectors, mask = _pad([frames.vectors])
        seconds = (pts_seconds - pts_seconds[:1]).astype(np.float32)[None]
        inputs = {"vectors": vectors, "seconds": seconds, "mask": mask}
        return self._maps.attention(inputs)

    def understands(self, text: str) -> bool:
        """See ``MonolingualEncoder``."""
        # Other alphabets are read letter by letter, and the resulting vectors are meaningless.
        return not text or text.isascii() or any(map(_is_latin_letter, text))

    def reads_whole(self, text: str) -> bool:
        """See ``LimitedTextEncoder``."""
        return not self._encodings([text])[0].overflowing

    def encode_text(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Encode sentences; longer sentences are cut at 64 tokens with a warning.

        Punctuation, case, articles and quotes make no difference (``wording.py``).

        Returns:
            (len(texts), D) float32, L2-normalised.
        """
        texts = check_texts(texts)
        results = np.empty((len(texts), self.spec.dimension), np.float32)
        for start in range(0, len(texts), TEXT_BATCH):
            vectors, _ = self._run_text(texts[start : start + TEXT_BATCH])
            results[start : start + TEXT_BATCH] = vectors
        return results

    def rerank(
        self,
        text: str,
        clips: Sequence[FrameFeatures],
        first_stage_scores: NDArray[np.float32],
    ) -> NDArray[np.float32]:
        """Score candidate clips against a sentence by attention over their frame tokens.

        Args:
            text: the query.
            clips: K candidates' stored frame features.
            first_stage_scores: (K,) float32, cosine of clip and text vector; part of the result.

        Returns:
            (K,) float32 scores on the scale of ``first_stage_scores``. Equal to them if the model
            uses no head, and for clips without tokens: they were encoded while it did not.
        """
        scores = np.array(first_stage_scores, np.float32)
        places = [place for place, clip in enumerate(clips) if clip.tokens.shape[1] > 0]
        if self.reranks and places:
            chosen = [clips[place] for place in places]
            scores[places] = self.cross_modal_scores(text, chosen, scores[places])
        return scores

    def cross_modal_scores(
        self,
        text: str,
        clips: Sequence[FrameFeatures],
        first_stage_scores: NDArray[np.float32],
    ) -> NDArray[np.float32]:
        """Scores of the head, whether or not the manifest switches it on.

        Raises:
            WeightsError: the model has no head (``has_head``).
        """
        if not self.has_head:
            raise WeightsError(f"{self.folder}: this model has no re-ranking head")
        _, hidden = self._run_text([text])
        results = np.empty(len(clips), np.float32)
        for start in range(0, len(clips), CLIP_BATCH):
            end = start + CLIP_BATCH
            chosen = [_thin(clip, MAX_RERANK_FRAMES) for clip in clips[start:end]]
            vectors, mask = _pad([clip.vectors for clip in chosen])
            tokens, _ = _pad([clip.tokens for clip in chosen])
            (results[start:end],) = self._session("cross_modal").run(
                ["scores"],
                {
                    "text": hidden,
                    "vectors": vectors,
                    "tokens": tokens,
                    "frame_mask": mask,
                    "first_stage": first_stage_scores[start:end],
                },
            )
        return results

    def _run_text(self, texts: Sequence[str]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(N, D) vectors and (N, L, D) hidden states of a batch of sentences."""
        session, encodings = self._session("text"), self._encodings(texts)
        too_long = [encoding for encoding in encodings if encoding.overflowing]
        if too_long:
            logger.warning(
                "%d of %d texts are longer than %d tokens and were cut; the first begins %r",
                len(too_long),
                len(texts),
                LONGEST_TEXT_TOKENS,
                texts[encodings.index(too_long[0])][:60],
                extra={"code": TEXTS_CUT},
            )
        inputs = {
            "token_ids": np.array([encoding.ids for encoding in encodings], np.int64),
            "mask": np.array([encoding.attention_mask for encoding in encodings], np.int64),
        }
        vectors, hidden = session.run(["vectors", "hidden"], inputs)
        return vectors, hidden

    def _encodings(self, texts: Sequence[str]) -> list[Encoding]:
        """The tokens of sentences, with what was cut off in ``overflowing``."""
        self._session("text")  # its file contains the tokenizer
        assert self._tokenizer is not None
        return self._tokenizer.encode_batch([canonical_wording(text) for text in texts])

    def _session(self, part: str) -> Any:
        """The session of a part, loaded on first use."""
        session = self._sessions.get(part)
        if session is None:
            with self._locks[part]:
                session = self._sessions.get(part) or self._load(part)
                self._sessions[part] = session
        return session

    def _load(self, part: str) -> Any:
        blob = self._manifest.read(part)
        try:
            if part == "vision":
                session = visual_session(blob, threads=self._threads, runtime=self._runtime)
            else:
                session = onnxruntime_session(blob, threads=self._threads)
            if input_names(session) != INPUTS[part]:
                given, needed = sorted(input_names(session)), sorted(INPUTS[part])
                raise ValueError(f"a {part} network takes {needed}, this one {given}")
            if part == "text":
                self._tokenizer = _make_tokenizer(session)
        except Exception as error:  # the runtimes raise a dozen types without a common base
            raise WeightsError(f"{self._file(part)}: cannot be loaded: {error}") from error
        return session

    def _file(self, part: str) -> Path:
        return self._manifest.folder / self._manifest.parts[part].file


def _make_tokenizer(session: Any) -> Tokenizer:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(session.get_modelmeta().custom_metadata_map["tokenizer"])
    tokenizer.enable_truncation(LONGEST_TEXT_TOKENS)
    tokenizer.enable_padding(pad_id=0)
    return tokenizer


def _pad(
    arrays: Sequence[NDArray[np.float32]],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Stack arrays of unequal length: (K, longest, ...) float32 and its (K, longest) mask."""
    longest = max(len(array) for array in arrays)
    padded = np.zeros((len(arrays), longest, *arrays[0].shape[1:]), np.float32)
    mask = np.zeros((len(arrays), longest), np.float32)
    for row, array in enumerate(arrays):
        if len(array) == 0:
            raise ValueError("a clip needs at least one frame, got an empty slice")
        padded[row, : len(array)] = array
        mask[row, : len(array)] = 1.0
    return padded, mask


def _thin(clip: FrameFeatures, most: int) -> FrameFeatures:
    """Keep at most ``most`` frames, evenly spaced."""
    if len(clip) <= most:
        return clip
    return clip[np.linspace(0, len(clip) - 1, most).round().astype(np.intp)]


def _is_latin_letter(character: str) -> bool:
    return character.isascii() and character.isalpha()
