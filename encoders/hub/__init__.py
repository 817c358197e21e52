"""Models of others: any dual encoder in the format of Hugging Face, from its hub or from a folder.

Needs the extra ``hub`` (torch and transformers); they are imported when a model is loaded.
"""
