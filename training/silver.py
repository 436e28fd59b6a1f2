"""Tag entities in the quotation texts with an earlier model: python -m training.silver MODEL OUT --data DATA

The silver entities train the entity head on news together with the quotations, and allow names to be replaced there.
"""

import argparse
import json
from pathlib import Path

from training.data import quote_documents
from transforms.annotate.model.tagger import Tagger
from transforms.annotate.nlp.parsed_text import parse_text


def main() -> None:
    """Write ``{document: [[start, end, label], ...]}``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    args = parser.parse_args()
    tagger = Tagger(args.model)
    found = {}
    for document in quote_documents(args.data / "quotes/polnear.train.jsonl.gz"):
        (tagged,) = tagger.tag([parse_text(document.text)])
        starts, ends = tagged.words.starts.tolist(), tagged.words.ends.tolist()
        found[document.name] = [[starts[p.start], ends[p.stop - 1], p.label] for p in tagged.entities]
    args.out.write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main()
