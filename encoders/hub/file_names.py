"""Names of the files that tell kinds of models apart; quick to import."""

OPEN_CLIP_CONFIG = "open_clip_config.json"
HEAD_FACTS = "xpool.json"
