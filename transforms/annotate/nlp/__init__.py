"""From text to tokens, sentences and quoted spans; no names, no quotations."""
