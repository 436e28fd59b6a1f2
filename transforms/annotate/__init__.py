"""From a text to its entities and attributed quotations. No Beam in here: `transforms.annotate.transform` has it."""

from transforms.annotate.config import AnnotateConfig
from transforms.annotate.document import Annotator, Text, annotate, annotate_line
from transforms.annotate.entities import find_entities
from transforms.annotate.pronouns import resolve_pronouns
from transforms.annotate.quotes import find_quotes
from transforms.annotate.tagger import MODEL_VERSION

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
