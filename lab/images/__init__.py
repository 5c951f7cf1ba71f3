"""Images built from the real upstream software, for a machine that reaches no image registry.

Adding an image is adding a recipe: one directory here, named after its entry in catalog/images.yml.
"""

from lab.images.builder import build

__all__ = ["build"]
