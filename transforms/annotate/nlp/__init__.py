"""Split texts into paragraphs, sentences, tokens and quoted spans, without finding names or quotations."""
