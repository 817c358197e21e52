"""The built-in model as torch modules: what is trained, and what the shipped files come from.

Nothing here is imported at run time: `vidseek.encoders.builtin` runs the export without torch.
"""
