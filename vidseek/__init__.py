"""vidseek: find moments in videos by a sentence, a picture or another video."""

__version__ = "0.1.0"
