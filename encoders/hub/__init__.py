"""Third-party models: dual encoders in the format of Hugging Face or open_clip.

Needs the extra ``hub`` (torch and transformers); they are imported when a model is loaded.
"""
