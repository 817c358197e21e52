"""The configuration of a training run that takes seconds."""

TINY = """
seed = 3
threads = 1
vocabulary = 3000

[towers]
flickr8k = 4
msrvtt = 3
sports100 = 1
caltech101 = 1
misc = 1
paraphrase_share = 0.5
negatives = 2
text_from = 0.5
whole_from = 0.75
bfloat16 = false
[towers.views]
flickr8k = 1
[towers.budget]
steps = 4

[temporal]
batch = 4
pan_pictures = 4
[temporal.budget]
steps = 3
"""
