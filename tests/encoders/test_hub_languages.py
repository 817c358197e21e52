"""Queries in other languages, through vocabularies that are built as those of real models are."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pytest
from hub_checkpoints import make_checkpoint

from vidseek.encoders.hub.families import FAMILIES, SIGLIP_VOCABULARY
from vidseek.encoders.registry import create_encoder

pytestmark = pytest.mark.full

QUERIES = {
    "German": "ein Hund läuft über die grüne Wiese und fängt einen großen Ball",
    "French": "une élève à vélo s'arrête près de la forêt où brûle un feu",
    "Chinese": "一只狗在草地上奔跑，孩子们在后面追着它",
    "Arabic": "كلبٌ يجري على العشب الأخضر خلف الأطفال قرب البحر",
}
KINDS = {
    "metaclip_2": "unigram",
    "altclip": "unigram",
    "siglip": "spelled",
    "siglip2": "spelled",
    "vision_text_dual_encoder": "bytes",
}
"""How each family's vocabulary is made: XLM-R's pieces, Gemma's pieces that spell out in bytes what
they do not know, bytes alone."""
LIMITS = dict.fromkeys(KINDS, 16) | {"siglip": 64, "siglip2": 64}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


def multilingual_tokenizer(kind: str, limit: int) -> Any:
    """A vocabulary learned from a few sentences of four languages."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    special = ["<s>", "<pad>", "<unk>", "</s>"]
    sentences = [text.lower() for text in QUERIES.values()] + list(QUERIES.values())
    if kind == "unigram":
        made = Tokenizer(models.Unigram())
        made.pre_tokenizer = pre_tokenizers.Metaspace()
        trainer: Any = trainers.UnigramTrainer(
            vocab_size=220, special_tokens=special, unk_token="<unk>"
        )
        made.decoder = decoders.Metaspace()
    elif kind == "bytes":
        made = Tokenizer(models.BPE())
        made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        trainer = trainers.BpeTrainer(
            vocab_size=300,
            special_tokens=special,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        )
        made.decoder = decoders.ByteLevel()
    else:
        # Of letters it knows the Latin ones only: the other scripts are spelled out in bytes.
        made = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True))
        made.pre_tokenizer = pre_tokenizers.Metaspace()
        every_byte = [f"<0x{value:02X}>" for value in range(256)]
        trainer = trainers.BpeTrainer(vocab_size=360, special_tokens=special + every_byte)
        sentences = [text for text in sentences if text.isascii() or "ü" in text or "é" in text]
        made.decoder = decoders.Sequence(
            [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
        )
    made.train_from_iterator(sentences, trainer)
    ends = [(word, special.index(word)) for word in ("<s>", "</s>")]
    made.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=ends)
    if kind == "spelled":
        # The bytes were made as special tokens for their places; they are plain ones.
        made = _without_added(made, keep=special)
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        pad_token="<pad>",
        model_max_length=limit,
    )


def _without_added(made: Any, *, keep: list[str]) -> Any:
    import json

    from tokenizers import Tokenizer

    document = json.loads(made.to_str())
    document["added_tokens"] = [one for one in document["added_tokens"] if one["content"] in keep]
    return Tokenizer.from_str(json.dumps(document))


@pytest.fixture(scope="module")
def encoders(tmp_path_factory):
    """Encoders by family, made when first asked for."""
    made: dict[str, Any] = {}

    def encoder(family: str) -> Any:
        if family not in made:
            tokenizer = multilingual_tokenizer(KINDS[family], LIMITS[family])
            folder = tmp_path_factory.mktemp(family)
            # SigLIP 2 is known from SigLIP 1, which reads no punctuation, by its many words.
            size = SIGLIP_VOCABULARY + 1 if family.startswith("siglip") else None
            make_checkpoint(family, folder, tokenizer=tokenizer, vocabulary_size=size)
            made[family] = create_encoder(str(folder))
        return made[family]

    return encoder


