"""Annotate texts with entities and attributed quotations; the Beam transform is in `transforms.annotate.transform`."""

from transforms.annotate.annotator import Annotator, Text, annotate
from transforms.annotate.config import AnnotateConfig
from transforms.annotate.coreference.pronouns import resolve_pronouns
from transforms.annotate.entities.clustering import find_entities
from transforms.annotate.jsonl import annotate_line
from transforms.annotate.model.tagger import MODEL_VERSION
from transforms.annotate.quotes.finder import find_quotes

__all__ = [
    "MODEL_VERSION",
    "AnnotateConfig",
    "Annotator",
    "Text",
    "annotate",
    "annotate_line",
    "find_entities",
    "find_quotes",
    "resolve_pronouns",
]
