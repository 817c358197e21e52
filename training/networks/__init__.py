"""The built-in model as torch modules, trained here and exported to the shipped files.

Inference imports nothing from here: `vidseek.encoders.builtin` runs the exported files without
torch.
"""