def seen_ids(encoder: Any, text: str, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The tokens of a sentence that reach the text tower, without padding."""
    towers = encoder._loaded()
    seen: list[np.ndarray] = []
    real = towers.texts

    def look(inputs):
        seen.append(inputs["input_ids"])
        return real(inputs)

    with monkeypatch.context() as patch:
        patch.setattr(towers, "texts", look)
        encoder.encode_text([text])
    return [int(one) for one in seen[0][0] if one != encoder._tokenizer.pad_token_id]


def plain_text_vector(encoder: Any, family: str, text: str) -> np.ndarray:
    """What a user of transformers would write, in full precision."""
    import torch
    import transformers

    folder = encoder._checkpoint.folder
    model_class = getattr(transformers, FAMILIES[family].model_class)
    model = model_class.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    siglip = family.startswith("siglip")
    tokens = tokenizer(
        [text.lower() if siglip else text],
        padding="max_length" if siglip else False,
        max_length=64 if siglip else None,
        return_tensors="pt",
    )
    inputs = {"input_ids": tokens["input_ids"]}
    if not siglip:
        inputs["attention_mask"] = tokens["attention_mask"]
    with torch.no_grad():
        vector = model.get_text_features(**inputs).pooler_output[0].numpy()
    return vector / np.linalg.norm(vector)


@pytest.mark.parametrize("language", QUERIES)
@pytest.mark.parametrize("family", KINDS)
def test_a_query_is_tokenised_whole_and_gives_the_vector_of_plain_transformers(
    family, language, encoders, monkeypatch
):
    encoder = encoders(family)
    text = QUERIES[language][: 4 if KINDS[family] == "bytes" else 12].strip()
    ids = seen_ids(encoder, text, monkeypatch)
    tokenizer = encoder._tokenizer
    assert tokenizer.unk_token_id not in ids
    assert ids[0] == tokenizer.bos_token_id
    assert ids[-1] == tokenizer.eos_token_id
    wanted = text.lower() if family.startswith("siglip") else text
    assert tokenizer.decode(ids, skip_special_tokens=True).strip() == wanted.strip()
    expected = plain_text_vector(encoder, family, text)
    assert encoder.encode_text([text])[0] @ expected >= 0.999
    assert encoder.reads_whole(text)


@pytest.mark.parametrize("language", QUERIES)
@pytest.mark.parametrize("family", KINDS)
def test_a_long_query_is_cut_between_characters_and_keeps_its_end(
    family, language, encoders, monkeypatch, caplog
):
    encoder = encoders(family)
    tokenizer = encoder._tokenizer
    text = (QUERIES[language] + " ") * 6
    wanted = " ".join(text.split())
    if family.startswith("siglip"):
        wanted = wanted.lower()
    # One letter more in front shifts where the limit falls within a character of several bytes.
    for shift in range(4):
        with caplog.at_level(logging.WARNING):
            ids = seen_ids(encoder, "e" * shift + text, monkeypatch)
        assert f"longer than {LIMITS[family]} tokens" in caplog.text
        assert not encoder.reads_whole("e" * shift + text)
        assert LIMITS[family] - 4 < len(ids) <= LIMITS[family]
        assert (ids[0], ids[-1]) == (tokenizer.bos_token_id, tokenizer.eos_token_id)
        assert ids.count(tokenizer.eos_token_id) == 1
        left = tokenizer.decode(ids, skip_special_tokens=True).strip()
        assert "�" not in left
        assert left
        assert ("e" * shift + wanted).startswith(left)


def test_plain_cutting_would_split_characters(encoders):
    """Or the test above would show nothing."""
    for family in ("siglip", "siglip2", "vision_text_dual_encoder"):
        tokenizer = encoders(family)._tokenizer
        split = 0
        for shift in range(4):
            text = "e" * shift + (QUERIES["Chinese"] + " ") * 6
            ids = tokenizer(text, truncation=True, max_length=LIMITS[family])["input_ids"]
            split += "�" in tokenizer.decode(ids, skip_special_tokens=True)
        assert split
