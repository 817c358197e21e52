"""Encoder for a third-party dual encoder in the format of Hugging Face or open_clip.

    ref = ModelRef.parse("hf:openai/clip-vit-base-patch16")
    encoder = create_hub_encoder(ref, confirm_download=ask)

The weights are loaded when the first frame or sentence is encoded.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidseek.core.errors import WeightsError
from vidseek.core.types import CellFeatures, EncoderSpec, FrameFeatures
from vidseek.encoders.hub.catalogue import find_model
from vidseek.encoders.hub.checkpoint import Checkpoint, read_checkpoint, reason_of, weights_hash
from vidseek.encoders.hub.download import (
    ConfirmDownload,
    fetch,
    require_hub,
    require_open_clip,
)
from vidseek.encoders.hub.families import (
    OPEN_CLIP,
    clean_for,
    dimension_of,
    fixed_rules,
    text_token_limit,
)
from vidseek.encoders.hub.pooling import pooled_scores
from vidseek.encoders.hub.preprocessing import read_rules
from vidseek.encoders.hub.sentences import TokenRows, has_words, token_rows
from vidseek.encoders.hub.towers import Towers, quiet_transformers
from vidseek.encoders.hubness import HubnessCorrection
from vidseek.encoders.inputs import TEXTS_CUT, check_frames, check_texts
from vidseek.encoders.model_ref import ModelRef

logger = logging.getLogger(__name__)

MAX_FRAMES_AT_ONCE = 64
"""Maximum of frames prepared together."""


def create_hub_encoder(
    ref: ModelRef, *, threads: int | None = None, confirm_download: ConfirmDownload | None = None
) -> HubEncoder:
    """Make an encoder of a third-party model.

    Args:
        ref: a name of kind ``third-party``.
        threads: processor threads that torch may use, for the whole process; all cores if None.
        confirm_download: asked with repository and size before a download; None refuses it.

    Raises:
        MissingExtraError: torch, transformers or open_clip is needed and not installed.
        ModelDownloadError: the model is not here and cannot be fetched.
        UnsupportedModelError: it is not a dual encoder of a supported family.
        WeightsError: files of it are missing or damaged.
    """
    listed = find_model(ref.name)
    if ref.open_clip is not None or (listed is not None and listed.family == OPEN_CLIP.name):
        require_open_clip(ref.name)
    require_hub()
    checkpoint, origin = _fetched(ref, confirm_download)
    if checkpoint.open_clip is not None:
        require_open_clip(origin.source)
        from vidseek.encoders.hub.open_clip_encoder import OpenClipEncoder

        return OpenClipEncoder(checkpoint, origin=origin, threads=threads)
    from vidseek.encoders.hub.video_encoder import HubVideoEncoder

    encoder_class = HubVideoEncoder if checkpoint.family.kind == "clips" else HubEncoder
    return encoder_class(checkpoint, origin=origin, threads=threads)


@dataclass(frozen=True)
class Origin:
    """Where a third-party model comes from."""

    source: str
    """See ``EncoderSpec.source``."""
    commit: str = ""
    """Of a repository."""


def _fetched(ref: ModelRef, confirm: ConfirmDownload | None) -> tuple[Checkpoint, Origin]:
    """The files of a model, fetched if necessary, and their exact origin."""
    if ref.folder is not None:
        return read_checkpoint(ref.folder), Origin(ref.source)
    # The source names the commit: a library must find the same weights again when the repository
    # moves on.
    if ref.open_clip is not None:
        from vidseek.encoders.hub.open_clip_model import find_pretrained

        known = find_pretrained(ref.open_clip)
        folder, commit = fetch(known.repository, ref.revision, confirm=confirm, open_clip=True)
        checkpoint = read_checkpoint(folder, open_clip=True)
        # Older repositories leave out how pictures are resized, which open_clip knows.
        config = {**(checkpoint.open_clip or {})}
        config["preprocess_cfg"] = {**(config.get("preprocess_cfg") or {}), **known.preprocess}
        return replace(checkpoint, open_clip=config), Origin(ref.at(commit), commit)
    assert ref.repository is not None
    folder, commit = fetch(ref.repository, ref.revision, confirm=confirm)
    return read_checkpoint(folder), Origin(ref.at(commit), commit)


class HubEncoder:
    """A third-party model. Safe to use from several threads."""

    reranks = False
    """Re-ranking was not measured to help every model, so a search skips it. Set it to True to have
    ``rerank`` pool frames by the text, for everything in this process that shares the encoder."""
    hubness: HubnessCorrection | None = None
    """None: third-party models have no bank of sentences."""

    def __init__(
        self, checkpoint: Checkpoint, *, origin: Origin, threads: int | None = None
    ) -> None:
        """Read configuration and vocabulary, and hash the weights without loading them.

        Args:
            checkpoint: what to load.
            origin: where it comes from.
            threads: processor threads for torch.
        """
        self._checkpoint = checkpoint
        self._threads = threads
        self._towers: Towers | None = None
        self._lock = threading.Lock()
        dimension = self._read()
        self.spec = EncoderSpec(
            source=origin.source,
            revision=origin.commit,
            dimension=dimension,
            image_size=self._rules.image_size,
            tokens_per_frame=0,
            token_dimension=0,
            vision_hash=weights_hash(checkpoint),
            preprocessing=self._rules.description,
            kind="third-party",
            family=checkpoint.family.name,
        )

    def _read(self) -> int:
        """Read configuration, rules and vocabulary; returns the length of the vectors."""
        from transformers import AutoConfig

        folder, family = self._checkpoint.folder, self._checkpoint.family
        try:
            with quiet_transformers():
                self._config: Any = AutoConfig.from_pretrained(
                    folder, local_files_only=True, trust_remote_code=False
                )
            dimension = dimension_of(family, self._config)
            picture_side = _side(self._config.vision_config)
        except Exception as error:  # transformers raises many types for a damaged configuration
            raise WeightsError(
                f"{folder / 'config.json'}: cannot be used: {reason_of(error)}; "
                "fetch the model again"
            ) from error
        self._rules = read_rules(
            folder, picture_side=picture_side, fixed=fixed_rules(family, picture_side)
        )
        self._tokenizer = _load_tokenizer(self._checkpoint)
        limit = text_token_limit(family, self._config)
        self._text_tokens = min(limit, int(self._tokenizer.model_max_length))
        return dimension

    def encode_frames(self, frames: NDArray[np.uint8]) -> FrameFeatures:
        """Encode frames, each by itself.

        Args:
            frames: (N, H, W, 3) uint8 RGB, any size; N may be 0.

        Returns:
            (N, D) vectors and no tokens, (N, 0, 0).
        """
        check_frames(frames)
        vectors = np.empty((len(frames), self.spec.dimension), np.float32)
        if len(frames):
            towers = self._loaded()
            size = min(2 * towers.batch, MAX_FRAMES_AT_ONCE)
            parts = [slice(start, start + size) for start in range(0, len(frames), size)]
            # The next frames are prepared while the tower encodes these.
            with ThreadPoolExecutor(1) as beside:
                coming = beside.submit(self._prepared, frames[parts[0]])
                for part, following in zip(parts, [*parts[1:], None], strict=True):
                    inputs = coming.result()
                    if following is not None:
                        coming = beside.submit(self._prepared, frames[following])
                    vectors[part] = towers.pictures(inputs)
        return FrameFeatures(vectors, np.empty((len(frames), 0, 0), np.float32))

    def encode_cells(self, frames: NDArray[np.uint8]) -> CellFeatures | None:
        """See ``CellEncoder``; the cells are the visual tower's patches."""
        check_frames(frames)
        fitted = self._rules.fit(frames)
        vectors = self._loaded().patches(self._visual_inputs(fitted))
        if vectors is None:
            return None
        side = self._rules.patch_size or int(self._config.vision_config.patch_size)
        rows, columns = fitted.shape[1] // side, fitted.shape[2] // side
        # NaFlex models pad to a number of patches.
        shape = (len(frames), rows, columns, vectors.shape[-1])
        cells = vectors[:, : rows * columns].reshape(shape)
        return CellFeatures(cells, self._rules.area(*frames.shape[1:3]))

    def encode_clips(
        self,
        frames: FrameFeatures,
        pts_seconds: NDArray[np.float64],
        clips: Sequence[slice],
    ) -> NDArray[np.float32]:
        """Encode clips as the mean of their frames.

        Args:
            frames: features of the N frames of one video.
            pts_seconds: (N,) their presentation times, ascending; not used.
            clips: for each clip a non-empty slice of the frames.

        Returns:
            (len(clips), D) float32, L2-normalised.
        """
        results = np.empty((len(clips), self.spec.dimension), np.float32)
        for place, clip in enumerate(clips):
            vectors = frames.vectors[clip]
            if len(vectors) == 0:
                raise ValueError("a clip needs at least one frame, got an empty slice")
            mean = vectors.mean(axis=0)
            results[place] = mean / max(float(np.linalg.norm(mean)), 1e-12)
        return results

    def reads_whole(self, text: str) -> bool:
        """See ``LimitedTextEncoder``."""
        return not self._token_rows([text]).cut

    def encode_text(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Encode sentences; longer sentences are cut at the model's limit with a warning.

        Returns:
            (len(texts), D) float32, L2-normalised.
        """
        texts = check_texts(texts)
        if len(texts) == 0:
            return np.empty((0, self.spec.dimension), np.float32)
        rows = self._token_rows(texts)
        if rows.cut:
            logger.warning(
                "%d of %d texts are longer than %d tokens and were cut; the first begins %r",
                len(rows.cut),
                len(texts),
                self._text_tokens,
                texts[rows.cut[0]][:60],
                extra={"code": TEXTS_CUT},
            )
        inputs = {"input_ids": rows.ids}
        if self._checkpoint.family.masks_padding:
            inputs["attention_mask"] = rows.mask
        return self._loaded().texts(inputs)

    def rerank(
        self,
        text: str,
        clips: Sequence[FrameFeatures],
        first_stage_scores: NDArray[np.float32],
    ) -> NDArray[np.float32]:
        """Score candidate clips by their frames, weighted by the text, if ``reranks`` is True.

        Args:
            text: the query.
            clips: K candidates' stored frame features.
            first_stage_scores: (K,) float32, cosine of clip and text vector; part of the result.

        Returns:
            (K,) float32 scores on the scale of ``first_stage_scores``; equal to them otherwise.
        """
        scores = np.array(first_stage_scores, np.float32)
        if not self.reranks or len(clips) == 0:
            return scores
        return pooled_scores(self.encode_text([text])[0], clips, scores)

    def _token_rows(self, texts: Sequence[str]) -> TokenRows:
        family = self._checkpoint.family
        return token_rows(
            self._tokenizer,
            [clean_for(family, self._config, text) for text in texts],
            limit=self._text_tokens,
            to_full_length=family.pads_to_full_length,
        )

    def _prepared(self, frames: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
        return self._visual_inputs(self._rules.fit(frames))

    def _visual_inputs(self, fitted: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
        if self._rules.resize == "patches":
            patches = self._rules.patches(fitted)
            return {
                "pixel_values": patches.values,
                "pixel_attention_mask": patches.mask,
                "spatial_shapes": patches.shapes,
            }
        return {"pixel_values": self._rules.pixels(fitted)}

    def load(self) -> None:
        """Load the weights now.

        Raises:
            WeightsError: they do not fit the configuration.
            UnsupportedModelError: they lack a tower.
        """
        self._loaded()

    def _loaded(self) -> Towers:
        with self._lock:
            if self._towers is None:
                if self._threads is not None:
                    import torch

                    torch.set_num_threads(self._threads)
                self._towers = Towers(self._checkpoint, image_size=self._rules.image_size)
            return self._towers


def _side(vision_config: Any) -> int:
    side = getattr(vision_config, "image_size", 224)
    return int(side[0] if isinstance(side, list | tuple) else side)


def _load_tokenizer(checkpoint: Checkpoint) -> Any:
    import transformers

    folder = checkpoint.folder
    step = "fetch the model again, with tokenizer.json and tokenizer_config.json"
    try:
        with quiet_transformers():
            tokenizer = transformers.AutoTokenizer.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False
            )
    except Exception as error:
        # Some tokenizer classes need extra packages (sentencepiece); the file alone is enough.
        if not (folder / "tokenizer.json").is_file():
            raise WeightsError(
                f"{folder}: its vocabulary cannot be read ({reason_of(error)}); {step}"
            ) from error
        tokenizer = transformers.PreTrainedTokenizerFast.from_pretrained(
            folder, local_files_only=True
        )
    if not has_words(tokenizer):
        raise WeightsError(f"{folder}: its vocabulary is missing or has no words; {step}")
    return tokenizer
