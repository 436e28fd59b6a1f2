"""A small news site of four invented publishers: what ``make run`` reads and the tests fetch from.

``quotes.json`` is the right answer for the quotes of its English articles: ``url`` as asked for, ``text`` (without
outer marks and a closing comma; fragments joined by a space), ``speaker_name`` (null where the text gives no name),
``kind``, ``fragments`` (each stands in the page as it is). Speech that goes on after its attribution, or over several
paragraphs, is one quote. Headlines, indirect questions, and reported commands and promises (``told them to``) are not
listed.
"""
